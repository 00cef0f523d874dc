"""Records of `__consumer_offsets` for share groups, and of `__share_group_state` (KIP-932)."""

from __future__ import annotations

from kwire.wire.schema import Int8, Int16, Int32, Int64, String, Uuid, message, struct, wire


@message(key=14, valid="0", prefix="record_type")
class ShareGroupCurrentMemberAssignmentKey:
    """Names one member's current assignment."""

    group_id: String
    member_id: String


@struct
class TopicPartitions:
    topic_id: Uuid
    partitions: list[Int32]


@message(valid="0", flexible="0+", prefix="version")
class ShareGroupCurrentMemberAssignmentValue:
    """The partitions that a member has."""

    member_epoch: Int32
    previous_member_epoch: Int32
    state: Int8
    assigned_partitions: list[TopicPartitions]


@message(key=10, valid="0", prefix="record_type")
class ShareGroupMemberMetadataKey:
    """Names a member."""

    group_id: String
    member_id: String


@message(valid="0", flexible="0+", prefix="version")
class ShareGroupMemberMetadataValue:
    """What a member said about itself."""

    rack_id: String | None
    client_id: String
    client_host: String
    subscribed_topic_names: list[String]


@message(key=11, valid="0", prefix="record_type")
class ShareGroupMetadataKey:
    """Names a share group."""

    group_id: String


@message(valid="0", flexible="0+", prefix="version")
class ShareGroupMetadataValue:
    """The group's epoch and the hash of its metadata."""

    epoch: Int32
    metadata_hash: Int64


@message(valid="9", prefix="version")
class ShareGroupPartitionMetadataKey:
    """Names the topic metadata of a share group; Kafka 3.9's early form."""

    group_id: String


@struct
class TopicPartitionsInfo:
    topic_id: Uuid
    topic_name: String
    partitions: list[Int32]


@struct
class TopicInfo:
    topic_id: Uuid
    topic_name: String


@message(valid="0", flexible="0+", prefix="version")
class ShareGroupPartitionMetadataValue:
    """The topics that a share group is subscribed to, as it saw them."""

    initialized_topics: list[TopicPartitionsInfo]
    deleting_topics: list[TopicInfo]


@message(key=15, valid="0", prefix="record_type")
class ShareGroupStatePartitionMetadataKey:
    """Names the record of initialized share partitions of a group."""

    group_id: String


@message(valid="0", flexible="0+", prefix="version")
class ShareGroupStatePartitionMetadataValue:
    """The share partitions whose state is being initialized, is initialized, or is being deleted."""

    initializing_topics: list[TopicPartitionsInfo]
    initialized_topics: list[TopicPartitionsInfo]
    deleting_topics: list[TopicInfo]


@message(key=13, valid="0", prefix="record_type")
class ShareGroupTargetAssignmentMemberKey:
    """Names one member's target assignment."""

    group_id: String
    member_id: String


@struct
class TopicPartition:
    topic_id: Uuid
    partitions: list[Int32]


@message(valid="0", flexible="0+", prefix="version")
class ShareGroupTargetAssignmentMemberValue:
    """The partitions that a member should have."""

    topic_partitions: list[TopicPartition]


@message(key=12, valid="0", prefix="record_type")
class ShareGroupTargetAssignmentMetadataKey:
    """Names the target assignment of a group."""

    group_id: String


@message(valid="0", flexible="0+", prefix="version")
class ShareGroupTargetAssignmentMetadataValue:
    """The epoch of the target assignment."""

    assignment_epoch: Int32
    assignment_timestamp: Int64 = wire(tag=0, default=0)


@message(key=0, valid="0", prefix="record_type")
class ShareSnapshotKey:
    """Names the full state of a share partition."""

    group_id: String
    topic_id: Uuid
    partition: Int32


@struct
class StateBatch:
    first_offset: Int64
    last_offset: Int64
    delivery_state: Int8
    delivery_count: Int16


@message(valid="0", flexible="0+", prefix="version")
class ShareSnapshotValue:
    """The full state of a share partition. Counts of complete deliveries are tagged (KIP-1226)."""

    snapshot_epoch: Int32
    state_epoch: Int32
    leader_epoch: Int32
    start_offset: Int64
    delivery_complete_count: Int32 = wire(tag=0, default=-1)
    create_timestamp: Int64
    write_timestamp: Int64
    state_batches: list[StateBatch]


@message(key=1, valid="0", prefix="record_type")
class ShareUpdateKey:
    """Names a change of a share partition's state."""

    group_id: String
    topic_id: Uuid
    partition: Int32


@message(valid="0", flexible="0+", prefix="version")
class ShareUpdateValue:
    """What changed since the snapshot."""

    snapshot_epoch: Int32
    leader_epoch: Int32
    start_offset: Int64
    delivery_complete_count: Int32 = wire(tag=0, default=-1)
    state_batches: list[StateBatch]
