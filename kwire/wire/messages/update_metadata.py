"""The controller telling brokers the state of the cluster (ZooKeeper mode)."""

from __future__ import annotations

from kwire.ids import ZERO_UUID
from kwire.wire.schema import Bool, Int8, Int16, Int32, Int64, String, Uuid, message, struct, wire


@struct
class UpdateMetadataPartitionState:
    topic_name: String = wire("0-4", default="", ignorable=True)
    partition_index: Int32
    controller_epoch: Int32
    leader: Int32
    leader_epoch: Int32
    isr: list[Int32]
    zk_version: Int32
    replicas: list[Int32]
    offline_replicas: list[Int32] = wire("4+", factory=list, ignorable=True)


@struct
class UpdateMetadataTopicState:
    topic_name: String
    topic_id: Uuid = wire("7+", default=ZERO_UUID, ignorable=True)
    partition_states: list[UpdateMetadataPartitionState]


@struct
class UpdateMetadataEndpoint:
    port: Int32
    host: String
    listener: String = wire("3+", default="", ignorable=True)
    security_protocol: Int16


@struct
class UpdateMetadataBroker:
    id: Int32
    v0_host: String = wire("0", default="", ignorable=True)
    v0_port: Int32 = wire("0", default=0, ignorable=True)
    endpoints: list[UpdateMetadataEndpoint] = wire("1+", factory=list, ignorable=True)
    rack: String | None = wire("2+", default="", ignorable=True)


@message(key=6, valid="0-8", flexible="6+")
class UpdateMetadataRequest:
    """Brokers and partition states for the metadata cache. Listeners from v1, grouped by topic from v5, topic ids
    from v7 (KIP-516), KRaft migration v8 (KIP-866).
    """

    controller_id: Int32
    is_kraft_controller: Bool = wire("8+", default=False, name="isKRaftController")
    type: Int8 = wire("8+", tag=0, default=0)
    controller_epoch: Int32
    broker_epoch: Int64 = wire("5+", default=-1, ignorable=True)
    ungrouped_partition_states: list[UpdateMetadataPartitionState] = wire("0-4", factory=list)
    topic_states: list[UpdateMetadataTopicState] = wire("5+", factory=list)
    live_brokers: list[UpdateMetadataBroker]


@message(key=6, valid="0-8", flexible="6+")
class UpdateMetadataResponse:
    """Whether the broker took the update."""

    error_code: Int16
