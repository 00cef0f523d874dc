"""Reading record batches, by consumers and followers."""

from __future__ import annotations

from kwire.ids import ZERO_UUID
from kwire.wire.schema import Int8, Int16, Int32, Int64, Records, String, Uuid, message, struct, wire


@struct
class ReplicaState:
    replica_id: Int32 = wire(default=-1)
    replica_epoch: Int64 = wire(default=-1)


@struct
class FetchPartition:
    partition: Int32
    current_leader_epoch: Int32 = wire("9+", default=-1, ignorable=True)
    fetch_offset: Int64
    last_fetched_epoch: Int32 = wire("12+", default=-1)
    log_start_offset: Int64 = wire("5+", default=-1, ignorable=True)
    partition_max_bytes: Int32
    replica_directory_id: Uuid = wire("17+", tag=0, default=ZERO_UUID, ignorable=True)
    high_watermark: Int64 = wire("18+", tag=1, default=9223372036854775807, ignorable=True)


@struct
class FetchTopic:
    topic: String = wire("0-12", default="", ignorable=True)
    topic_id: Uuid = wire("13+", default=ZERO_UUID, ignorable=True)
    partitions: list[FetchPartition]


@struct
class ForgottenTopic:
    topic: String = wire("7-12", default="", ignorable=True)
    topic_id: Uuid = wire("13+", default=ZERO_UUID, ignorable=True)
    partitions: list[Int32]


@message(key=1, valid="0-18", flexible="12+")
class FetchRequest:
    """Long-poll read. Sessions from v7 (KIP-227), leader epochs from v9 (KIP-320), zstd from v10 (KIP-110), rack from
    v11 (KIP-392), topic ids from v13 (KIP-516), follower epochs from v15 (KIP-903), directory ids v17 (KIP-853),
    the follower's high watermark v18 (KIP-1166).
    """

    cluster_id: String | None = wire("12+", tag=0, default=None, ignorable=True)
    replica_id: Int32 = wire("0-14", default=-1)
    replica_state: ReplicaState = wire("15+", tag=1, factory=ReplicaState)
    max_wait_ms: Int32
    min_bytes: Int32
    max_bytes: Int32 = wire("3+", default=2147483647, ignorable=True)
    isolation_level: Int8 = wire("4+", default=0, ignorable=True)
    session_id: Int32 = wire("7+", default=0, ignorable=True)
    session_epoch: Int32 = wire("7+", default=-1, ignorable=True)
    topics: list[FetchTopic]
    forgotten_topics_data: list[ForgottenTopic] = wire("7+", factory=list)
    rack_id: String = wire("11+", default="", ignorable=True)


@struct
class EpochEndOffset:
    epoch: Int32 = wire(default=-1)
    end_offset: Int64 = wire(default=-1)


@struct
class LeaderIdAndEpoch:
    leader_id: Int32 = wire(default=-1)
    leader_epoch: Int32 = wire(default=-1)


@struct
class SnapshotId:
    end_offset: Int64 = wire(default=-1)
    epoch: Int32 = wire(default=-1)


@struct
class AbortedTransaction:
    producer_id: Int64
    first_offset: Int64


@struct
class PartitionData:
    partition_index: Int32
    error_code: Int16
    high_watermark: Int64
    last_stable_offset: Int64 = wire("4+", default=-1, ignorable=True)
    log_start_offset: Int64 = wire("5+", default=-1, ignorable=True)
    diverging_epoch: EpochEndOffset = wire("12+", tag=0, factory=EpochEndOffset)
    current_leader: LeaderIdAndEpoch = wire("12+", tag=1, factory=LeaderIdAndEpoch)
    snapshot_id: SnapshotId = wire("12+", tag=2, factory=SnapshotId)
    aborted_transactions: list[AbortedTransaction] | None = wire("4+", factory=list, ignorable=True)
    preferred_read_replica: Int32 = wire("11+", default=-1)
    records: Records | None


@struct
class FetchableTopicResponse:
    topic: String = wire("0-12", default="", ignorable=True)
    topic_id: Uuid = wire("13+", default=ZERO_UUID, ignorable=True)
    partitions: list[PartitionData]


@struct
class NodeEndpoint:
    node_id: Int32
    host: String
    port: Int32
    rack: String | None = wire(default=None)


@message(key=1, valid="0-18", flexible="12+")
class FetchResponse:
    """Record batches by partition, as they lie in the log. Aborted transactions from v4 (KIP-98), session id from v7
    (KIP-227), preferred replica from v11 (KIP-392), diverging epoch from v12 (KIP-595), the current leader's
    address from v16 (KIP-951).
    """

    throttle_time_ms: Int32 = wire("1+", default=0, ignorable=True)
    error_code: Int16 = wire("7+", default=0, ignorable=True)
    session_id: Int32 = wire("7+", default=0)
    responses: list[FetchableTopicResponse]
    node_endpoints: list[NodeEndpoint] = wire("16+", tag=0, factory=list)
