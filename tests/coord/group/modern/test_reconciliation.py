"""A member's steps towards its target, one by one."""

from __future__ import annotations

import pytest

from kwire.coord.group.modern.assignment import Partitions
from kwire.coord.group.modern.reconciliation import (
    TRANSITIONS,
    CurrentAssignment,
    IllegalTransition,
    MemberState,
    Reconciliation,
    reconcile,
)
from kwire.errors import ErrorCode, KafkaError

T, U = b"t" * 16, b"u" * 16


def toward(
    epoch: int,
    target: Partitions,
    *,
    reported: Partitions | None = None,
    taken: frozenset[tuple[bytes, int]] = frozenset(),
    subscribed: frozenset[bytes] = frozenset({T, U}),
    changed: bool = False,
) -> Reconciliation:
    return Reconciliation(epoch, target, subscribed, reported, lambda t, p: (t, p) not in taken, changed)


@pytest.mark.parametrize("state", MemberState)
def test_nobody_comes_to_the_unknown_state(state: MemberState) -> None:
    assert MemberState.UNKNOWN not in TRANSITIONS[state]
    with pytest.raises(IllegalTransition):
        CurrentAssignment(1, 1, state).moved_to(MemberState.UNKNOWN, 1, {}, {})


@pytest.mark.parametrize("state", list(TRANSITIONS[MemberState.STABLE]))
def test_nobody_goes_back_to_an_earlier_epoch(state: MemberState) -> None:
    with pytest.raises(IllegalTransition):
        CurrentAssignment(5, 4).moved_to(state, 4, {}, {})
    assert CurrentAssignment(5, 4).moved_to(state, 5, {}, {}).previous_member_epoch == 5


def test_a_new_member_takes_what_is_free_and_waits_for_the_rest() -> None:
    new = reconcile(CurrentAssignment(), toward(3, {T: frozenset({0, 1})}, taken=frozenset({(T, 1)})))
    assert new == CurrentAssignment(3, 0, MemberState.UNRELEASED_PARTITIONS, {T: {0: 3}}, {})
    rest = reconcile(new, toward(3, {T: frozenset({0, 1})}))
    assert rest == CurrentAssignment(3, 3, MemberState.STABLE, {T: {0: 3, 1: 3}}, {})


def test_giving_back_comes_before_the_new_epoch() -> None:
    has = CurrentAssignment(3, 2, MemberState.STABLE, {T: {0: 2, 1: 3}}, {})
    asked = reconcile(has, toward(5, {T: frozenset({0, 2})}, reported={T: frozenset({0, 1})}))
    assert asked == CurrentAssignment(3, 3, MemberState.UNREVOKED_PARTITIONS, {T: {0: 2}}, {T: {1: 3}})
    # A member that does not say what it owns is taken to own it all; one that still reports it has not given it back.
    assert reconcile(asked, toward(5, {T: frozenset({0, 2})})) is asked
    assert reconcile(asked, toward(6, {T: frozenset({0, 2})}, reported={T: frozenset({1})})) is asked
    done = reconcile(asked, toward(6, {T: frozenset({0, 2})}, reported={T: frozenset({0})}))
    assert done == CurrentAssignment(6, 3, MemberState.STABLE, {T: {0: 2, 2: 6}}, {})


def test_giving_back_twice_in_a_row_leaves_the_epoch_as_it_is() -> None:
    """If the answer with another epoch got lost, the member would be fenced for what it still has."""
    asked = CurrentAssignment(3, 3, MemberState.UNREVOKED_PARTITIONS, {T: {0: 2, 2: 2}}, {T: {1: 3}})
    again = reconcile(asked, toward(6, {T: frozenset({0})}, reported={T: frozenset({0, 2})}))
    assert again == CurrentAssignment(3, 3, MemberState.UNREVOKED_PARTITIONS, {T: {0: 2}}, {T: {2: 2}})


def test_what_is_being_given_back_may_come_back() -> None:
    has = CurrentAssignment(3, 3, MemberState.UNREVOKED_PARTITIONS, {T: {0: 2}}, {T: {1: 3}})
    own = frozenset({(T, 0), (T, 1)})
    back = reconcile(has, toward(4, {T: frozenset({0, 1})}, reported={}, taken=own))
    assert back == CurrentAssignment(4, 3, MemberState.STABLE, {T: {0: 2, 1: 4}}, {})


def test_a_topic_that_is_not_subscribed_to_any_more_goes_without_a_new_target() -> None:
    has = CurrentAssignment(3, 3, MemberState.STABLE, {T: {0: 3}, U: {0: 3}}, {})
    only_t = frozenset({T})
    target = {T: frozenset({0}), U: frozenset({0})}
    asked = reconcile(has, toward(3, target, subscribed=only_t, changed=True))
    assert asked == CurrentAssignment(3, 3, MemberState.UNREVOKED_PARTITIONS, {T: {0: 3}}, {U: {0: 3}})
    done = reconcile(asked, toward(3, target, subscribed=only_t, reported={T: frozenset({0})}))
    assert done == CurrentAssignment(3, 3, MemberState.STABLE, {T: {0: 3}}, {})
    # It has given it back already: nothing to wait for.
    assert reconcile(has, toward(3, target, subscribed=only_t, reported={}, changed=True)).assigned == {T: {0: 3}}
    assert reconcile(has, toward(3, target, changed=True)) is has


def test_a_state_of_a_newer_broker() -> None:
    strange = CurrentAssignment(3, 3, MemberState.UNKNOWN, {T: {0: 3}}, {})
    for reported in (None, {T: frozenset({0})}):
        with pytest.raises(KafkaError) as refused:
            reconcile(strange, toward(4, {T: frozenset({0})}, reported=reported))
        assert refused.value.code is ErrorCode.FENCED_MEMBER_EPOCH
    again = reconcile(strange, toward(4, {T: frozenset({0})}, reported={}))
    assert (again.state, again.member_epoch) == (MemberState.STABLE, 4)
