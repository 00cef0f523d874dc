"""WriteShareGroupState (key 85), versions 0-1: what became of records; v1 how many are done with (KIP-932, KIP-1226).

This broker's own share groups ask their coordinator without it.
"""

from __future__ import annotations

import asyncio

from kwire.api.context import RequestContext
from kwire.errors import ErrorCode
from kwire.wire.messages.write_share_group_state import (
    PartitionResult,
    WriteShareGroupStateRequest,
    WriteShareGroupStateResponse,
    WriteStateResult,
)


def handle(
    request: WriteShareGroupStateRequest, context: RequestContext
) -> WriteShareGroupStateResponse | asyncio.Future[WriteShareGroupStateResponse]:
    """One result per share partition."""
    return context.services.share.states.write(request)


def error_response(
    request: WriteShareGroupStateRequest, code: ErrorCode, message: str | None
) -> WriteShareGroupStateResponse:
    """Every partition answered with `code`."""
    return WriteShareGroupStateResponse(
        results=[
            WriteStateResult(
                topic_id=topic.topic_id,
                partitions=[
                    PartitionResult(partition=partition.partition, error_code=code, error_message=message)
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )
