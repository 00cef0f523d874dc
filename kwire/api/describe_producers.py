"""DescribeProducers (key 61), version 0: who writes to a partition, and which transactions are open there (KIP-664)."""

from __future__ import annotations

from kwire.api.context import RequestContext
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    PartitionResponse,
    ProducerState,
    TopicResponse,
)

NO_TRANSACTION = -1


def handle(request: DescribeProducersRequest, context: RequestContext) -> DescribeProducersResponse:
    """The producers of each partition; UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER."""
    return DescribeProducersResponse(
        throttle_time_ms=0,
        topics=[
            TopicResponse(
                name=topic.name,
                partitions=[_describe(context, topic.name, index) for index in topic.partition_indexes],
            )
            for topic in request.topics
        ],
    )


def error_response(
    request: DescribeProducersRequest, code: ErrorCode, message: str | None
) -> DescribeProducersResponse:
    """Every partition answered with `code`."""
    return DescribeProducersResponse(
        throttle_time_ms=0,
        topics=[
            TopicResponse(
                name=topic.name, partitions=[_refused(index, code, message) for index in topic.partition_indexes]
            )
            for topic in request.topics
        ],
    )


def _describe(context: RequestContext, topic: str, index: int) -> PartitionResponse:
    try:
        partition = context.services.replicas.partition(topic, index)
        partition.check_leader()
        entries = partition.log.producers.entries.values()
    except KafkaError as error:
        return _refused(index, error.code, error.message)
    producers = [
        ProducerState(
            producer_id=entry.producer_id,
            producer_epoch=entry.epoch,
            last_sequence=entry.last_sequence,
            last_timestamp=entry.last_timestamp,
            coordinator_epoch=entry.coordinator_epoch,
            current_txn_start_offset=NO_TRANSACTION if entry.txn_first_offset is None else entry.txn_first_offset,
        )
        for entry in entries
    ]
    return PartitionResponse(partition_index=index, error_code=ErrorCode.NONE, active_producers=producers)


def _refused(index: int, code: ErrorCode, message: str | None) -> PartitionResponse:
    return PartitionResponse(partition_index=index, error_code=code, error_message=message, active_producers=[])
