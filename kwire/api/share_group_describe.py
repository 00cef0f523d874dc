"""ShareGroupDescribe (key 77), version 1: share groups with their members' assignments (KIP-932).

Without an authorizer every operation is allowed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from kwire.api.context import RequestContext
from kwire.api.describe_groups import ALL_GROUP_OPERATIONS
from kwire.coord.group.share.inspection import describe_failure
from kwire.errors import ErrorCode
from kwire.wire.messages.share_group_describe import (
    DescribedGroup,
    ShareGroupDescribeRequest,
    ShareGroupDescribeResponse,
)


def handle(
    request: ShareGroupDescribeRequest, context: RequestContext
) -> ShareGroupDescribeResponse | Coroutine[None, None, ShareGroupDescribeResponse]:
    """State, epochs and members of each group."""
    answer = context.services.share.groups.describe(request.group_ids)
    if isinstance(answer, list):
        return _response(request, answer)
    return _response_later(request, answer)


def error_response(
    request: ShareGroupDescribeRequest, code: ErrorCode, message: str | None
) -> ShareGroupDescribeResponse:
    """Every group answered with `code`."""
    groups = [describe_failure(group_id, code, message) for group_id in request.group_ids]
    return ShareGroupDescribeResponse(throttle_time_ms=0, groups=groups)


async def _response_later(
    request: ShareGroupDescribeRequest, answer: asyncio.Future[list[DescribedGroup]]
) -> ShareGroupDescribeResponse:
    return _response(request, await answer)


def _response(request: ShareGroupDescribeRequest, groups: list[DescribedGroup]) -> ShareGroupDescribeResponse:
    for group in groups:
        if request.include_authorized_operations and not group.error_code:
            group.authorized_operations = ALL_GROUP_OPERATIONS
    return ShareGroupDescribeResponse(throttle_time_ms=0, groups=groups)
