"""ConsumerGroupHeartbeat (key 68), versions 0-1: members of KIP-848's groups join, live on and leave.

v1 regular expressions in RE2 syntax, and member ids made by the client (KIP-1082).
"""

from __future__ import annotations

import asyncio

from kwire.api.context import RequestContext
from kwire.api.join_group import java_address
from kwire.coord.group.consumer.groups import heartbeat_refused
from kwire.coord.group.consumer.member import Requester
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)

FIRST_VERSION_WITH_CLIENT_MADE_IDS = 1


def handle(
    request: ConsumerGroupHeartbeatRequest, context: RequestContext
) -> ConsumerGroupHeartbeatResponse | asyncio.Future[ConsumerGroupHeartbeatResponse]:
    """The member's epoch, and its assignment if that has changed."""
    requester = Requester(context.client_id or "", java_address(context.connection.peer_host))
    return context.services.groups.consumer_group_heartbeat(
        request, requester, makes_member_id=context.api_version < FIRST_VERSION_WITH_CLIENT_MADE_IDS
    )


def error_response(
    request: ConsumerGroupHeartbeatRequest, code: ErrorCode, message: str | None
) -> ConsumerGroupHeartbeatResponse:
    """Refused with `code`."""
    return heartbeat_refused(KafkaError(code, message))
