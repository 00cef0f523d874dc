"""AlterPartitionReassignments (key 45), versions 0-1: other replicas for partitions (KIP-455, KIP-860).

With one broker a partition can only be given the replica that it has, which changes nothing and is no error:
kafka-reassign-partitions does that before it moves a replica to another log directory.
"""

from __future__ import annotations

from kwire.api.context import RequestContext
from kwire.cluster.controller.validation import replicas_must_be_known_brokers
from kwire.cluster.metadata_cache import MetadataCache
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartition,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)


def handle(request: AlterPartitionReassignmentsRequest, context: RequestContext) -> AlterPartitionReassignmentsResponse:
    """Each partition by itself. None is ever moving, so that there is nothing to cancel (null replicas)."""
    cache = context.services.metadata
    responses = [
        ReassignableTopicResponse(
            name=topic.name, partitions=[_answer(cache, topic.name, partition) for partition in topic.partitions]
        )
        for topic in request.topics
    ]
    return AlterPartitionReassignmentsResponse(
        throttle_time_ms=0,
        allow_replication_factor_change=request.allow_replication_factor_change,
        error_code=ErrorCode.NONE,
        error_message=None,
        responses=responses,
    )


def _answer(cache: MetadataCache, topic: str, asked: ReassignablePartition) -> ReassignablePartitionResponse:
    code, message = ErrorCode.NONE, None
    try:
        _check(cache, topic, asked)
    except KafkaError as error:
        code, message = error.code, error.message
    return ReassignablePartitionResponse(partition_index=asked.partition_index, error_code=code, error_message=message)


def _check(cache: MetadataCache, topic: str, asked: ReassignablePartition) -> None:
    """Raises KafkaError unless `asked` names the replicas that the partition has."""
    image = cache.topics.get(topic)
    if image is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no topic '{topic}'.")
    if not 0 <= asked.partition_index < len(image.partitions):
        raise KafkaError(
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no partition {topic}-{asked.partition_index}."
        )
    if asked.replicas is None:
        raise KafkaError(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, "The partition is not moving.")
    replicas_must_be_known_brokers(asked.replicas, cache.brokers, None)
    if asked.replicas != image.partitions[asked.partition_index].replicas:
        raise KafkaError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, "Replicas cannot move between brokers yet.")


def error_response(
    request: AlterPartitionReassignmentsRequest, code: ErrorCode, message: str | None
) -> AlterPartitionReassignmentsResponse:
    """No partitions, and why."""
    return AlterPartitionReassignmentsResponse(throttle_time_ms=0, error_code=code, error_message=message, responses=[])
