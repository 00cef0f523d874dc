"""KRaft: a new leader announcing itself."""

from __future__ import annotations

from kwire.ids import ZERO_UUID
from kwire.wire.schema import Int16, Int32, String, UInt16, Uuid, message, struct, wire


@struct
class PartitionData:
    partition_index: Int32
    voter_directory_id: Uuid = wire("1+", default=ZERO_UUID, ignorable=True)
    leader_id: Int32
    leader_epoch: Int32


@struct
class TopicData:
    topic_name: String
    partitions: list[PartitionData]


@struct
class LeaderEndpoint:
    name: String
    host: String
    port: UInt16


@message(key=53, valid="0-1", flexible="1+")
class BeginQuorumEpochRequest:
    """The leader and its epoch (KIP-595). Its endpoints from v1 (KIP-853)."""

    cluster_id: String | None = wire(default=None)
    voter_id: Int32 = wire("1+", default=-1, ignorable=True)
    topics: list[TopicData]
    leader_endpoints: list[LeaderEndpoint] = wire("1+", factory=list, ignorable=True)


@struct
class BeginQuorumEpochResponsePartitionData:
    partition_index: Int32
    error_code: Int16
    leader_id: Int32
    leader_epoch: Int32


@struct
class BeginQuorumEpochResponseTopicData:
    topic_name: String
    partitions: list[BeginQuorumEpochResponsePartitionData]


@struct
class NodeEndpoint:
    node_id: Int32
    host: String
    port: UInt16


@message(key=53, valid="0-1", flexible="1+")
class BeginQuorumEpochResponse:
    """An error per partition."""

    error_code: Int16
    topics: list[BeginQuorumEpochResponseTopicData]
    node_endpoints: list[NodeEndpoint] = wire("1+", tag=0, factory=list)
