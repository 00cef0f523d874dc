"""Describing transactions."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, Int64, String, message, struct


@message(key=65, valid="0", flexible="0+")
class DescribeTransactionsRequest:
    """Transactional ids (KIP-664)."""

    transactional_ids: list[String]


@struct
class TopicData:
    topic: String
    partitions: list[Int32]


@struct
class TransactionState:
    error_code: Int16
    transactional_id: String
    transaction_state: String
    transaction_timeout_ms: Int32
    transaction_start_time_ms: Int64
    producer_id: Int64
    producer_epoch: Int16
    topics: list[TopicData]


@message(key=65, valid="0", flexible="0+")
class DescribeTransactionsResponse:
    """State, producer and partitions of each transaction."""

    throttle_time_ms: Int32
    transaction_states: list[TransactionState]
