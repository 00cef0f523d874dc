"""KRaft: a leader resigning."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, String, UInt16, Uuid, message, struct, wire


@struct
class ReplicaInfo:
    candidate_id: Int32
    candidate_directory_id: Uuid


@struct
class PartitionData:
    partition_index: Int32
    leader_id: Int32
    leader_epoch: Int32
    preferred_successors: list[Int32] = wire("0", factory=list, ignorable=True)
    preferred_candidates: list[ReplicaInfo] = wire("1+", factory=list, ignorable=True)


@struct
class TopicData:
    topic_name: String
    partitions: list[PartitionData]


@struct
class LeaderEndpoint:
    name: String
    host: String
    port: UInt16


@message(key=54, valid="0-1", flexible="1+")
class EndQuorumEpochRequest:
    """The epoch that ends and the preferred successors (KIP-595). Directory ids from v1 (KIP-853)."""

    cluster_id: String | None = wire(default=None)
    topics: list[TopicData]
    leader_endpoints: list[LeaderEndpoint] = wire("1+", factory=list, ignorable=True)


@struct
class EndQuorumEpochResponsePartitionData:
    partition_index: Int32
    error_code: Int16
    leader_id: Int32
    leader_epoch: Int32


@struct
class EndQuorumEpochResponseTopicData:
    topic_name: String
    partitions: list[EndQuorumEpochResponsePartitionData]


@struct
class NodeEndpoint:
    node_id: Int32
    host: String
    port: UInt16


@message(key=54, valid="0-1", flexible="1+")
class EndQuorumEpochResponse:
    """An error per partition."""

    error_code: Int16
    topics: list[EndQuorumEpochResponseTopicData]
    node_endpoints: list[NodeEndpoint] = wire("1+", tag=0, factory=list)
