"""AddOffsetsToTxn: the group's partition joins the transaction, in every version."""

from __future__ import annotations

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.describe_transactions import DescribeTransactionsRequest
from tests.api.served import Served
from tests.api.txn_client import TxnClient


@pytest.mark.parametrize("version", range(5))
def test_the_offsets_partition_joins(served: Served, version: int) -> None:
    client = TxnClient(served)
    assert client.add_offsets("g", version) == ErrorCode.NONE
    (state,) = served.call(DescribeTransactionsRequest(transactional_ids=["x"]), 0).transaction_states
    assert [(topic.topic, topic.partitions) for topic in state.topics] == [
        ("__consumer_offsets", [served.broker.services.groups.partition_for("g")])
    ]
    client.epoch += 1
    fenced = ErrorCode.PRODUCER_FENCED if version >= 2 else ErrorCode.INVALID_PRODUCER_EPOCH
    assert client.add_offsets("g", version) == fenced


def test_unknown_ids(served: Served) -> None:
    client = TxnClient(served)
    client.producer_id += 1
    assert client.add_offsets() == ErrorCode.INVALID_PRODUCER_ID_MAPPING
    client.name = ""
    assert client.add_offsets() == ErrorCode.INVALID_REQUEST
