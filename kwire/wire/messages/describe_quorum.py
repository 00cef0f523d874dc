"""KRaft: describing the quorum."""

from __future__ import annotations

from kwire.ids import ZERO_UUID
from kwire.wire.schema import Int16, Int32, Int64, String, UInt16, Uuid, message, struct, wire


@struct
class PartitionData:
    partition_index: Int32


@struct
class TopicData:
    topic_name: String
    partitions: list[PartitionData]


@message(key=55, valid="0-2", flexible="0+")
class DescribeQuorumRequest:
    """The partitions of the metadata log (KIP-595)."""

    topics: list[TopicData]


@struct
class ReplicaState:
    replica_id: Int32
    replica_directory_id: Uuid = wire("2+", default=ZERO_UUID)
    log_end_offset: Int64
    last_fetch_timestamp: Int64 = wire("1+", default=-1, ignorable=True)
    last_caught_up_timestamp: Int64 = wire("1+", default=-1, ignorable=True)


@struct
class DescribeQuorumResponsePartitionData:
    partition_index: Int32
    error_code: Int16
    error_message: String | None = wire("2+", default="", ignorable=True)
    leader_id: Int32
    leader_epoch: Int32
    high_watermark: Int64
    current_voters: list[ReplicaState]
    observers: list[ReplicaState]


@struct
class DescribeQuorumResponseTopicData:
    topic_name: String
    partitions: list[DescribeQuorumResponsePartitionData]


@struct
class Listener:
    name: String
    host: String
    port: UInt16


@struct
class Node:
    node_id: Int32
    listeners: list[Listener]


@message(key=55, valid="0-2", flexible="0+")
class DescribeQuorumResponse:
    """Leader, voters and observers with their log ends. Fetch times from v1 (KIP-836), directory ids and endpoints
    from v2 (KIP-853).
    """

    error_code: Int16
    error_message: String | None = wire("2+", default="", ignorable=True)
    topics: list[DescribeQuorumResponseTopicData]
    nodes: list[Node] = wire("2+", factory=list)
