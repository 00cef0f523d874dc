"""DescribeShareGroupOffsets (key 90), versions 0-1: where share groups stand (KIP-932); v1 their lag (KIP-1226)."""

from __future__ import annotations

from kwire.api.context import RequestContext
from kwire.coord.group.share.offsets import describe_failure
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.describe_share_group_offsets import (
    DescribeShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsResponse,
)


async def handle(
    request: DescribeShareGroupOffsetsRequest, context: RequestContext
) -> DescribeShareGroupOffsetsResponse:
    """Each group's partitions, all of them if none are named."""
    offsets = context.services.share.offsets
    groups = [await offsets.describe(group) for group in request.groups]
    return DescribeShareGroupOffsetsResponse(throttle_time_ms=0, groups=groups)


def error_response(
    request: DescribeShareGroupOffsetsRequest, code: ErrorCode, message: str | None
) -> DescribeShareGroupOffsetsResponse:
    """Every group answered with `code`."""
    groups = [describe_failure(group.group_id, KafkaError(code, message)) for group in request.groups]
    return DescribeShareGroupOffsetsResponse(throttle_time_ms=0, groups=groups)
