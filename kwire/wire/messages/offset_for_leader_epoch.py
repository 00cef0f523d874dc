"""Where a leader epoch ended."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, Int64, String, message, struct, wire


@struct
class OffsetForLeaderPartition:
    partition: Int32
    current_leader_epoch: Int32 = wire("2+", default=-1, ignorable=True)
    leader_epoch: Int32


@struct
class OffsetForLeaderTopic:
    topic: String
    partitions: list[OffsetForLeaderPartition]


@message(key=23, valid="0-4", flexible="4+")
class OffsetForLeaderEpochRequest:
    """Epochs to look up, by partition (KIP-101). The caller's current epoch from v2 (KIP-320), replica id from v3."""

    replica_id: Int32 = wire("3+", default=-2, ignorable=True)
    topics: list[OffsetForLeaderTopic]


@struct
class EpochEndOffset:
    error_code: Int16
    partition: Int32
    leader_epoch: Int32 = wire("1+", default=-1, ignorable=True)
    end_offset: Int64 = wire(default=-1)


@struct
class OffsetForLeaderTopicResult:
    topic: String
    partitions: list[EpochEndOffset]


@message(key=23, valid="0-4", flexible="4+")
class OffsetForLeaderEpochResponse:
    """The end offset of the largest epoch up to the one asked for."""

    throttle_time_ms: Int32 = wire("2+", default=0, ignorable=True)
    topics: list[OffsetForLeaderTopicResult]
