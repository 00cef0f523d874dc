"""AddPartitionsToTxn: each version, several transactions, verification, and what is refused."""

from __future__ import annotations

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)
from tests.api.served import Served
from tests.api.txn_client import TxnClient


@pytest.mark.parametrize("version", range(4))
def test_partitions_join(served: Served, version: int) -> None:
    served.create_topic("t", 2)
    client = TxnClient(served)
    assert client.add("t", 0, 1, version=version) == [0, 0]
    assert client.produce(b"a", version=9) == ErrorCode.NONE
    wrong_epoch = ErrorCode.PRODUCER_FENCED if version >= 2 else ErrorCode.INVALID_PRODUCER_EPOCH
    assert client.add("t", 0, version=version, epoch=7) == [wrong_epoch]


def test_one_unknown_partition_spoils_the_transaction(served: Served) -> None:
    served.create_topic("t")
    client = TxnClient(served)
    assert client.add("t", 0, 5) == [ErrorCode.OPERATION_NOT_ATTEMPTED, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    assert client.add("nowhere", 0) == [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    assert client.produce(b"a", version=9) == ErrorCode.INVALID_TXN_STATE


def test_producers_have_no_part_in_internal_topics(served: Served) -> None:
    client = TxnClient(served)
    assert client.add("__transaction_state", 0) == [ErrorCode.TOPIC_AUTHORIZATION_FAILED]
    assert client.add("__consumer_offsets", 0) == [ErrorCode.TOPIC_AUTHORIZATION_FAILED]  # It does not exist.
    assert client.end(version=3) == ErrorCode.INVALID_TXN_STATE  # Nothing was begun.


def transaction(client: TxnClient, *partitions: int, verify: bool = False, name: str | None = None):  # type: ignore[no-untyped-def]
    return AddPartitionsToTxnTransaction(
        transactional_id=client.name if name is None else name,
        producer_id=client.producer_id,
        producer_epoch=client.epoch,
        verify_only=verify,
        topics=[AddPartitionsToTxnTopic(name="t", partitions=list(partitions))],
    )


@pytest.mark.parametrize("version", [4, 5])
def test_several_transactions_each_for_itself(served: Served, version: int) -> None:
    served.create_topic("t", 3)
    first, second = TxnClient(served, "x"), TxnClient(served, "y")
    request = AddPartitionsToTxnRequest(
        transactions=[
            transaction(first, 0, 1),
            transaction(second, 1, 9),
            transaction(first, 0, name="unknown"),
            transaction(first, 0, name=""),
        ]
    )
    response = served.call(request, version)
    codes = {
        result.transactional_id: [p.partition_error_code for p in result.topic_results[0].results_by_partition]
        for result in response.results_by_transaction
    }
    assert codes == {"x": [0, 0], "y": [55, 3], "unknown": [49], "": [42]}
    verify = AddPartitionsToTxnRequest(transactions=[transaction(first, 1, 2, verify=True)])
    (result,) = served.call(verify, version).results_by_transaction
    not_added = ErrorCode.TRANSACTION_ABORTABLE if version == 5 else ErrorCode.INVALID_TXN_STATE
    assert [p.partition_error_code for p in result.topic_results[0].results_by_partition] == [0, not_added]
