"""DeleteShareGroupState (key 86), version 0: share partitions that nobody reads any more (KIP-932).

This broker's own share groups ask their coordinator without it.
"""

from __future__ import annotations

import asyncio

from kwire.api.context import RequestContext
from kwire.errors import ErrorCode
from kwire.wire.messages.delete_share_group_state import (
    DeleteShareGroupStateRequest,
    DeleteShareGroupStateResponse,
    DeleteStateResult,
    PartitionResult,
)


def handle(
    request: DeleteShareGroupStateRequest, context: RequestContext
) -> DeleteShareGroupStateResponse | asyncio.Future[DeleteShareGroupStateResponse]:
    """One result per share partition."""
    return context.services.share.states.delete(request)


def error_response(
    request: DeleteShareGroupStateRequest, code: ErrorCode, message: str | None
) -> DeleteShareGroupStateResponse:
    """Every partition answered with `code`."""
    return DeleteShareGroupStateResponse(
        results=[
            DeleteStateResult(
                topic_id=topic.topic_id,
                partitions=[
                    PartitionResult(partition=partition.partition, error_code=code, error_message=message)
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )
