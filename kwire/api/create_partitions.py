"""CreatePartitions (key 37), versions 0-3: more partitions for existing topics (KIP-195).

When the answer is sent they can be used; the request's timeout has nothing to wait for.
"""

from __future__ import annotations

from kwire.api.context import RequestContext
from kwire.cluster.controller.core import NewPartitions
from kwire.errors import ErrorCode
from kwire.wire.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopicResult,
)


async def handle(request: CreatePartitionsRequest, context: RequestContext) -> CreatePartitionsResponse:
    """One result per name; a name that occurs twice has one, INVALID_REQUEST."""
    topics = [
        NewPartitions(
            topic.name,
            topic.count,
            None if topic.assignments is None else [assignment.broker_ids for assignment in topic.assignments],
        )
        for topic in request.topics
    ]
    results = await context.services.controller.create_partitions(topics, validate_only=request.validate_only)
    return CreatePartitionsResponse(
        throttle_time_ms=0,
        results=[
            CreatePartitionsTopicResult(name=result.name, error_code=ErrorCode.NONE)
            if result.error is None
            else CreatePartitionsTopicResult(
                name=result.name, error_code=result.error.code, error_message=result.error.message
            )
            for result in results
        ],
    )


def error_response(request: CreatePartitionsRequest, code: ErrorCode, message: str | None) -> CreatePartitionsResponse:
    """The error for each topic."""
    results = [
        CreatePartitionsTopicResult(name=name, error_code=code, error_message=message)
        for name in dict.fromkeys(topic.name for topic in request.topics)
    ]
    return CreatePartitionsResponse(throttle_time_ms=0, results=results)
