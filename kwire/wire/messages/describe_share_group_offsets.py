"""Reading the offsets of share groups."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, Int64, String, Uuid, message, struct, wire


@struct
class DescribeShareGroupOffsetsRequestTopic:
    topic_name: String
    partitions: list[Int32]


@struct
class DescribeShareGroupOffsetsRequestGroup:
    group_id: String
    topics: list[DescribeShareGroupOffsetsRequestTopic] | None


@message(key=90, valid="0-1", flexible="0+")
class DescribeShareGroupOffsetsRequest:
    """Groups and the partitions wanted; all for null (KIP-932)."""

    groups: list[DescribeShareGroupOffsetsRequestGroup]


@struct
class DescribeShareGroupOffsetsResponsePartition:
    partition_index: Int32
    start_offset: Int64
    leader_epoch: Int32
    lag: Int64 = wire("1+", default=-1, ignorable=True)
    error_code: Int16
    error_message: String | None = wire(default=None)


@struct
class DescribeShareGroupOffsetsResponseTopic:
    topic_name: String
    topic_id: Uuid
    partitions: list[DescribeShareGroupOffsetsResponsePartition]


@struct
class DescribeShareGroupOffsetsResponseGroup:
    group_id: String
    topics: list[DescribeShareGroupOffsetsResponseTopic]
    error_code: Int16
    error_message: String | None = wire(default=None)


@message(key=90, valid="0-1", flexible="0+")
class DescribeShareGroupOffsetsResponse:
    """Start offsets; lag from v1 (KIP-1226)."""

    throttle_time_ms: Int32
    groups: list[DescribeShareGroupOffsetsResponseGroup]
