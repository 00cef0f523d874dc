"""LeaveGroup (key 13), versions 0-5.

v3 several members at once, static ones too (KIP-345); v5 a reason (KIP-800: accepted, it changes nothing).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from kwire.api.context import RequestContext
from kwire.wire.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity

FIRST_VERSION_WITH_MEMBERS = 3


def handle(
    request: LeaveGroupRequest, context: RequestContext
) -> LeaveGroupResponse | asyncio.Future[LeaveGroupResponse] | Coroutine[None, None, LeaveGroupResponse]:
    """Out of the group, one answer per member; before v3 the one member's error is the response's."""
    groups = context.services.groups
    if context.api_version >= FIRST_VERSION_WITH_MEMBERS:
        return groups.leave_group(request)
    request.members = [MemberIdentity(member_id=request.member_id, group_instance_id=None)]
    answer = groups.leave_group(request)
    return _single(answer) if isinstance(answer, LeaveGroupResponse) else _single_later(answer)


def _single(response: LeaveGroupResponse) -> LeaveGroupResponse:
    code = response.error_code or next((member.error_code for member in response.members), 0)
    return LeaveGroupResponse(error_code=code)


async def _single_later(answer: asyncio.Future[LeaveGroupResponse]) -> LeaveGroupResponse:
    return _single(await answer)
