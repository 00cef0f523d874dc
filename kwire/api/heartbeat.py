"""Heartbeat (key 12), versions 0-4.

v3 static members (KIP-345).
"""

from __future__ import annotations

import asyncio

from kwire.api.context import RequestContext
from kwire.wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse


def handle(request: HeartbeatRequest, context: RequestContext) -> HeartbeatResponse | asyncio.Future[HeartbeatResponse]:
    """Keeps a member in its group, and tells it when to rejoin."""
    return context.services.groups.heartbeat(request)
