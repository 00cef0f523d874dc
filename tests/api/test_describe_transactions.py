"""DescribeTransactions: states, partitions, and ids that nobody knows."""

from __future__ import annotations

from kwire.errors import ErrorCode
from kwire.wire.messages.describe_transactions import DescribeTransactionsRequest
from tests.api.served import Served
from tests.api.txn_client import TxnClient


def test_describe(served: Served) -> None:
    served.create_topic("t", 2)
    client = TxnClient(served)
    now_ms = served.clock.now_ms()
    client.produce(b"a")
    client.produce(b"a", partition=1)
    response = served.call(DescribeTransactionsRequest(transactional_ids=["x", "", "nobody", "x"]), 0)
    states = {state.transactional_id: state for state in response.transaction_states}
    assert len(response.transaction_states) == 3
    assert states[""].error_code == ErrorCode.INVALID_REQUEST
    assert states["nobody"].error_code == ErrorCode.TRANSACTIONAL_ID_NOT_FOUND
    known = states["x"]
    assert (known.transaction_state, known.transaction_timeout_ms) == ("Ongoing", 60_000)
    assert (known.producer_id, known.producer_epoch, known.transaction_start_time_ms) == (0, 0, now_ms)
    assert [(topic.topic, topic.partitions) for topic in known.topics] == [("t", [0, 1])]
    client.end()
    (state,) = served.call(DescribeTransactionsRequest(transactional_ids=["x"]), 0).transaction_states
    assert (state.transaction_state, state.topics) == ("CompleteCommit", [])


def test_before_there_are_any(served: Served) -> None:
    (state,) = served.call(DescribeTransactionsRequest(transactional_ids=["x"]), 0).transaction_states
    assert state.error_code == ErrorCode.NOT_COORDINATOR
