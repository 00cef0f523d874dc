"""Ending a transaction."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int16, Int32, Int64, String, message, wire


@message(key=26, valid="0-5", flexible="3+")
class EndTxnRequest:
    """Commit or abort. From v5 the epoch is raised each time (KIP-890)."""

    transactional_id: String
    producer_id: Int64
    producer_epoch: Int16
    committed: Bool


@message(key=26, valid="0-5", flexible="3+")
class EndTxnResponse:
    """Whether it ended; the next producer id and epoch from v5 (KIP-890)."""

    throttle_time_ms: Int32
    error_code: Int16
    producer_id: Int64 = wire("5+", default=-1, ignorable=True)
    producer_epoch: Int16 = wire("5+", default=-1, ignorable=True)
