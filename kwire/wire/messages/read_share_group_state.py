"""Reading the persistent state of share partitions."""

from __future__ import annotations

from kwire.wire.schema import Int8, Int16, Int32, Int64, String, Uuid, message, struct, wire


@struct
class PartitionData:
    partition: Int32
    leader_epoch: Int32


@struct
class ReadStateData:
    topic_id: Uuid
    partitions: list[PartitionData]


@message(key=84, valid="0", flexible="0+")
class ReadShareGroupStateRequest:
    """The share partitions wanted (KIP-932)."""

    group_id: String
    topics: list[ReadStateData]


@struct
class StateBatch:
    first_offset: Int64
    last_offset: Int64
    delivery_state: Int8
    delivery_count: Int16


@struct
class PartitionResult:
    partition: Int32
    error_code: Int16
    error_message: String | None = wire(default=None)
    state_epoch: Int32
    start_offset: Int64
    state_batches: list[StateBatch]


@struct
class ReadStateResult:
    topic_id: Uuid
    partitions: list[PartitionResult]


@message(key=84, valid="0", flexible="0+")
class ReadShareGroupStateResponse:
    """Start offset and delivery states of each partition."""

    results: list[ReadStateResult]
