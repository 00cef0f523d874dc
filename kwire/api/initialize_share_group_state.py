"""InitializeShareGroupState (key 83), version 0: share partitions begin, or begin anew, at an offset (KIP-932).

This broker's own share groups ask their coordinator without it.
"""

from __future__ import annotations

import asyncio

from kwire.api.context import RequestContext
from kwire.errors import ErrorCode
from kwire.wire.messages.initialize_share_group_state import (
    InitializeShareGroupStateRequest,
    InitializeShareGroupStateResponse,
    InitializeStateResult,
    PartitionResult,
)


def handle(
    request: InitializeShareGroupStateRequest, context: RequestContext
) -> InitializeShareGroupStateResponse | asyncio.Future[InitializeShareGroupStateResponse]:
    """One result per share partition."""
    return context.services.share.states.initialize(request)


def error_response(
    request: InitializeShareGroupStateRequest, code: ErrorCode, message: str | None
) -> InitializeShareGroupStateResponse:
    """Every partition answered with `code`."""
    return InitializeShareGroupStateResponse(
        results=[
            InitializeStateResult(
                topic_id=topic.topic_id,
                partitions=[
                    PartitionResult(partition=partition.partition, error_code=code, error_message=message)
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )
