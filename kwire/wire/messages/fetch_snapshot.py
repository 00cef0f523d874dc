"""KRaft: reading a snapshot of the metadata log."""

from __future__ import annotations

from kwire.ids import ZERO_UUID
from kwire.wire.schema import Int16, Int32, Int64, Records, String, UInt16, Uuid, message, struct, wire


@struct
class SnapshotId:
    end_offset: Int64
    epoch: Int32


@struct
class PartitionSnapshot:
    partition: Int32
    current_leader_epoch: Int32
    snapshot_id: SnapshotId
    position: Int64
    replica_directory_id: Uuid = wire("1+", tag=0, default=ZERO_UUID, ignorable=True)


@struct
class TopicSnapshot:
    name: String
    partitions: list[PartitionSnapshot]


@message(key=59, valid="0-1", flexible="0+")
class FetchSnapshotRequest:
    """The snapshot and position wanted (KIP-630). Directory ids from v1 (KIP-853)."""

    cluster_id: String | None = wire(tag=0, default=None)
    replica_id: Int32 = wire(default=-1)
    max_bytes: Int32 = wire(default=2147483647)
    topics: list[TopicSnapshot]


@struct
class FetchSnapshotResponseSnapshotId:
    end_offset: Int64
    epoch: Int32


@struct
class LeaderIdAndEpoch:
    leader_id: Int32
    leader_epoch: Int32


@struct
class FetchSnapshotResponsePartitionSnapshot:
    index: Int32
    error_code: Int16
    snapshot_id: FetchSnapshotResponseSnapshotId
    current_leader: LeaderIdAndEpoch = wire(tag=0, factory=LeaderIdAndEpoch)
    size: Int64
    position: Int64
    unaligned_records: Records


@struct
class FetchSnapshotResponseTopicSnapshot:
    name: String
    partitions: list[FetchSnapshotResponsePartitionSnapshot]


@struct
class NodeEndpoint:
    node_id: Int32
    host: String
    port: UInt16


@message(key=59, valid="0-1", flexible="0+")
class FetchSnapshotResponse:
    """A piece of the snapshot."""

    throttle_time_ms: Int32
    error_code: Int16
    topics: list[FetchSnapshotResponseTopicSnapshot]
    node_endpoints: list[NodeEndpoint] = wire("1+", tag=0, factory=list)
