"""Requests about transactions, as functions of a Client."""

from __future__ import annotations

from typing import Final, NamedTuple

from kwire.cli.client import TRANSACTION, Client, ClientError, RequestFailed, check
from kwire.errors import ErrorCode
from kwire.ids import TopicPartition
from kwire.wire.messages.describe_producers import DescribeProducersRequest, ProducerState, TopicRequest
from kwire.wire.messages.describe_transactions import DescribeTransactionsRequest
from kwire.wire.messages.init_producer_id import InitProducerIdRequest
from kwire.wire.messages.list_transactions import ListTransactionsRequest
from kwire.wire.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)

FENCING_TIMEOUT_MS: Final = 60_000
"""Asked for when a producer is fenced: nobody uses the transaction that this would be for."""

_COORDINATOR_MOVED: Final = (ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE)


class ListedTransaction(NamedTuple):
    """A transactional id as ListTransactions shows it."""

    transactional_id: str
    state: str
    producer_id: int
    coordinator: int


class DescribedTransaction(NamedTuple):
    """A transactional id; `started_ms` is since the epoch, -1 without a transaction."""

    transactional_id: str
    state: str
    producer_id: int
    producer_epoch: int
    timeout_ms: int
    started_ms: int
    coordinator: str
    partitions: list[TopicPartition]


def list_transactions(client: Client, states: list[str]) -> list[ListedTransaction]:
    """The transactional ids of every broker, by id; those in one of `states`, all without any. Raises RequestFailed."""
    found: list[ListedTransaction] = []
    for broker_id in client.cluster([]).brokers:
        request = ListTransactionsRequest(state_filters=states, producer_id_filters=[])
        answer = client.broker(broker_id).call(request)
        check(answer.error_code, None, f"the transactions of broker {broker_id}")
        if answer.unknown_state_filters:
            raise ClientError(f"there is no state {answer.unknown_state_filters[0]}")
        found.extend(
            ListedTransaction(entry.transactional_id, entry.transaction_state, entry.producer_id, broker_id)
            for entry in answer.transaction_states
        )
    return sorted(found)


def describe_transaction(client: Client, transactional_id: str) -> DescribedTransaction:
    """One transactional id. Raises RequestFailed (TRANSACTIONAL_ID_NOT_FOUND) when nobody knows it."""

    def once() -> DescribedTransaction:
        connection = client.coordinator(transactional_id, TRANSACTION)
        request = DescribeTransactionsRequest(transactional_ids=[transactional_id])
        (state,) = connection.call(request).transaction_states
        if state.error_code in _COORDINATOR_MOVED:
            client.forget_coordinator(transactional_id, TRANSACTION)
        check(state.error_code, None, f"transactional id {transactional_id}")
        return DescribedTransaction(
            transactional_id,
            state.transaction_state,
            state.producer_id,
            state.producer_epoch,
            state.transaction_timeout_ms,
            state.transaction_start_time_ms,
            connection.address,
            [TopicPartition(topic.topic, index) for topic in state.topics for index in topic.partitions],
        )

    return client.retrying(once)


def fence(client: Client, transactional_id: str) -> None:
    """Abort what the id's producer has open, and let it write nothing more, as a successor would (InitProducerId)."""

    def once() -> None:
        connection = client.coordinator(transactional_id, TRANSACTION)
        request = InitProducerIdRequest(transactional_id=transactional_id, transaction_timeout_ms=FENCING_TIMEOUT_MS)
        code = connection.call(request, version=connection.version(InitProducerIdRequest, 5)).error_code
        if code in _COORDINATOR_MOVED:
            client.forget_coordinator(transactional_id, TRANSACTION)
        check(code, None, f"transactional id {transactional_id}")

    client.retrying(once)


def open_producers(client: Client, partition: TopicPartition) -> list[ProducerState]:
    """The producers with a transaction open in this partition, as its leader sees them. Raises RequestFailed."""
    request = DescribeProducersRequest(
        topics=[TopicRequest(name=partition.topic, partition_indexes=[partition.partition])]
    )
    (topic,) = client.broker(_leader(client, partition)).call(request).topics
    (answer,) = topic.partitions
    check(answer.error_code, answer.error_message, f"the producers of {partition.topic}:{partition.partition}")
    return [producer for producer in answer.active_producers if producer.current_txn_start_offset >= 0]


def write_abort_marker(client: Client, partition: TopicPartition, producer: ProducerState) -> None:
    """End a transaction in one partition whose coordinator does not (KIP-664). Raises RequestFailed."""
    marker = WritableTxnMarker(
        producer_id=producer.producer_id,
        producer_epoch=producer.producer_epoch,
        transaction_result=False,
        topics=[WritableTxnMarkerTopic(name=partition.topic, partition_indexes=[partition.partition])],
        coordinator_epoch=max(producer.coordinator_epoch, 0),
    )
    answer = client.broker(_leader(client, partition)).call(WriteTxnMarkersRequest(markers=[marker]))
    (result,) = answer.markers[0].topics[0].partitions
    check(result.error_code, None, f"the transaction in {partition.topic}:{partition.partition} cannot be aborted")


def _leader(client: Client, partition: TopicPartition) -> int:
    for known in client.topic(partition.topic).partitions:
        if known.number == partition.partition:
            return known.leader
    raise RequestFailed(
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"topic {partition.topic} has no partition {partition.partition}"
    )
