"""JoinGroup (key 11), versions 0-9.

v1 rebalance timeout (before, the session timeout served for both); v4 a member id comes first (KIP-394); v5 static
members (KIP-345); v7 the protocol type in the answer (KIP-559); v8 a reason (KIP-800: accepted, it changes nothing);
v9 a static leader may skip the assignment (KIP-814).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from kwire.api.context import RequestContext
from kwire.coord.group.members import JoiningClient
from kwire.coord.group.rebalance import join_refused
from kwire.errors import ErrorCode
from kwire.wire.messages.join_group import JoinGroupRequest, JoinGroupResponse

FIRST_VERSION_WITH_MEMBER_ID_REQUIRED = 4
FIRST_VERSION_WITH_NULL_PROTOCOL = 7
FIRST_VERSION_WITH_SKIP_ASSIGNMENT = 9


def handle(
    request: JoinGroupRequest, context: RequestContext
) -> JoinGroupResponse | asyncio.Future[JoinGroupResponse] | Coroutine[None, None, JoinGroupResponse]:
    """Into the group; the answer waits for the others unless there is something to say before."""
    version = context.api_version
    client = JoiningClient(
        context.client_id or "",
        java_address(context.connection.peer_host),
        version >= FIRST_VERSION_WITH_MEMBER_ID_REQUIRED,
        version >= FIRST_VERSION_WITH_SKIP_ASSIGNMENT,
    )
    answer = context.services.groups.join_group(request, client)
    if version >= FIRST_VERSION_WITH_NULL_PROTOCOL:
        return answer
    if isinstance(answer, JoinGroupResponse):
        return _without_null(answer)
    return _without_null_later(answer)


def error_response(request: JoinGroupRequest, code: ErrorCode, message: str | None) -> JoinGroupResponse:
    """Refused with `code`."""
    return _without_null(join_refused(code, request.member_id))


def java_address(host: str) -> str:
    """An address as Java prints it, which is how Apache Kafka stores and shows a member's host: `/127.0.0.1`.

    An IPv6 address is written out in full, without leading zeros (`/0:0:0:0:0:0:0:1`).
    """
    if ":" not in host:
        return f"/{host}"
    address, _, zone = host.partition("%")
    head, gap, tail = address.partition("::")
    before = head.split(":") if head else []
    after = tail.split(":") if tail else []
    missing = 8 - len(before) - len(after) if gap else 0
    groups = [*before, *["0"] * missing, *after]
    text = ":".join(group.lstrip("0") or "0" for group in groups)
    return f"/{text}%{zone}" if zone else f"/{text}"


def _without_null(response: JoinGroupResponse) -> JoinGroupResponse:
    if response.protocol_name is None:
        response.protocol_name = ""
    return response


async def _without_null_later(answer: asyncio.Future[JoinGroupResponse]) -> JoinGroupResponse:
    return _without_null(await answer)
