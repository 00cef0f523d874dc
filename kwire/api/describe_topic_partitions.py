"""DescribeTopicPartitions (key 75), version 0: topics page by page (KIP-966).

Topics come in the order of their names. A response holds no more than `response_partition_limit` partitions, nor more
than `max.request.partition.size.limit`; `next_cursor` says where to go on. Eligible leader replicas belong to KRaft:
the lists are empty.
"""

from __future__ import annotations

from kwire.api.context import RequestContext
from kwire.api.metadata import ALL_TOPIC_OPERATIONS
from kwire.cluster.controller.validation import check_topic_name
from kwire.cluster.metadata_cache import INTERNAL_TOPICS, MetadataCache, TopicImage
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import ZERO_UUID
from kwire.wire.messages.describe_topic_partitions import (
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponseCursor,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
)


def handle(request: DescribeTopicPartitionsRequest, context: RequestContext) -> DescribeTopicPartitionsResponse:
    """All topics if none are named. Raises INVALID_REQUEST for a cursor before partition 0."""
    cache = context.services.metadata
    names = sorted({topic.name for topic in request.topics} or cache.topics)
    first_name, first_partition = "", 0
    if request.cursor is not None:
        first_name, first_partition = request.cursor.topic_name, request.cursor.partition_index
        if first_partition < 0:
            raise KafkaError(ErrorCode.INVALID_REQUEST, f"The cursor's partition is {first_partition}.")
    names = [name for name in names if name >= first_name]
    most = context.services.config.int("max.request.partition.size.limit")
    left = max(min(most, request.response_partition_limit), 1)
    topics = []
    next_cursor = None
    for name in names:
        if left <= 0:
            next_cursor = DescribeTopicPartitionsResponseCursor(topic_name=name, partition_index=0)
            break
        image = cache.topics.get(name)
        if image is None:
            topics.append(_unknown(name))
            continue
        start = first_partition if name == first_name else 0
        stop = min(start + left, len(image.partitions))
        topics.append(_described(image, cache, start, stop))
        left -= max(stop - start, 0)
        if stop < len(image.partitions):
            next_cursor = DescribeTopicPartitionsResponseCursor(topic_name=name, partition_index=stop)
            break
    return DescribeTopicPartitionsResponse(throttle_time_ms=0, topics=topics, next_cursor=next_cursor)


def error_response(
    request: DescribeTopicPartitionsRequest, code: ErrorCode, message: str | None
) -> DescribeTopicPartitionsResponse:
    """The error for each topic."""
    topics = [
        DescribeTopicPartitionsResponseTopic(error_code=code, name=topic.name, topic_id=ZERO_UUID, partitions=[])
        for topic in request.topics
    ]
    return DescribeTopicPartitionsResponse(throttle_time_ms=0, topics=topics)


def _unknown(name: str) -> DescribeTopicPartitionsResponseTopic:
    code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    try:
        check_topic_name(name)
    except KafkaError as error:
        code = error.code
    return DescribeTopicPartitionsResponseTopic(
        error_code=code,
        name=name,
        topic_id=ZERO_UUID,
        is_internal=name in INTERNAL_TOPICS,
        partitions=[],
        topic_authorized_operations=ALL_TOPIC_OPERATIONS,
    )


def _described(image: TopicImage, cache: MetadataCache, start: int, stop: int) -> DescribeTopicPartitionsResponseTopic:
    return DescribeTopicPartitionsResponseTopic(
        error_code=ErrorCode.NONE,
        name=image.name,
        topic_id=image.topic_id,
        is_internal=image.is_internal,
        partitions=[
            DescribeTopicPartitionsResponsePartition(
                error_code=ErrorCode.NONE if partition.leader in cache.brokers else ErrorCode.LEADER_NOT_AVAILABLE,
                partition_index=partition.index,
                leader_id=partition.leader if partition.leader in cache.brokers else -1,
                leader_epoch=partition.leader_epoch,
                replica_nodes=partition.replicas,
                isr_nodes=partition.isr,
                eligible_leader_replicas=[],
                last_known_elr=[],
                offline_replicas=cache.offline_replicas(partition),
            )
            for partition in image.partitions[start:stop]
        ],
        topic_authorized_operations=ALL_TOPIC_OPERATIONS,
    )
