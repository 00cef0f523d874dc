"""Describing log directories."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int16, Int32, Int64, String, message, struct, wire


@struct
class DescribableLogDirTopic:
    topic: String
    partitions: list[Int32]


@message(key=35, valid="0-5", flexible="2+")
class DescribeLogDirsRequest:
    """The partitions wanted; all for null (KIP-113)."""

    topics: list[DescribableLogDirTopic] | None


@struct
class DescribeLogDirsPartition:
    partition_index: Int32
    partition_size: Int64
    offset_lag: Int64
    is_future_key: Bool


@struct
class DescribeLogDirsTopic:
    name: String
    partitions: list[DescribeLogDirsPartition]


@struct
class DescribeLogDirsResult:
    error_code: Int16
    log_dir: String
    topics: list[DescribeLogDirsTopic]
    total_bytes: Int64 = wire("4+", default=-1, ignorable=True)
    usable_bytes: Int64 = wire("4+", default=-1, ignorable=True)
    is_cordoned: Bool = wire("5+", default=False, ignorable=True)


@message(key=35, valid="0-5", flexible="2+")
class DescribeLogDirsResponse:
    """Directories with the size and lag of each replica. Total and usable bytes from v4 (KIP-827), cordoned
    directories v5.
    """

    throttle_time_ms: Int32
    error_code: Int16 = wire("3+", default=0, ignorable=True)
    results: list[DescribeLogDirsResult]
