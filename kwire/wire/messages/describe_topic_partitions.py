"""Describing topics page by page."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int16, Int32, String, Uuid, message, struct, wire


@struct
class TopicRequest:
    name: String


@struct
class Cursor:
    topic_name: String
    partition_index: Int32


@message(key=75, valid="0", flexible="0+")
class DescribeTopicPartitionsRequest:
    """Topics, a limit of partitions, and where to go on (KIP-966)."""

    topics: list[TopicRequest]
    response_partition_limit: Int32 = wire(default=2000)
    cursor: Cursor | None = wire(default=None)


@struct
class DescribeTopicPartitionsResponsePartition:
    error_code: Int16
    partition_index: Int32
    leader_id: Int32
    leader_epoch: Int32 = wire(default=-1)
    replica_nodes: list[Int32]
    isr_nodes: list[Int32]
    eligible_leader_replicas: list[Int32] | None = wire(default=None)
    last_known_elr: list[Int32] | None = wire(default=None)
    offline_replicas: list[Int32]


@struct
class DescribeTopicPartitionsResponseTopic:
    error_code: Int16
    name: String | None
    topic_id: Uuid
    is_internal: Bool = wire(default=False)
    partitions: list[DescribeTopicPartitionsResponsePartition]
    topic_authorized_operations: Int32 = wire(default=-2147483648)


@struct
class DescribeTopicPartitionsResponseCursor:
    topic_name: String
    partition_index: Int32


@message(key=75, valid="0", flexible="0+")
class DescribeTopicPartitionsResponse:
    """Partitions with their eligible leader replicas, and the next page's cursor."""

    throttle_time_ms: Int32
    topics: list[DescribeTopicPartitionsResponseTopic]
    next_cursor: DescribeTopicPartitionsResponseCursor | None = wire(default=None)
