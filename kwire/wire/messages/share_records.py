"""share_records"""

from __future__ import annotations

from kwire.wire.schema import Int8, Int16, Int32, Int64, String, Uuid, message, struct, wire


@message(key=14, valid="0", prefix="record_type")
class ShareGroupCurrentMemberAssignmentKey:
    """ShareGroupCurrentMemberAssignmentKey"""

    group_id: String
    member_id: String


@struct
class TopicPartitions:
    topic_id: Uuid
    partitions: list[Int32]


@message(valid="0", flexible="0+", prefix="version")
class ShareGroupCurrentMemberAssignmentValue:
    """ShareGroupCurrentMemberAssignmentValue"""

    member_epoch: Int32
    previous_member_epoch: Int32
    state: Int8
    assigned_partitions: list[TopicPartitions]


@message(key=10, valid="0", prefix="record_type")
class ShareGroupMemberMetadataKey:
    """ShareGroupMemberMetadataKey"""

    group_id: String
    member_id: String


@message(valid="0", flexible="0+", prefix="version")
class ShareGroupMemberMetadataValue:
    """ShareGroupMemberMetadataValue"""

    rack_id: String | None
    client_id: String
    client_host: String
    subscribed_topic_names: list[String]


@message(key=11, valid="0", prefix="record_type")
class ShareGroupMetadataKey:
    """ShareGroupMetadataKey"""

    group_id: String


@message(valid="0", flexible="0+", prefix="version")
class ShareGroupMetadataValue:
    """ShareGroupMetadataValue"""

    epoch: Int32
    metadata_hash: Int64


@message(valid="9", prefix="version")
class ShareGroupPartitionMetadataKey:
    """ShareGroupPartitionMetadataKey"""

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
    """ShareGroupPartitionMetadataValue"""

    initialized_topics: list[TopicPartitionsInfo]
    deleting_topics: list[TopicInfo]


@message(key=15, valid="0", prefix="record_type")
class ShareGroupStatePartitionMetadataKey:
    """ShareGroupStatePartitionMetadataKey"""

    group_id: String


@struct
class ShareGroupStatePartitionMetadataValueTopicPartitionsInfo:
    topic_id: Uuid
    topic_name: String
    partitions: list[Int32]


@struct
class ShareGroupStatePartitionMetadataValueTopicInfo:
    topic_id: Uuid
    topic_name: String


@message(valid="0", flexible="0+", prefix="version")
class ShareGroupStatePartitionMetadataValue:
    """ShareGroupStatePartitionMetadataValue"""

    initializing_topics: list[ShareGroupStatePartitionMetadataValueTopicPartitionsInfo]
    initialized_topics: list[ShareGroupStatePartitionMetadataValueTopicPartitionsInfo]
    deleting_topics: list[ShareGroupStatePartitionMetadataValueTopicInfo]


@message(key=13, valid="0", prefix="record_type")
class ShareGroupTargetAssignmentMemberKey:
    """ShareGroupTargetAssignmentMemberKey"""

    group_id: String
    member_id: String


@struct
class TopicPartition:
    topic_id: Uuid
    partitions: list[Int32]


@message(valid="0", flexible="0+", prefix="version")
class ShareGroupTargetAssignmentMemberValue:
    """ShareGroupTargetAssignmentMemberValue"""

    topic_partitions: list[TopicPartition]


@message(key=12, valid="0", prefix="record_type")
class ShareGroupTargetAssignmentMetadataKey:
    """ShareGroupTargetAssignmentMetadataKey"""

    group_id: String


@message(valid="0", flexible="0+", prefix="version")
class ShareGroupTargetAssignmentMetadataValue:
    """ShareGroupTargetAssignmentMetadataValue"""

    assignment_epoch: Int32
    assignment_timestamp: Int64 = wire(tag=0, default=0)


@message(key=0, valid="0", prefix="record_type")
class ShareSnapshotKey:
    """ShareSnapshotKey"""

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
    """ShareSnapshotValue"""

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
    """ShareUpdateKey"""

    group_id: String
    topic_id: Uuid
    partition: Int32


@struct
class ShareUpdateValueStateBatch:
    first_offset: Int64
    last_offset: Int64
    delivery_state: Int8
    delivery_count: Int16


@message(valid="0", flexible="0+", prefix="version")
class ShareUpdateValue:
    """ShareUpdateValue"""

    snapshot_epoch: Int32
    leader_epoch: Int32
    start_offset: Int64
    delivery_complete_count: Int32 = wire(tag=0, default=-1)
    state_batches: list[ShareUpdateValueStateBatch]
