"""consumer_protocol"""

from __future__ import annotations

from kwire.wire.schema import Bytes, Int32, String, message, struct, wire


@struct
class TopicPartition:
    topic: String
    partitions: list[Int32]


@message(valid="0-3", prefix="version")
class ConsumerProtocolAssignment:
    """ConsumerProtocolAssignment"""

    assigned_partitions: list[TopicPartition]
    user_data: Bytes | None = wire(default=None)


@struct
class ConsumerProtocolSubscriptionTopicPartition:
    topic: String
    partitions: list[Int32]


@message(valid="0-3", prefix="version")
class ConsumerProtocolSubscription:
    """ConsumerProtocolSubscription"""

    topics: list[String]
    user_data: Bytes | None = wire(default=None)
    owned_partitions: list[ConsumerProtocolSubscriptionTopicPartition] = wire("1+", factory=list, ignorable=True)
    generation_id: Int32 = wire("2+", default=-1, ignorable=True)
    rack_id: String | None = wire("3+", default=None, ignorable=True)
