"""What classic consumers tell each other through the group coordinator, which does not look inside."""

from __future__ import annotations

from kwire.wire.schema import Bytes, Int32, String, message, struct, wire


@struct
class TopicPartition:
    topic: String
    partitions: list[Int32]


@message(valid="0-3", prefix="version")
class ConsumerProtocolAssignment:
    """What a classic consumer gets, as SyncGroup carries it."""

    assigned_partitions: list[TopicPartition]
    user_data: Bytes | None = wire(default=None)


@struct
class ConsumerProtocolSubscriptionTopicPartition:
    topic: String
    partitions: list[Int32]


@message(valid="0-3", prefix="version")
class ConsumerProtocolSubscription:
    """What a classic consumer wants, as JoinGroup carries it. Owned partitions from v1 (KIP-429), generation from v2
    (KIP-792), rack from v3 (KIP-881).
    """

    topics: list[String]
    user_data: Bytes | None = wire(default=None)
    owned_partitions: list[ConsumerProtocolSubscriptionTopicPartition] = wire("1+", factory=list, ignorable=True)
    generation_id: Int32 = wire("2+", default=-1, ignorable=True)
    rack_id: String | None = wire("3+", default=None, ignorable=True)
