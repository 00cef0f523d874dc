"""Writing the persistent state of share partitions."""

from __future__ import annotations

from kwire.wire.schema import Int8, Int16, Int32, Int64, String, Uuid, message, struct, wire


@struct
class StateBatch:
    first_offset: Int64
    last_offset: Int64
    delivery_state: Int8
    delivery_count: Int16


@struct
class PartitionData:
    partition: Int32
    state_epoch: Int32
    leader_epoch: Int32
    start_offset: Int64
    delivery_complete_count: Int32 = wire("1+", default=-1, ignorable=True)
    state_batches: list[StateBatch]


@struct
class WriteStateData:
    topic_id: Uuid
    partitions: list[PartitionData]


@message(key=85, valid="0-1", flexible="0+")
class WriteShareGroupStateRequest:
    """Start offsets and changed delivery states (KIP-932). Counts of complete deliveries from v1 (KIP-1226)."""

    group_id: String
    topics: list[WriteStateData]


@struct
class PartitionResult:
    partition: Int32
    error_code: Int16
    error_message: String | None = wire(default=None)


@struct
class WriteStateResult:
    topic_id: Uuid
    partitions: list[PartitionResult]


@message(key=85, valid="0-1", flexible="0+")
class WriteShareGroupStateResponse:
    """An error per partition."""

    results: list[WriteStateResult]
