"""The controller taking replicas away (ZooKeeper mode)."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int16, Int32, Int64, String, message, struct, wire


@struct
class StopReplicaPartitionV0:
    topic_name: String
    partition_index: Int32


@struct
class StopReplicaTopicV1:
    name: String
    partition_indexes: list[Int32]


@struct
class StopReplicaPartitionState:
    partition_index: Int32
    leader_epoch: Int32 = wire(default=-1)
    delete_partition: Bool


@struct
class StopReplicaTopicState:
    topic_name: String
    partition_states: list[StopReplicaPartitionState]


@message(key=5, valid="0-4", flexible="2+")
class StopReplicaRequest:
    """Replicas to stop, and whether to delete their data. One partition list before v1, delete flag and leader epoch
    per partition from v3 (KIP-570), KRaft migration v4 (KIP-866).
    """

    controller_id: Int32
    is_kraft_controller: Bool = wire("4+", default=False, name="isKRaftController")
    controller_epoch: Int32
    broker_epoch: Int64 = wire("1+", default=-1, ignorable=True)
    delete_partitions: Bool = wire("0-2", default=False)
    ungrouped_partitions: list[StopReplicaPartitionV0] = wire("0", factory=list)
    topics: list[StopReplicaTopicV1] = wire("1-2", factory=list)
    topic_states: list[StopReplicaTopicState] = wire("3+", factory=list)


@struct
class StopReplicaPartitionError:
    topic_name: String
    partition_index: Int32
    error_code: Int16


@message(key=5, valid="0-4", flexible="2+")
class StopReplicaResponse:
    """An error per partition."""

    error_code: Int16
    partition_errors: list[StopReplicaPartitionError]
