"""SyncGroup (key 14), versions 0-5.

v3 static members (KIP-345); v5 the protocol, which must be there, to be compared with the group's (KIP-559).
"""

from __future__ import annotations

import asyncio

from kwire.api.context import RequestContext
from kwire.coord.group.rebalance import sync_refused
from kwire.errors import ErrorCode
from kwire.wire.messages.sync_group import SyncGroupRequest, SyncGroupResponse

FIRST_VERSION_WITH_PROTOCOLS = 5


def handle(request: SyncGroupRequest, context: RequestContext) -> SyncGroupResponse | asyncio.Future[SyncGroupResponse]:
    """The member's assignment; the answer waits for the leader's SyncGroup.

    INCONSISTENT_GROUP_PROTOCOL without a protocol type and name since v5, before anything else is looked at.
    """
    names_protocol = request.protocol_type is not None and request.protocol_name is not None
    if context.api_version >= FIRST_VERSION_WITH_PROTOCOLS and not names_protocol:
        return sync_refused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    return context.services.groups.sync_group(request)
