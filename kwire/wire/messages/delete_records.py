"""Deleting the oldest records."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, Int64, String, message, struct


@struct
class DeleteRecordsPartition:
    partition_index: Int32
    offset: Int64


@struct
class DeleteRecordsTopic:
    name: String
    partitions: list[DeleteRecordsPartition]


@message(key=21, valid="0-2", flexible="2+")
class DeleteRecordsRequest:
    """The offset before which records of each partition may go (KIP-107)."""

    topics: list[DeleteRecordsTopic]
    timeout_ms: Int32


@struct
class DeleteRecordsPartitionResult:
    partition_index: Int32
    low_watermark: Int64
    error_code: Int16


@struct
class DeleteRecordsTopicResult:
    name: String
    partitions: list[DeleteRecordsPartitionResult]


@message(key=21, valid="0-2", flexible="2+")
class DeleteRecordsResponse:
    """The new log start offset of each partition."""

    throttle_time_ms: Int32
    topics: list[DeleteRecordsTopicResult]
