"""ConsumerGroupDescribe (key 69), versions 0-1: groups of KIP-848 with their members' assignments and targets.

v1 says which protocol each member speaks (KIP-1099). Without an authorizer every operation is allowed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from kwire.api.context import RequestContext
from kwire.api.describe_groups import ALL_GROUP_OPERATIONS
from kwire.coord.group.consumer.inspection import describe_failure
from kwire.errors import ErrorCode
from kwire.wire.messages.consumer_group_describe import (
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
    DescribedGroup,
)


def handle(
    request: ConsumerGroupDescribeRequest, context: RequestContext
) -> ConsumerGroupDescribeResponse | Coroutine[None, None, ConsumerGroupDescribeResponse]:
    """State, epochs and members of each group."""
    answer = context.services.groups.describe_consumer_groups(request.group_ids)
    if isinstance(answer, list):
        return _response(request, answer)
    return _response_later(request, answer)


def error_response(
    request: ConsumerGroupDescribeRequest, code: ErrorCode, message: str | None
) -> ConsumerGroupDescribeResponse:
    """Every group answered with `code`."""
    groups = [describe_failure(group_id, code, message) for group_id in request.group_ids]
    return ConsumerGroupDescribeResponse(throttle_time_ms=0, groups=groups)


async def _response_later(
    request: ConsumerGroupDescribeRequest, answer: asyncio.Future[list[DescribedGroup]]
) -> ConsumerGroupDescribeResponse:
    return _response(request, await answer)


def _response(request: ConsumerGroupDescribeRequest, groups: list[DescribedGroup]) -> ConsumerGroupDescribeResponse:
    for group in groups:
        if request.include_authorized_operations and not group.error_code:
            group.authorized_operations = ALL_GROUP_OPERATIONS
    return ConsumerGroupDescribeResponse(throttle_time_ms=0, groups=groups)
