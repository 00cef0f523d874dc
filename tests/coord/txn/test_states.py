"""The table of transitions: every pair of states, allowed or refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from kwire.coord.txn.metadata import NO_PRODUCER_ID, TransactionMetadata
from kwire.coord.txn.states import NAMES, TRANSITIONS, IllegalTransition, TransactionState
from kwire.ids import TopicPartition
from kwire.wire.messages.transaction_records import TransactionLogValue

STORED = [state for state in TransactionState if state < TransactionState.DEAD]
AT_REST = ("Empty", "CompleteCommit", "CompleteAbort")

ALLOWED = {
    *((state, after) for state in AT_REST for after in ("Empty", "Ongoing", "PrepareAbort", "Dead")),
    ("Ongoing", "Ongoing"),
    ("Ongoing", "PrepareCommit"),
    ("Ongoing", "PrepareAbort"),
    ("PrepareCommit", "CompleteCommit"),
    ("PrepareAbort", "CompleteAbort"),
}


def in_state(state: TransactionState) -> TransactionMetadata:
    return TransactionMetadata("x", 7, 3, 60_000, state, frozenset(), 5, 5)


STEPS: dict[str, Callable[[TransactionMetadata], TransactionMetadata]] = {
    "Empty": lambda txn: txn.begin_anew(producer_epoch=4, timeout_ms=1, now_ms=9),
    "Ongoing": lambda txn: txn.add([TopicPartition("t", 0)], 2, 9),
    "PrepareCommit": lambda txn: txn.prepare(committed=True, version=2, next_producer_id=NO_PRODUCER_ID, now_ms=9),
    "PrepareAbort": lambda txn: txn.prepare(committed=False, version=2, next_producer_id=NO_PRODUCER_ID, now_ms=9),
}


def test_the_table() -> None:
    table = {(NAMES[before], NAMES[after]) for before, follow in TRANSITIONS.items() for after in follow}
    assert table == ALLOWED
    assert set(TRANSITIONS) == set(TransactionState)


@pytest.mark.parametrize(("before", "after"), list(product(TransactionState, STEPS)), ids=str)
def test_step(before: TransactionState, after: str) -> None:
    if (NAMES[before], after) in ALLOWED:
        assert NAMES[STEPS[after](in_state(before)).state] == after
    else:
        with pytest.raises(IllegalTransition):
            STEPS[after](in_state(before))


@pytest.mark.parametrize("before", TransactionState, ids=lambda state: state.name)
def test_completion(before: TransactionState) -> None:
    txn = in_state(before)
    if before in (TransactionState.PREPARE_COMMIT, TransactionState.PREPARE_ABORT):
        completed = txn.complete(9)
        assert NAMES[completed.state] == NAMES[before].replace("Prepare", "Complete")
    else:
        with pytest.raises(IllegalTransition):
            txn.complete(9)


@pytest.mark.parametrize("state", STORED, ids=lambda state: state.name)
def test_the_log_has_it_all(state: TransactionState) -> None:
    partitions = frozenset({TopicPartition("t", 1), TopicPartition("t", 0), TopicPartition("u", 5)})
    if state is TransactionState.EMPTY:
        partitions = frozenset()
    txn = TransactionMetadata("x", 7, 3, 60_000, state, partitions, 5, 6, 8, 9, 2)
    assert TransactionMetadata.from_value("x", txn.to_value()) == txn
    assert (txn.to_value().transaction_partitions is None) == (state is TransactionState.EMPTY)


@pytest.mark.parametrize("number", [6, 7, 8, -1])
def test_states_that_are_never_stored(number: int) -> None:
    value = TransactionLogValue(
        producer_id=1,
        producer_epoch=0,
        transaction_timeout_ms=1,
        transaction_status=number,
        transaction_partitions=None,
        transaction_last_update_timestamp_ms=0,
        transaction_start_timestamp_ms=-1,
    )
    with pytest.raises(ValueError, match=r"TransactionState|never stored"):
        TransactionMetadata.from_value("x", value)


def test_a_clock_that_was_set_back_makes_no_id_older() -> None:
    txn = in_state(TransactionState.ONGOING)._replace(last_update_ms=100)
    assert STEPS["PrepareCommit"](txn).last_update_ms == 100
