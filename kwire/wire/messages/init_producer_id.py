"""Getting a producer id."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int16, Int32, Int64, String, message, wire


@message(key=22, valid="0-6", flexible="2+")
class InitProducerIdRequest:
    """A transactional id, or none for idempotence alone (KIP-98). The current id and epoch from v3 (KIP-360), two-
    phase commit v6 (KIP-939).
    """

    transactional_id: String | None
    transaction_timeout_ms: Int32
    producer_id: Int64 = wire("3+", default=-1)
    producer_epoch: Int16 = wire("3+", default=-1)
    enable2_pc: Bool = wire("6+", default=False)
    keep_prepared_txn: Bool = wire("6+", default=False)


@message(key=22, valid="0-6", flexible="2+")
class InitProducerIdResponse:
    """A producer id and its epoch."""

    throttle_time_ms: Int32
    error_code: Int16
    producer_id: Int64 = wire(default=-1)
    producer_epoch: Int16
    ongoing_txn_producer_id: Int64 = wire("6+", default=-1)
    ongoing_txn_producer_epoch: Int16 = wire("6+", default=-1)
