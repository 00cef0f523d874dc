"""The table of a record's states: what is not in it cannot happen."""

from __future__ import annotations

import pytest

from kwire.share.in_flight import Batch, Run
from kwire.share.states import (
    ACKNOWLEDGED,
    ACQUIRED,
    ARCHIVED,
    AVAILABLE,
    STATE_AFTER,
    STATE_NAMES,
    TERMINAL,
    TRANSITIONS,
    IllegalTransition,
)

EVERY = [(state, following) for state in STATE_NAMES for following in STATE_NAMES]


@pytest.mark.parametrize(("state", "following"), EVERY, ids=lambda state: STATE_NAMES[state])
def test_every_pair_of_states(state: int, following: int) -> None:
    run = Run(0, 1, state, 1)
    if following in TRANSITIONS[state]:
        run.move_to(following)
        assert run.state == following
    else:
        with pytest.raises(IllegalTransition):
            run.move_to(following)
        assert run.state == state


def test_what_is_done_stays_done() -> None:
    assert all(not TRANSITIONS[state] for state in TERMINAL)
    assert TRANSITIONS[AVAILABLE] == {ACQUIRED}
    assert set(STATE_AFTER.values()) == {AVAILABLE, ACKNOWLEDGED, ARCHIVED} == TRANSITIONS[ACQUIRED]


def test_a_lock_is_one_more_delivery() -> None:
    run = Run(3, 5, AVAILABLE, 1)
    run.acquire("m", 77)
    assert (run.state, run.deliveries, run.member_id, run.deadline_ms) == (ACQUIRED, 2, "m", 77)
    with pytest.raises(IllegalTransition):
        run.acquire("other", 99)
    assert run.member_id == "m"


def test_batches_are_cut_and_joined() -> None:
    batch = Batch(Run(10, 19, AVAILABLE, 1))
    (middle,) = batch.between(12, 14)
    middle.acquire("m", 5)
    assert [(run.first, run.last, run.state) for run in batch.runs] == [
        (10, 11, AVAILABLE),
        (12, 14, ACQUIRED),
        (15, 19, AVAILABLE),
    ]
    assert (batch.covering(14), batch.is_split) == (middle, True)
    middle.move_to(AVAILABLE)
    middle.member_id, middle.deliveries = "", 1
    batch.tidy()
    assert [(run.first, run.last) for run in batch.runs] == [(10, 19)]
