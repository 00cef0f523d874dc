"""ReadShareGroupState (key 84), version 0: a new leader of share partitions asks how far they are (KIP-932).

This broker's own share groups ask their coordinator without it.
"""

from __future__ import annotations

import asyncio

from kwire.api.context import RequestContext
from kwire.errors import ErrorCode
from kwire.wire.messages.read_share_group_state import (
    PartitionResult,
    ReadShareGroupStateRequest,
    ReadShareGroupStateResponse,
    ReadStateResult,
)


def handle(
    request: ReadShareGroupStateRequest, context: RequestContext
) -> ReadShareGroupStateResponse | asyncio.Future[ReadShareGroupStateResponse]:
    """One result per share partition."""
    return context.services.share.states.read(request)


def error_response(
    request: ReadShareGroupStateRequest, code: ErrorCode, message: str | None
) -> ReadShareGroupStateResponse:
    """Every partition answered with `code`."""
    return ReadShareGroupStateResponse(
        results=[
            ReadStateResult(
                topic_id=topic.topic_id,
                partitions=[
                    PartitionResult(
                        partition=partition.partition,
                        error_code=code,
                        error_message=message,
                        state_epoch=0,
                        start_offset=0,
                        state_batches=[],
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )
