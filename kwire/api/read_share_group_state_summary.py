"""ReadShareGroupStateSummary (key 87), versions 0-1: where share partitions stand; v1 how many records are done with.

This broker's own share groups ask their coordinator without it.
"""

from __future__ import annotations

import asyncio

from kwire.api.context import RequestContext
from kwire.errors import ErrorCode
from kwire.wire.messages.read_share_group_state_summary import (
    PartitionResult,
    ReadShareGroupStateSummaryRequest,
    ReadShareGroupStateSummaryResponse,
    ReadStateSummaryResult,
)


def handle(
    request: ReadShareGroupStateSummaryRequest, context: RequestContext
) -> ReadShareGroupStateSummaryResponse | asyncio.Future[ReadShareGroupStateSummaryResponse]:
    """One result per share partition."""
    return context.services.share.states.summarize(request)


def error_response(
    request: ReadShareGroupStateSummaryRequest, code: ErrorCode, message: str | None
) -> ReadShareGroupStateSummaryResponse:
    """Every partition answered with `code`."""
    return ReadShareGroupStateSummaryResponse(
        results=[
            ReadStateSummaryResult(
                topic_id=topic.topic_id,
                partitions=[
                    PartitionResult(
                        partition=partition.partition,
                        error_code=code,
                        error_message=message,
                        state_epoch=0,
                        leader_epoch=0,
                        start_offset=0,
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )
