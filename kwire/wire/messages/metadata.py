"""What topics, partitions and brokers there are."""

from __future__ import annotations

from kwire.ids import ZERO_UUID
from kwire.wire.schema import Bool, Int16, Int32, String, Uuid, message, struct, wire


@struct
class MetadataRequestTopic:
    topic_id: Uuid = wire("10+", default=ZERO_UUID, ignorable=True)
    name: String | None = wire(nullable="10+")


@message(key=3, valid="0-13", flexible="9+")
class MetadataRequest:
    """Topics to describe: all for null (from v1), or those named; by topic id from v10 (KIP-516). Whether to create
    them from v4, authorized operations v8 to v10 (KIP-430, KIP-700).
    """

    topics: list[MetadataRequestTopic] | None = wire(nullable="1+")
    allow_auto_topic_creation: Bool = wire("4+", default=True)
    include_cluster_authorized_operations: Bool = wire("8-10", default=False)
    include_topic_authorized_operations: Bool = wire("8+", default=False)


@struct
class MetadataResponseBroker:
    node_id: Int32
    host: String
    port: Int32
    rack: String | None = wire("1+", default=None, ignorable=True)


@struct
class MetadataResponsePartition:
    error_code: Int16
    partition_index: Int32
    leader_id: Int32
    leader_epoch: Int32 = wire("7+", default=-1, ignorable=True)
    replica_nodes: list[Int32]
    isr_nodes: list[Int32]
    offline_replicas: list[Int32] = wire("5+", factory=list, ignorable=True)


@struct
class MetadataResponseTopic:
    error_code: Int16
    name: String | None = wire(nullable="12+")
    topic_id: Uuid = wire("10+", default=ZERO_UUID, ignorable=True)
    is_internal: Bool = wire("1+", default=False, ignorable=True)
    partitions: list[MetadataResponsePartition]
    topic_authorized_operations: Int32 = wire("8+", default=-2147483648)


@message(key=3, valid="0-13", flexible="9+")
class MetadataResponse:
    """Brokers, controller, and for every topic its partitions with leaders and replicas. Cluster id from v2, offline
    replicas from v5 (KIP-112), leader epochs from v7 (KIP-320), topic ids from v10 (KIP-516).
    """

    throttle_time_ms: Int32 = wire("3+", default=0, ignorable=True)
    brokers: list[MetadataResponseBroker]
    cluster_id: String | None = wire("2+", default=None, ignorable=True)
    controller_id: Int32 = wire("1+", default=-1, ignorable=True)
    topics: list[MetadataResponseTopic]
    cluster_authorized_operations: Int32 = wire("8-10", default=-2147483648)
    error_code: Int16 = wire("13+", default=0, ignorable=True)
