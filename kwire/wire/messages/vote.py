"""KRaft: asking for votes."""

from __future__ import annotations

from kwire.ids import ZERO_UUID
from kwire.wire.schema import Bool, Int16, Int32, Int64, String, UInt16, Uuid, message, struct, wire


@struct
class PartitionData:
    partition_index: Int32
    replica_epoch: Int32
    replica_id: Int32
    replica_directory_id: Uuid = wire("1+", default=ZERO_UUID, ignorable=True)
    voter_directory_id: Uuid = wire("1+", default=ZERO_UUID, ignorable=True)
    last_offset_epoch: Int32
    last_offset: Int64
    pre_vote: Bool = wire("2+", default=False)


@struct
class TopicData:
    topic_name: String
    partitions: list[PartitionData]


@message(key=52, valid="0-2", flexible="0+")
class VoteRequest:
    """A candidate's epoch and log end (KIP-595). Directory ids from v1 (KIP-853), pre-votes from v2 (KIP-996). Kafka
    4 renamed the candidate's fields to replica's; the bytes are the same.
    """

    cluster_id: String | None = wire(default=None)
    voter_id: Int32 = wire("1+", default=-1, ignorable=True)
    topics: list[TopicData]


@struct
class VoteResponsePartitionData:
    partition_index: Int32
    error_code: Int16
    leader_id: Int32
    leader_epoch: Int32
    vote_granted: Bool


@struct
class VoteResponseTopicData:
    topic_name: String
    partitions: list[VoteResponsePartitionData]


@struct
class NodeEndpoint:
    node_id: Int32
    host: String
    port: UInt16


@message(key=52, valid="0-2", flexible="0+")
class VoteResponse:
    """Whether the vote was given, and the leader that the voter knows."""

    error_code: Int16
    topics: list[VoteResponseTopicData]
    node_endpoints: list[NodeEndpoint] = wire("1+", tag=0, factory=list)
