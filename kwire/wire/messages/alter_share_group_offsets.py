"""Changing the offsets of share groups."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, Int64, String, Uuid, message, struct, wire


@struct
class AlterShareGroupOffsetsRequestPartition:
    partition_index: Int32
    start_offset: Int64


@struct
class AlterShareGroupOffsetsRequestTopic:
    topic_name: String
    partitions: list[AlterShareGroupOffsetsRequestPartition]


@message(key=91, valid="0", flexible="0+")
class AlterShareGroupOffsetsRequest:
    """New start offsets of a group (KIP-932)."""

    group_id: String
    topics: list[AlterShareGroupOffsetsRequestTopic]


@struct
class AlterShareGroupOffsetsResponsePartition:
    partition_index: Int32
    error_code: Int16
    error_message: String | None = wire(default=None)


@struct
class AlterShareGroupOffsetsResponseTopic:
    topic_name: String
    topic_id: Uuid
    partitions: list[AlterShareGroupOffsetsResponsePartition]


@message(key=91, valid="0", flexible="0+")
class AlterShareGroupOffsetsResponse:
    """An error per partition."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None = wire(default=None)
    responses: list[AlterShareGroupOffsetsResponseTopic]
