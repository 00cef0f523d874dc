"""StreamsGroupDescribe (key 89), version 0: Streams groups with their topology and their members' tasks (KIP-1071).

Without an authorizer every operation is allowed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from kwire.api.context import RequestContext
from kwire.api.describe_groups import ALL_GROUP_OPERATIONS
from kwire.api.streams_group_heartbeat import PROTOCOLS_OPTION
from kwire.coord.group.streams.coordinator import describe_streams_groups
from kwire.coord.group.streams.inspection import describe_failure
from kwire.errors import ErrorCode
from kwire.wire.messages.streams_group_describe import (
    DescribedGroup,
    StreamsGroupDescribeRequest,
    StreamsGroupDescribeResponse,
)


def handle(
    request: StreamsGroupDescribeRequest, context: RequestContext
) -> StreamsGroupDescribeResponse | Coroutine[None, None, StreamsGroupDescribeResponse]:
    """State, epochs, topology and members of each group."""
    if "streams" not in context.services.config.list(PROTOCOLS_OPTION):
        return error_response(request, ErrorCode.UNSUPPORTED_VERSION, None)
    answer = describe_streams_groups(context.services.groups, request.group_ids)
    if isinstance(answer, list):
        return _response(request, answer)
    return _response_later(request, answer)


def error_response(
    request: StreamsGroupDescribeRequest, code: ErrorCode, message: str | None
) -> StreamsGroupDescribeResponse:
    """Every group answered with `code`."""
    groups = [describe_failure(group_id, code, message) for group_id in request.group_ids]
    return StreamsGroupDescribeResponse(throttle_time_ms=0, groups=groups)


async def _response_later(
    request: StreamsGroupDescribeRequest, answer: asyncio.Future[list[DescribedGroup]]
) -> StreamsGroupDescribeResponse:
    return _response(request, await answer)


def _response(request: StreamsGroupDescribeRequest, groups: list[DescribedGroup]) -> StreamsGroupDescribeResponse:
    for group in groups:
        if request.include_authorized_operations and not group.error_code:
            group.authorized_operations = ALL_GROUP_OPERATIONS
    return StreamsGroupDescribeResponse(throttle_time_ms=0, groups=groups)
