"""ListTransactions: filters by state, producer, age and pattern."""

from __future__ import annotations

from typing import Any

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.list_transactions import ListTransactionsRequest
from tests.api.served import Served
from tests.api.txn_client import TxnClient


def listing(served: Served, version: int = 2, **fields: Any) -> Any:
    request = ListTransactionsRequest(**{"state_filters": [], "producer_id_filters": [], **fields})
    return served.call(request, version)


def ids(response: Any) -> list[str]:
    assert response.error_code == ErrorCode.NONE
    return sorted(entry.transactional_id for entry in response.transaction_states)


@pytest.mark.parametrize("version", range(3))
def test_all_of_them(served: Served, version: int) -> None:
    assert ids(listing(served, version)) == []
    served.create_topic("t")
    for name in ("orders-1", "orders-2", "payments"):
        TxnClient(served, name).produce(b"a")
    assert ids(listing(served, version)) == ["orders-1", "orders-2", "payments"]
    assert ids(listing(served, version, state_filters=["Empty"])) == []
    some = listing(served, version, state_filters=["Ongoing", "Asleep"], producer_id_filters=[1])
    assert (ids(some), some.unknown_state_filters) == (["orders-2"], ["Asleep"])


def test_age_and_pattern(served: Served) -> None:
    served.create_topic("t")
    TxnClient(served, "orders-1").produce(b"a")
    served.clock.advance(5000)
    TxnClient(served, "orders-2").produce(b"a")
    assert ids(listing(served, duration_filter=4999)) == ["orders-1"]
    assert ids(listing(served, transactional_id_pattern="orders-.")) == ["orders-1", "orders-2"]
    assert ids(listing(served, transactional_id_pattern="orders")) == []
    assert ids(listing(served, transactional_id_pattern="")) == ["orders-1", "orders-2"]
    bad = listing(served, transactional_id_pattern="(")
    assert bad.error_code == ErrorCode.INVALID_REGULAR_EXPRESSION
