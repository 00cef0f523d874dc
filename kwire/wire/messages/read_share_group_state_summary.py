"""Reading the start offsets of share partitions."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, Int64, String, Uuid, message, struct, wire


@struct
class PartitionData:
    partition: Int32
    leader_epoch: Int32


@struct
class ReadStateSummaryData:
    topic_id: Uuid
    partitions: list[PartitionData]


@message(key=87, valid="0-1", flexible="0+")
class ReadShareGroupStateSummaryRequest:
    """The share partitions wanted (KIP-932)."""

    group_id: String
    topics: list[ReadStateSummaryData]


@struct
class PartitionResult:
    partition: Int32
    error_code: Int16
    error_message: String | None = wire(default=None)
    state_epoch: Int32
    leader_epoch: Int32
    start_offset: Int64
    delivery_complete_count: Int32 = wire("1+", default=-1, ignorable=True)


@struct
class ReadStateSummaryResult:
    topic_id: Uuid
    partitions: list[PartitionResult]


@message(key=87, valid="0-1", flexible="0+")
class ReadShareGroupStateSummaryResponse:
    """Start offsets without delivery states; counts of complete deliveries from v1 (KIP-1226)."""

    results: list[ReadStateSummaryResult]
