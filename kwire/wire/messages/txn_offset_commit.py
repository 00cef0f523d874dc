"""Committing consumer offsets in a transaction."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, Int64, String, message, struct, wire


@struct
class TxnOffsetCommitRequestPartition:
    partition_index: Int32
    committed_offset: Int64
    committed_leader_epoch: Int32 = wire("2+", default=-1, ignorable=True)
    committed_metadata: String | None


@struct
class TxnOffsetCommitRequestTopic:
    name: String
    partitions: list[TxnOffsetCommitRequestPartition]


@message(key=28, valid="0-5", flexible="3+")
class TxnOffsetCommitRequest:
    """Offsets that count once the transaction commits. Leader epochs from v2, member and generation from v3
    (KIP-447).
    """

    transactional_id: String
    group_id: String
    producer_id: Int64
    producer_epoch: Int16
    generation_id: Int32 = wire("3+", default=-1)
    member_id: String = wire("3+", default="")
    group_instance_id: String | None = wire("3+", default=None)
    topics: list[TxnOffsetCommitRequestTopic]


@struct
class TxnOffsetCommitResponsePartition:
    partition_index: Int32
    error_code: Int16


@struct
class TxnOffsetCommitResponseTopic:
    name: String
    partitions: list[TxnOffsetCommitResponsePartition]


@message(key=28, valid="0-5", flexible="3+")
class TxnOffsetCommitResponse:
    """An error per partition."""

    throttle_time_ms: Int32
    topics: list[TxnOffsetCommitResponseTopic]
