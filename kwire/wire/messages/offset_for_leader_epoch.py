"""offset_for_leader_epoch"""

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
    """OffsetForLeaderEpochRequest"""

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
    """OffsetForLeaderEpochResponse"""

    throttle_time_ms: Int32 = wire("2+", default=0, ignorable=True)
    topics: list[OffsetForLeaderTopicResult]
