"""end_txn"""

from __future__ import annotations

from kwire.wire.schema import Bool, Int16, Int32, Int64, String, message, wire


@message(key=26, valid="0-5", flexible="3+")
class EndTxnRequest:
    """EndTxnRequest v4 KIP-890; v5 KIP-890."""

    transactional_id: String
    producer_id: Int64
    producer_epoch: Int16
    committed: Bool


@message(key=26, valid="0-5", flexible="3+")
class EndTxnResponse:
    """EndTxnResponse v4 KIP-890; v5 KIP-890."""

    throttle_time_ms: Int32
    error_code: Int16
    producer_id: Int64 = wire("5+", default=-1, ignorable=True)
    producer_epoch: Int16 = wire("5+", default=-1, ignorable=True)
