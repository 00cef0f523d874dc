"""Enrolling partitions in a transaction."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int16, Int32, Int64, String, message, struct, wire


@struct
class AddPartitionsToTxnTopic:
    name: String
    partitions: list[Int32]


@struct
class AddPartitionsToTxnTransaction:
    transactional_id: String
    producer_id: Int64
    producer_epoch: Int16
    verify_only: Bool = wire(default=False)
    topics: list[AddPartitionsToTxnTopic]


@message(key=24, valid="0-5", flexible="3+")
class AddPartitionsToTxnRequest:
    """Partitions that a transaction will write to. Several transactions, for brokers that verify them, from v4
    (KIP-890).
    """

    transactions: list[AddPartitionsToTxnTransaction] = wire("4+", factory=list)
    v3_and_below_transactional_id: String = wire("0-3", default="")
    v3_and_below_producer_id: Int64 = wire("0-3", default=0)
    v3_and_below_producer_epoch: Int16 = wire("0-3", default=0)
    v3_and_below_topics: list[AddPartitionsToTxnTopic] = wire("0-3", factory=list)


@struct
class AddPartitionsToTxnPartitionResult:
    partition_index: Int32
    partition_error_code: Int16


@struct
class AddPartitionsToTxnTopicResult:
    name: String
    results_by_partition: list[AddPartitionsToTxnPartitionResult]


@struct
class AddPartitionsToTxnResult:
    transactional_id: String
    topic_results: list[AddPartitionsToTxnTopicResult]


@message(key=24, valid="0-5", flexible="3+")
class AddPartitionsToTxnResponse:
    """An error per partition; by transaction from v4 (KIP-890)."""

    throttle_time_ms: Int32
    error_code: Int16 = wire("4+", default=0, ignorable=True)
    results_by_transaction: list[AddPartitionsToTxnResult] = wire("4+", factory=list)
    results_by_topic_v3_and_below: list[AddPartitionsToTxnTopicResult] = wire("0-3", factory=list)
