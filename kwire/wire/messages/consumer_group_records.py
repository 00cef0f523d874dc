"""Records of `__consumer_offsets` for groups of the new consumer protocol (KIP-848)."""

from __future__ import annotations

from kwire.wire.schema import Bytes, Int8, Int32, Int64, String, Uuid, message, struct, wire


@message(key=8, valid="0", prefix="record_type")
class ConsumerGroupCurrentMemberAssignmentKey:
    """Names one member's current assignment."""

    group_id: String
    member_id: String


@struct
class TopicPartitions:
    topic_id: Uuid
    partitions: list[Int32]
    assignment_epochs: list[Int32] | None = wire(tag=0, factory=list)


@message(valid="0", flexible="0+", prefix="version")
class ConsumerGroupCurrentMemberAssignmentValue:
    """The partitions that a member has, and those that it still has to give back."""

    member_epoch: Int32
    previous_member_epoch: Int32
    state: Int8
    assigned_partitions: list[TopicPartitions]
    partitions_pending_revocation: list[TopicPartitions]


@message(key=5, valid="0", prefix="record_type")
class ConsumerGroupMemberMetadataKey:
    """Names a member."""

    group_id: String
    member_id: String


@struct
class ClassicProtocol:
    name: String
    metadata: Bytes


@struct
class ClassicMemberMetadata:
    session_timeout_ms: Int32
    supported_protocols: list[ClassicProtocol]


@message(valid="0", flexible="0+", prefix="version")
class ConsumerGroupMemberMetadataValue:
    """What a member said about itself (KIP-848)."""

    instance_id: String | None
    rack_id: String | None
    client_id: String
    client_host: String
    subscribed_topic_names: list[String]
    subscribed_topic_regex: String | None
    rebalance_timeout_ms: Int32 = wire(default=-1)
    server_assignor: String | None
    classic_member_metadata: ClassicMemberMetadata | None = wire(tag=0, factory=ClassicMemberMetadata)


@message(key=3, valid="0", prefix="record_type")
class ConsumerGroupMetadataKey:
    """Names a group of the new protocol (KIP-848)."""

    group_id: String


@message(valid="0", flexible="0+", prefix="version")
class ConsumerGroupMetadataValue:
    """The group's epoch and the hash of the metadata that it was computed from (KIP-848)."""

    epoch: Int32
    metadata_hash: Int64 = wire(tag=0, default=0)


@message(key=4, valid="0", prefix="record_type")
class ConsumerGroupPartitionMetadataKey:
    """Names the topic metadata of a group; written by Kafka before 4.1 only."""

    group_id: String


@struct
class PartitionMetadata:
    partition: Int32
    racks: list[String]


@struct
class TopicMetadata:
    topic_id: Uuid
    topic_name: String
    num_partitions: Int32
    partition_metadata: list[PartitionMetadata]


@message(valid="0", flexible="0+", prefix="version")
class ConsumerGroupPartitionMetadataValue:
    """The topics that a group is subscribed to, as it saw them."""

    topics: list[TopicMetadata]


@message(key=16, valid="0", prefix="record_type")
class ConsumerGroupRegularExpressionKey:
    """Names a regular expression that a group subscribes with."""

    group_id: String
    regular_expression: String


@message(valid="0", flexible="0+", prefix="version")
class ConsumerGroupRegularExpressionValue:
    """The topics that the expression matched."""

    topics: list[String]
    version: Int64
    timestamp: Int64


@message(key=7, valid="0", prefix="record_type")
class ConsumerGroupTargetAssignmentMemberKey:
    """Names one member's target assignment."""

    group_id: String
    member_id: String


@struct
class TopicPartition:
    topic_id: Uuid
    partitions: list[Int32]


@message(valid="0", flexible="0+", prefix="version")
class ConsumerGroupTargetAssignmentMemberValue:
    """The partitions that a member should have."""

    topic_partitions: list[TopicPartition]


@message(key=6, valid="0", prefix="record_type")
class ConsumerGroupTargetAssignmentMetadataKey:
    """Names the target assignment of a group."""

    group_id: String


@message(valid="0", flexible="0+", prefix="version")
class ConsumerGroupTargetAssignmentMetadataValue:
    """The epoch of the target assignment."""

    assignment_epoch: Int32
    assignment_timestamp: Int64 = wire(tag=0, default=0)
