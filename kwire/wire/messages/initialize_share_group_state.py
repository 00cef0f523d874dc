"""Starting the persistent state of share partitions."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, Int64, String, Uuid, message, struct, wire


@struct
class PartitionData:
    partition: Int32
    state_epoch: Int32
    start_offset: Int64


@struct
class InitializeStateData:
    topic_id: Uuid
    partitions: list[PartitionData]


@message(key=83, valid="0", flexible="0+")
class InitializeShareGroupStateRequest:
    """Share partitions with their start offsets (KIP-932)."""

    group_id: String
    topics: list[InitializeStateData]


@struct
class PartitionResult:
    partition: Int32
    error_code: Int16
    error_message: String | None = wire(default=None)


@struct
class InitializeStateResult:
    topic_id: Uuid
    partitions: list[PartitionResult]


@message(key=83, valid="0", flexible="0+")
class InitializeShareGroupStateResponse:
    """An error per partition."""

    results: list[InitializeStateResult]
