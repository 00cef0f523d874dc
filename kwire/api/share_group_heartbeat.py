"""ShareGroupHeartbeat (key 76), version 1: members of share groups join, live on and leave (KIP-932).

Version 0 was Kafka 4.0's early access and is served nowhere any more.
"""

from __future__ import annotations

import asyncio

from kwire.api.context import RequestContext
from kwire.api.join_group import java_address
from kwire.coord.group.share.groups import heartbeat_refused
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.share_group_heartbeat import ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse


def handle(
    request: ShareGroupHeartbeatRequest, context: RequestContext
) -> ShareGroupHeartbeatResponse | asyncio.Future[ShareGroupHeartbeatResponse]:
    """The member's epoch, and its assignment if that has changed."""
    groups = context.services.share.groups
    client = (context.client_id or "", java_address(context.connection.peer_host))
    answer = groups.heartbeat(request, client)
    if isinstance(answer, ShareGroupHeartbeatResponse) and not groups.has_orders(request.group_id):
        return answer
    # What was begun is brought to its end, though the client should leave.
    return asyncio.shield(asyncio.ensure_future(groups.after_heartbeat(answer, request, client)))


def error_response(
    request: ShareGroupHeartbeatRequest, code: ErrorCode, message: str | None
) -> ShareGroupHeartbeatResponse:
    """Refused with `code`."""
    return heartbeat_refused(KafkaError(code, message))
