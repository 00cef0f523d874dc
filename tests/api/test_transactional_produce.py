"""Produce within a transaction: who is let through, by version, and what is verified."""

from __future__ import annotations

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from tests.api.served import Served, batch
from tests.api.txn_client import TxnClient, run_due_timers


@pytest.mark.parametrize(
    ("version", "code"),
    [
        (9, ErrorCode.INVALID_TXN_STATE),
        (10, ErrorCode.INVALID_TXN_STATE),
        (11, ErrorCode.TRANSACTION_ABORTABLE),
        (12, ErrorCode.NONE),
    ],
)
def test_a_partition_that_was_not_added(served: Served, version: int, code: ErrorCode) -> None:
    served.create_topic("t")
    assert TxnClient(served).produce(b"a", version=version) == code


@pytest.mark.parametrize("version", [9, 11, 12])
def test_an_id_or_producer_that_nobody_knows(served: Served, version: int) -> None:
    served.create_topic("t")
    client = TxnClient(served)
    client.add()
    assert client.produce(b"a", version=version, producer_id=999) == ErrorCode.INVALID_PRODUCER_ID_MAPPING
    assert client.produce(b"a", version=version, producer_epoch=5) == ErrorCode.INVALID_PRODUCER_EPOCH
    client.name = "nobody"
    assert client.produce(b"a", version=version) == ErrorCode.INVALID_PRODUCER_ID_MAPPING


def test_without_verification_older_clients_write_where_they_like(served: Served) -> None:
    served.broker.config.apply_dynamic({}, {"transaction.partition.verification.enable": "false"})
    served.create_topic("t")
    client = TxnClient(served)
    assert client.produce(b"a", version=9) == ErrorCode.NONE


def test_a_first_batch_that_lost_its_beginning(served: Served) -> None:
    served.create_topic("t")
    client = TxnClient(served)
    assert client.produce(b"a", base_sequence=3) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    client.add()
    assert client.produce(b"a", base_sequence=3, version=11) == ErrorCode.NONE  # As ever: nothing is known of it.


def test_outside_of_the_transaction_nothing_else_is_written(served: Served) -> None:
    served.create_topic("t")
    client = TxnClient(served)
    assert client.produce(b"a") == ErrorCode.NONE
    assert client.produce(b"b", transactional=False) == ErrorCode.INVALID_TXN_STATE


def test_batches_of_two_producers_in_one_request(served: Served) -> None:
    served.create_topic("t", 2)
    first, second = TxnClient(served, "x"), TxnClient(served, "y")
    data = [
        PartitionProduceData(
            index=index,
            records=batch(
                b"a",
                producer_id=client.producer_id,
                producer_epoch=client.epoch,
                base_sequence=0,
                transactional=True,
            ),
        )
        for index, client in enumerate((first, second))
    ]
    request = ProduceRequest(
        transactional_id="x", acks=1, timeout_ms=1, topic_data=[TopicProduceData(name="t", partition_data=data)]
    )
    (topic,) = served.call(request, 12).responses
    assert [result.error_code for result in topic.partition_responses] == [49, 49]


def test_a_good_and_an_unknown_partition(served: Served) -> None:
    served.create_topic("t")
    client = TxnClient(served)
    assert client.produce(b"a", partition=7) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert client.produce(b"a", topic="nowhere") == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert client.produce(b"a") == ErrorCode.NONE
    assert client.end() == ErrorCode.NONE


def test_while_the_last_end_is_under_way(served: Served) -> None:
    from kwire.coord.txn.markers import MarkerOrder

    served.create_topic("t", 2)
    client = TxnClient(served)
    assert client.produce(b"a") == ErrorCode.NONE
    transactions = served.broker.services.transactions

    class Nowhere:
        def write(self, order: MarkerOrder, coordinator_epoch: int) -> list[ErrorCode]:
            return [ErrorCode.NOT_LEADER_OR_FOLLOWER for _ in order.partitions]

    transactions._markers, writer = Nowhere(), transactions._markers
    assert client.end() == ErrorCode.NONE
    assert client.produce(b"b", partition=1) == ErrorCode.CONCURRENT_TRANSACTIONS
    assert client.produce(b"b", partition=1, version=11) == ErrorCode.NOT_ENOUGH_REPLICAS
    transactions._markers = writer
    served.clock.advance(200)
    run_due_timers(served)
    assert client.produce(b"b", partition=1) == ErrorCode.NONE
