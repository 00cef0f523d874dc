"""Records of `__consumer_offsets` for Streams groups (KIP-1071)."""

from __future__ import annotations

from kwire.wire.schema import Int8, Int16, Int32, Int64, String, UInt16, message, struct, wire


@message(key=22, valid="0", prefix="record_type")
class StreamsGroupCurrentMemberAssignmentKey:
    """Names one member's current assignment."""

    group_id: String
    member_id: String


@struct
class TaskIds:
    subtopology_id: String
    partitions: list[Int32]
    assignment_epochs: list[Int32] | None = wire(tag=0, factory=list)


@message(valid="0", flexible="0+", prefix="version")
class StreamsGroupCurrentMemberAssignmentValue:
    """The tasks that a member has, and those that it still has to give back."""

    member_epoch: Int32
    previous_member_epoch: Int32
    state: Int8
    active_tasks: list[TaskIds]
    standby_tasks: list[TaskIds]
    warmup_tasks: list[TaskIds]
    active_tasks_pending_revocation: list[TaskIds]
    standby_tasks_pending_revocation: list[TaskIds]
    warmup_tasks_pending_revocation: list[TaskIds]


@message(key=19, valid="0", prefix="record_type")
class StreamsGroupMemberMetadataKey:
    """Names a member."""

    group_id: String
    member_id: String


@struct
class Endpoint:
    host: String
    port: UInt16


@struct
class KeyValue:
    key: String
    value: String


@message(valid="0", flexible="0+", prefix="version")
class StreamsGroupMemberMetadataValue:
    """What a member said about itself."""

    instance_id: String | None
    rack_id: String | None
    client_id: String
    client_host: String
    rebalance_timeout_ms: Int32 = wire(default=-1)
    topology_epoch: Int32
    process_id: String
    user_endpoint: Endpoint | None = wire(default=None)
    client_tags: list[KeyValue]


@message(key=17, valid="0", prefix="record_type")
class StreamsGroupMetadataKey:
    """Names a Streams group."""

    group_id: String


@struct
class LastAssignmentConfig:
    key: String
    value: String


@message(valid="0", flexible="0+", prefix="version")
class StreamsGroupMetadataValue:
    """The group's epoch, the hash of its metadata, and the options of its last assignment."""

    epoch: Int32
    metadata_hash: Int64
    validated_topology_epoch: Int32 = wire(tag=0, default=-1)
    last_assignment_configs: list[LastAssignmentConfig] | None = wire(tag=1, factory=list)


@message(key=21, valid="0", prefix="record_type")
class StreamsGroupTargetAssignmentMemberKey:
    """Names one member's target assignment."""

    group_id: String
    member_id: String


@struct
class StreamsGroupTargetAssignmentMemberValueTaskIds:
    subtopology_id: String
    partitions: list[Int32]


@message(valid="0", flexible="0+", prefix="version")
class StreamsGroupTargetAssignmentMemberValue:
    """The tasks that a member should have."""

    active_tasks: list[StreamsGroupTargetAssignmentMemberValueTaskIds]
    standby_tasks: list[StreamsGroupTargetAssignmentMemberValueTaskIds]
    warmup_tasks: list[StreamsGroupTargetAssignmentMemberValueTaskIds]


@message(key=20, valid="0", prefix="record_type")
class StreamsGroupTargetAssignmentMetadataKey:
    """Names the target assignment of a group."""

    group_id: String


@message(valid="0", flexible="0+", prefix="version")
class StreamsGroupTargetAssignmentMetadataValue:
    """The epoch of the target assignment."""

    assignment_epoch: Int32
    assignment_timestamp: Int64 = wire(tag=0, default=0)


@message(key=23, valid="0", prefix="record_type")
class StreamsGroupTopologyKey:
    """Names the topology of a group."""

    group_id: String


@struct
class TopicConfig:
    key: String
    value: String


@struct
class TopicInfo:
    name: String
    partitions: Int32
    replication_factor: Int16
    topic_configs: list[TopicConfig]


@struct
class CopartitionGroup:
    source_topics: list[Int16]
    source_topic_regex: list[Int16]
    repartition_source_topics: list[Int16]


@struct
class Subtopology:
    subtopology_id: String
    source_topics: list[String]
    source_topic_regex: list[String]
    state_changelog_topics: list[TopicInfo]
    repartition_sink_topics: list[String]
    repartition_source_topics: list[TopicInfo]
    copartition_groups: list[CopartitionGroup]


@message(valid="0", flexible="0+", prefix="version")
class StreamsGroupTopologyValue:
    """The topology that the group runs."""

    epoch: Int32
    subtopologies: list[Subtopology]
