"""ListPartitionReassignments (key 46), version 0: the partitions whose replicas are moving to other brokers (KIP-455).

With one broker there is no other: none is moving. What is asked for and not moving is left out of the answer, as in
Kafka, unknown topics among it.
"""

from __future__ import annotations

from kwire.api.context import RequestContext
from kwire.errors import ErrorCode
from kwire.wire.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)


def handle(request: ListPartitionReassignmentsRequest, context: RequestContext) -> ListPartitionReassignmentsResponse:
    """None."""
    return ListPartitionReassignmentsResponse(
        throttle_time_ms=0, error_code=ErrorCode.NONE, error_message=None, topics=[]
    )


def error_response(
    request: ListPartitionReassignmentsRequest, code: ErrorCode, message: str | None
) -> ListPartitionReassignmentsResponse:
    """None, and why."""
    return ListPartitionReassignmentsResponse(throttle_time_ms=0, error_code=code, error_message=message, topics=[])
