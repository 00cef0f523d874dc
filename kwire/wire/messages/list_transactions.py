"""Listing transactions."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, Int64, String, message, struct, wire


@message(key=66, valid="0-2", flexible="0+")
class ListTransactionsRequest:
    """Filters: states and producer ids (KIP-664), duration from v1 (KIP-994), a pattern of ids from v2 (KIP-1152)."""

    state_filters: list[String]
    producer_id_filters: list[Int64]
    duration_filter: Int64 = wire("1+", default=-1)
    transactional_id_pattern: String | None = wire("2+", default=None)


@struct
class TransactionState:
    transactional_id: String
    producer_id: Int64
    transaction_state: String


@message(key=66, valid="0-2", flexible="0+")
class ListTransactionsResponse:
    """The transactions that this broker coordinates."""

    throttle_time_ms: Int32
    error_code: Int16
    unknown_state_filters: list[String]
    transaction_states: list[TransactionState]
