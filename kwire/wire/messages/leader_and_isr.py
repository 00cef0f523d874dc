"""The controller appointing leaders and followers (ZooKeeper mode)."""

from __future__ import annotations

from kwire.ids import ZERO_UUID
from kwire.wire.schema import Bool, Int8, Int16, Int32, Int64, String, Uuid, message, struct, wire


@struct
class LeaderAndIsrPartitionState:
    topic_name: String = wire("0-1", default="", ignorable=True)
    partition_index: Int32
    controller_epoch: Int32
    leader: Int32
    leader_epoch: Int32
    isr: list[Int32]
    partition_epoch: Int32
    replicas: list[Int32]
    adding_replicas: list[Int32] = wire("3+", factory=list, ignorable=True)
    removing_replicas: list[Int32] = wire("3+", factory=list, ignorable=True)
    is_new: Bool = wire("1+", default=False, ignorable=True)
    leader_recovery_state: Int8 = wire("6+", default=0)


@struct
class LeaderAndIsrTopicState:
    topic_name: String
    topic_id: Uuid = wire("5+", default=ZERO_UUID, ignorable=True)
    partition_states: list[LeaderAndIsrPartitionState]


@struct
class LeaderAndIsrLiveLeader:
    broker_id: Int32
    host_name: String
    port: Int32


@message(key=4, valid="0-7", flexible="4+")
class LeaderAndIsrRequest:
    """Partition states that a broker must take on. Grouped by topic from v2, topic ids from v5 (KIP-516), recovery
    state from v6 (KIP-704), KRaft migration v7 (KIP-866).
    """

    controller_id: Int32
    is_kraft_controller: Bool = wire("7+", default=False, name="isKRaftController")
    controller_epoch: Int32
    broker_epoch: Int64 = wire("2+", default=-1, ignorable=True)
    type: Int8 = wire("5+", default=0)
    ungrouped_partition_states: list[LeaderAndIsrPartitionState] = wire("0-1", factory=list)
    topic_states: list[LeaderAndIsrTopicState] = wire("2+", factory=list)
    live_leaders: list[LeaderAndIsrLiveLeader]


@struct
class LeaderAndIsrPartitionError:
    topic_name: String = wire("0-4", default="", ignorable=True)
    partition_index: Int32
    error_code: Int16


@struct
class LeaderAndIsrTopicError:
    topic_id: Uuid
    partition_errors: list[LeaderAndIsrPartitionError]


@message(key=4, valid="0-7", flexible="4+")
class LeaderAndIsrResponse:
    """An error per partition; by topic id from v5 (KIP-516)."""

    error_code: Int16
    partition_errors: list[LeaderAndIsrPartitionError] = wire("0-4", factory=list)
    topics: list[LeaderAndIsrTopicError] = wire("5+", factory=list)
