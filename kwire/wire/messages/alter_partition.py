"""A leader changing the in-sync replicas."""

from __future__ import annotations

from kwire.ids import ZERO_UUID
from kwire.wire.schema import Int8, Int16, Int32, Int64, String, Uuid, message, struct, wire


@struct
class BrokerState:
    broker_id: Int32
    broker_epoch: Int64 = wire(default=-1)


@struct
class PartitionData:
    partition_index: Int32
    leader_epoch: Int32
    new_isr: list[Int32] = wire("0-2", factory=list)
    new_isr_with_epochs: list[BrokerState] = wire("3+", factory=list)
    leader_recovery_state: Int8 = wire("1+", default=0)
    partition_epoch: Int32


@struct
class TopicData:
    topic_name: String = wire("0-1", default="", ignorable=True)
    topic_id: Uuid = wire("2+", default=ZERO_UUID, ignorable=True)
    partitions: list[PartitionData]


@message(key=56, valid="0-3", flexible="0+")
class AlterPartitionRequest:
    """The in-sync sets that a leader proposes (KIP-497). Recovery state from v1 (KIP-704), topic ids from v2
    (KIP-841), broker epochs from v3 (KIP-903).
    """

    broker_id: Int32
    broker_epoch: Int64 = wire(default=-1)
    topics: list[TopicData]


@struct
class AlterPartitionResponsePartitionData:
    partition_index: Int32
    error_code: Int16
    leader_id: Int32
    leader_epoch: Int32
    isr: list[Int32]
    leader_recovery_state: Int8 = wire("1+", default=0, ignorable=True)
    partition_epoch: Int32


@struct
class AlterPartitionResponseTopicData:
    topic_name: String = wire("0-1", default="", ignorable=True)
    topic_id: Uuid = wire("2+", default=ZERO_UUID, ignorable=True)
    partitions: list[AlterPartitionResponsePartitionData]


@message(key=56, valid="0-3", flexible="0+")
class AlterPartitionResponse:
    """The partition states that resulted."""

    throttle_time_ms: Int32
    error_code: Int16
    topics: list[AlterPartitionResponseTopicData]
