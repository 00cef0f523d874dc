"""AddPartitionsToTxn (key 24), versions 0-5: partitions that a transaction will write to (KIP-98).

v2 PRODUCER_FENCED (KIP-588); v4 several transactions at once, and verifying without adding, as brokers ask each other
(KIP-890); v5 TRANSACTION_ABORTABLE. A transaction of which one partition does not exist is left alone as a whole.
"""

from __future__ import annotations

import asyncio

from kwire.api.context import RequestContext
from kwire.api.transaction_admission import TRANSACTION_VERSION, fenced, then
from kwire.cluster.metadata_cache import INTERNAL_TOPICS
from kwire.coord.answers import Answer, when_all
from kwire.coord.txn.beginning import ProducerIdentity
from kwire.errors import ErrorCode
from kwire.ids import TopicPartition
from kwire.wire.messages.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult,
    AddPartitionsToTxnTopicResult,
    AddPartitionsToTxnTransaction,
)

FIRST_VERSION_WITH_FENCED = 2
FIRST_VERSION_WITH_TRANSACTIONS = 4
FIRST_VERSION_WITH_ABORTABLE = 5

Verdicts = dict[TopicPartition, ErrorCode]


def handle(
    request: AddPartitionsToTxnRequest, context: RequestContext
) -> AddPartitionsToTxnResponse | asyncio.Future[AddPartitionsToTxnResponse]:
    """A code per partition of each transaction."""
    transactions = _transactions(request, context.api_version)
    answers = [_add_or_verify(transaction, context) for transaction in transactions]

    def finish(verdicts: list[Verdicts]) -> AddPartitionsToTxnResponse:
        if context.api_version < FIRST_VERSION_WITH_TRANSACTIONS:
            return AddPartitionsToTxnResponse(throttle_time_ms=0, results_by_topic_v3_and_below=_topics(verdicts[0]))
        results = [
            AddPartitionsToTxnResult(transactional_id=transaction.transactional_id, topic_results=_topics(verdict))
            for transaction, verdict in zip(transactions, verdicts, strict=True)
        ]
        return AddPartitionsToTxnResponse(throttle_time_ms=0, results_by_transaction=results)

    return when_all(answers, finish)


def error_response(
    request: AddPartitionsToTxnRequest, code: ErrorCode, message: str | None
) -> AddPartitionsToTxnResponse:
    """`code` at the top, where there is room for it, and on every partition of the older form."""
    verdicts = {
        TopicPartition(topic.name, partition): code
        for topic in request.v3_and_below_topics
        for partition in topic.partitions
    }
    return AddPartitionsToTxnResponse(
        throttle_time_ms=0, error_code=code, results_by_topic_v3_and_below=_topics(verdicts)
    )


def _transactions(request: AddPartitionsToTxnRequest, version: int) -> list[AddPartitionsToTxnTransaction]:
    if version >= FIRST_VERSION_WITH_TRANSACTIONS:
        return request.transactions
    return [
        AddPartitionsToTxnTransaction(
            transactional_id=request.v3_and_below_transactional_id,
            producer_id=request.v3_and_below_producer_id,
            producer_epoch=request.v3_and_below_producer_epoch,
            topics=request.v3_and_below_topics,
        )
    ]


def _add_or_verify(transaction: AddPartitionsToTxnTransaction, context: RequestContext) -> Answer[Verdicts]:
    version, metadata = context.api_version, context.services.metadata
    asked = [TopicPartition(topic.name, index) for topic in transaction.topics for index in topic.partitions]
    refused: Verdicts = {}
    for name in asked:
        if name.topic in INTERNAL_TOPICS and version < FIRST_VERSION_WITH_TRANSACTIONS:
            refused[name] = ErrorCode.TOPIC_AUTHORIZATION_FAILED  # Only brokers have a part in them: later versions.
        elif not 0 <= name.partition < metadata.partition_count(name.topic):
            refused[name] = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if refused:
        return {name: refused.get(name, ErrorCode.OPERATION_NOT_ATTEMPTED) for name in asked}
    coordinator = context.services.transactions
    producer = ProducerIdentity(transaction.producer_id, transaction.producer_epoch)
    if transaction.verify_only:
        verified = coordinator.verify_partitions(transaction.transactional_id, producer, asked)
        return then(verified, lambda verdicts: {name: _known(code, version) for name, code in verdicts.items()})
    rules = TRANSACTION_VERSION if version >= FIRST_VERSION_WITH_TRANSACTIONS else 0
    added = coordinator.add_partitions(transaction.transactional_id, producer, asked, rules)
    return then(added, lambda code: dict.fromkeys(asked, fenced(code, version, FIRST_VERSION_WITH_FENCED)))


def _known(code: ErrorCode, version: int) -> ErrorCode:
    if code is ErrorCode.TRANSACTION_ABORTABLE and version < FIRST_VERSION_WITH_ABORTABLE:
        return ErrorCode.INVALID_TXN_STATE
    return code


def _topics(verdicts: Verdicts) -> list[AddPartitionsToTxnTopicResult]:
    topics: dict[str, AddPartitionsToTxnTopicResult] = {}
    for name, code in verdicts.items():
        topic = topics.get(name.topic)
        if topic is None:
            topic = topics[name.topic] = AddPartitionsToTxnTopicResult(name=name.topic, results_by_partition=[])
        result = AddPartitionsToTxnPartitionResult(partition_index=name.partition, partition_error_code=code)
        topic.results_by_partition.append(result)
    return list(topics.values())
