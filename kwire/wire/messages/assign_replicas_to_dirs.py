"""KRaft: a broker telling where its replicas lie."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, Int64, Uuid, message, struct, wire


@struct
class PartitionData:
    partition_index: Int32


@struct
class TopicData:
    topic_id: Uuid
    partitions: list[PartitionData]


@struct
class DirectoryData:
    id: Uuid
    topics: list[TopicData]


@message(key=73, valid="0", flexible="0+")
class AssignReplicasToDirsRequest:
    """Directories with their partitions (KIP-858)."""

    broker_id: Int32
    broker_epoch: Int64 = wire(default=-1)
    directories: list[DirectoryData]


@struct
class AssignReplicasToDirsResponsePartitionData:
    partition_index: Int32
    error_code: Int16


@struct
class AssignReplicasToDirsResponseTopicData:
    topic_id: Uuid
    partitions: list[AssignReplicasToDirsResponsePartitionData]


@struct
class AssignReplicasToDirsResponseDirectoryData:
    id: Uuid
    topics: list[AssignReplicasToDirsResponseTopicData]


@message(key=73, valid="0", flexible="0+")
class AssignReplicasToDirsResponse:
    """An error per partition."""

    throttle_time_ms: Int32
    error_code: Int16
    directories: list[AssignReplicasToDirsResponseDirectoryData]
