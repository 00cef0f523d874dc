"""Moving replicas between log directories."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, String, message, struct


@struct
class AlterReplicaLogDirTopic:
    name: String
    partitions: list[Int32]


@struct
class AlterReplicaLogDir:
    path: String
    topics: list[AlterReplicaLogDirTopic]


@message(key=34, valid="0-2", flexible="2+")
class AlterReplicaLogDirsRequest:
    """The directory that each replica should move to (KIP-113)."""

    dirs: list[AlterReplicaLogDir]


@struct
class AlterReplicaLogDirPartitionResult:
    partition_index: Int32
    error_code: Int16


@struct
class AlterReplicaLogDirTopicResult:
    topic_name: String
    partitions: list[AlterReplicaLogDirPartitionResult]


@message(key=34, valid="0-2", flexible="2+")
class AlterReplicaLogDirsResponse:
    """An error per partition."""

    throttle_time_ms: Int32
    results: list[AlterReplicaLogDirTopicResult]
