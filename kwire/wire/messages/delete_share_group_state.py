"""Deleting the persistent state of share partitions."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, String, Uuid, message, struct, wire


@struct
class PartitionData:
    partition: Int32


@struct
class DeleteStateData:
    topic_id: Uuid
    partitions: list[PartitionData]


@message(key=86, valid="0", flexible="0+")
class DeleteShareGroupStateRequest:
    """The share partitions to forget (KIP-932)."""

    group_id: String
    topics: list[DeleteStateData]


@struct
class PartitionResult:
    partition: Int32
    error_code: Int16
    error_message: String | None = wire(default=None)


@struct
class DeleteStateResult:
    topic_id: Uuid
    partitions: list[PartitionResult]


@message(key=86, valid="0", flexible="0+")
class DeleteShareGroupStateResponse:
    """An error per partition."""

    results: list[DeleteStateResult]
