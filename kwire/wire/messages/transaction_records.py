"""Records of `__transaction_state`."""

from __future__ import annotations

from kwire.wire.schema import Int8, Int16, Int32, Int64, String, message, struct, wire


@message(key=0, valid="0", prefix="record_type")
class TransactionLogKey:
    """Names a transactional id."""

    transactional_id: String


@struct
class PartitionsSchema:
    topic: String
    partition_ids: list[Int32]


@message(valid="0-1", flexible="1+", prefix="version")
class TransactionLogValue:
    """The state of a transaction. Flexible from v1 (KIP-915), so that v2 coordinators (KIP-890) could add the tagged
    fields.
    """

    producer_id: Int64
    previous_producer_id: Int64 = wire("1+", tag=0, default=-1)
    next_producer_id: Int64 = wire("1+", tag=1, default=-1)
    producer_epoch: Int16
    next_producer_epoch: Int16 = wire("1+", tag=3, default=-1)
    transaction_timeout_ms: Int32
    transaction_status: Int8
    transaction_partitions: list[PartitionsSchema] | None
    transaction_last_update_timestamp_ms: Int64
    transaction_start_timestamp_ms: Int64
    client_transaction_version: Int16 = wire("1+", tag=2, default=0)
