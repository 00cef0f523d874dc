"""The table of transitions: every pair of states, allowed or refused."""

from __future__ import annotations

from itertools import product

import pytest

from kwire.coord.group.classic_group import ClassicGroup
from kwire.coord.group.states import TRANSITIONS, GroupState, IllegalTransition

ALLOWED = {
    ("Empty", "PreparingRebalance"),
    ("PreparingRebalance", "CompletingRebalance"),
    ("PreparingRebalance", "Empty"),
    ("CompletingRebalance", "Stable"),
    ("CompletingRebalance", "PreparingRebalance"),
    ("Stable", "PreparingRebalance"),
    ("Empty", "Dead"),
    ("PreparingRebalance", "Dead"),
    ("CompletingRebalance", "Dead"),
    ("Stable", "Dead"),
}


@pytest.mark.parametrize(("before", "after"), list(product(GroupState, GroupState)), ids=lambda state: str(state.value))
def test_transition(before: GroupState, after: GroupState) -> None:
    group = ClassicGroup("g")
    group.state = before
    if (before.value, after.value) in ALLOWED:
        group.transition_to(after, 7)
        assert (group.state, group.previous_state, group.state_timestamp_ms) == (after, before, 7)
    else:
        with pytest.raises(IllegalTransition):
            group.transition_to(after, 7)
        assert group.state is before


def test_every_state_is_in_the_table() -> None:
    assert set(TRANSITIONS) == set(GroupState)
