"""DescribeGroups (key 15), versions 0-6.

v3 authorized operations (KIP-430; without an authorizer everything is allowed); v4 instance ids (KIP-345); v6 an
unknown group is an error (KIP-1043), before it is a Dead group.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from kwire.api.context import RequestContext
from kwire.coord.group.inspection import describe_failure
from kwire.coord.group.states import GroupState
from kwire.errors import ErrorCode
from kwire.wire.messages.describe_groups import DescribedGroup, DescribeGroupsRequest, DescribeGroupsResponse

FIRST_VERSION_WITH_UNKNOWN_GROUPS = 6

READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS = 3, 6, 8, 10, 11
ALL_GROUP_OPERATIONS = sum(1 << operation for operation in (READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS))
"""The AclOperations that exist for a group, one bit each."""


def handle(
    request: DescribeGroupsRequest, context: RequestContext
) -> DescribeGroupsResponse | Coroutine[None, None, DescribeGroupsResponse]:
    """State, protocol and members of each group."""
    answer = context.services.groups.describe_groups(request.groups)
    if isinstance(answer, list):
        return _response(request, context, answer)
    return _response_later(request, context, answer)


def error_response(request: DescribeGroupsRequest, code: ErrorCode, message: str | None) -> DescribeGroupsResponse:
    """Every group answered with `code`."""
    return DescribeGroupsResponse(groups=[describe_failure(group_id, code) for group_id in request.groups])


async def _response_later(
    request: DescribeGroupsRequest, context: RequestContext, answer: asyncio.Future[list[DescribedGroup]]
) -> DescribeGroupsResponse:
    return _response(request, context, await answer)


def _response(
    request: DescribeGroupsRequest, context: RequestContext, groups: list[DescribedGroup]
) -> DescribeGroupsResponse:
    for group in groups:
        if context.api_version < FIRST_VERSION_WITH_UNKNOWN_GROUPS:
            group.error_message = None
        elif group.group_state == GroupState.DEAD.value:
            group.error_code = ErrorCode.GROUP_ID_NOT_FOUND
            group.error_message = group.error_message or f"Group {group.group_id} not found."
        if request.include_authorized_operations and not group.error_code:
            group.authorized_operations = ALL_GROUP_OPERATIONS
    return DescribeGroupsResponse(groups=groups)
