"""Deleting committed offsets."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, String, message, struct


@struct
class OffsetDeleteRequestPartition:
    partition_index: Int32


@struct
class OffsetDeleteRequestTopic:
    name: String
    partitions: list[OffsetDeleteRequestPartition]


@message(key=47, valid="0")
class OffsetDeleteRequest:
    """Partitions whose offsets a group should forget (KIP-496)."""

    group_id: String
    topics: list[OffsetDeleteRequestTopic]


@struct
class OffsetDeleteResponsePartition:
    partition_index: Int32
    error_code: Int16


@struct
class OffsetDeleteResponseTopic:
    name: String
    partitions: list[OffsetDeleteResponsePartition]


@message(key=47, valid="0")
class OffsetDeleteResponse:
    """An error per partition."""

    error_code: Int16
    throttle_time_ms: Int32
    topics: list[OffsetDeleteResponseTopic]
