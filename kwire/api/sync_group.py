"""SyncGroup (key 14), versions 0-5.

v3 static members (KIP-345); v5 the protocol, to be compared with the group's (KIP-559).
"""

from __future__ import annotations

import asyncio

from kwire.api.context import RequestContext
from kwire.wire.messages.sync_group import SyncGroupRequest, SyncGroupResponse


def handle(request: SyncGroupRequest, context: RequestContext) -> SyncGroupResponse | asyncio.Future[SyncGroupResponse]:
    """The member's assignment; the answer waits for the leader's SyncGroup."""
    return context.services.groups.sync_group(request)
