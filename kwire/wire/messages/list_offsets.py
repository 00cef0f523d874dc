"""Finding offsets by timestamp."""

from __future__ import annotations

from kwire.wire.schema import Int8, Int16, Int32, Int64, String, message, struct, wire


@struct
class ListOffsetsPartition:
    partition_index: Int32
    current_leader_epoch: Int32 = wire("4+", default=-1, ignorable=True)
    timestamp: Int64
    max_num_offsets: Int32 = wire("0", default=1)


@struct
class ListOffsetsTopic:
    name: String
    partitions: list[ListOffsetsPartition]


@message(key=2, valid="0-11", flexible="6+")
class ListOffsetsRequest:
    """Timestamps, or one of the special negative ones, to look up by partition. Isolation level from v2 (KIP-98),
    leader epochs from v4 (KIP-320), max timestamp v7 (KIP-734), tiered storage v8, v9 and v11 (KIP-405, KIP-1005,
    KIP-1023), timeout v10 (KIP-1075).
    """

    replica_id: Int32
    isolation_level: Int8 = wire("2+", default=0)
    topics: list[ListOffsetsTopic]
    timeout_ms: Int32 = wire("10+", default=0, ignorable=True)


@struct
class ListOffsetsPartitionResponse:
    partition_index: Int32
    error_code: Int16
    old_style_offsets: list[Int64] = wire("0", factory=list)
    timestamp: Int64 = wire("1+", default=-1)
    offset: Int64 = wire("1+", default=-1)
    leader_epoch: Int32 = wire("4+", default=-1)


@struct
class ListOffsetsTopicResponse:
    name: String
    partitions: list[ListOffsetsPartitionResponse]


@message(key=2, valid="0-11", flexible="6+")
class ListOffsetsResponse:
    """The offset found for each partition; v0 answered with a list of segment offsets instead."""

    throttle_time_ms: Int32 = wire("2+", default=0, ignorable=True)
    topics: list[ListOffsetsTopicResponse]
