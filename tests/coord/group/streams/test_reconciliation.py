"""A member's steps towards its tasks, one by one."""

from __future__ import annotations

import pytest

from kwire.coord.group.modern.reconciliation import IllegalTransition
from kwire.coord.group.streams.reconciliation import (
    TRANSITIONS,
    CurrentTasks,
    MemberState,
    Reconciliation,
    reconcile,
)
from kwire.coord.group.streams.records import current_tasks_of
from kwire.coord.group.streams.tasks import NOTHING_OWNED, OwnedTasks, Tasks
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.streams_records import StreamsGroupCurrentMemberAssignmentValue, TaskIds


def tasks(active: dict[str, set[int]] | None = None, standby: dict[str, set[int]] | None = None) -> Tasks:
    return Tasks(
        {name: frozenset(numbers) for name, numbers in (active or {}).items()},
        {name: frozenset(numbers) for name, numbers in (standby or {}).items()},
    )


def owned(active: dict[str, dict[int, int]] | None = None, standby: dict[str, set[int]] | None = None) -> OwnedTasks:
    return OwnedTasks(active or {}, {name: frozenset(numbers) for name, numbers in (standby or {}).items()})


def toward(
    epoch: int,
    target: Tasks,
    *,
    reported: Tasks | None = None,
    taken: frozenset[tuple[str, str, int]] = frozenset(),
) -> Reconciliation:
    return Reconciliation(epoch, target, reported, lambda *task: task not in taken)


@pytest.mark.parametrize("state", MemberState)
def test_nobody_comes_to_the_unknown_state(state: MemberState) -> None:
    assert MemberState.UNKNOWN not in TRANSITIONS[state]
    with pytest.raises(IllegalTransition):
        CurrentTasks(1, 1, state).moved_to(MemberState.UNKNOWN, 1, NOTHING_OWNED, NOTHING_OWNED)


@pytest.mark.parametrize("state", list(TRANSITIONS[MemberState.STABLE]))
def test_nobody_goes_back_to_an_earlier_epoch(state: MemberState) -> None:
    with pytest.raises(IllegalTransition):
        CurrentTasks(5, 4).moved_to(state, 4, NOTHING_OWNED, NOTHING_OWNED)
    assert CurrentTasks(5, 4).moved_to(state, 5, NOTHING_OWNED, NOTHING_OWNED).previous_member_epoch == 5


def test_a_new_member_takes_what_is_free_and_waits_for_the_rest() -> None:
    target = tasks({"0": {0, 1}}, {"1": {0, 1}})
    taken = frozenset({("active", "0", 1), ("standby", "1", 0)})
    new = reconcile(CurrentTasks(), toward(3, target, taken=taken))
    assert new == CurrentTasks(3, 0, MemberState.UNRELEASED_TASKS, owned({"0": {0: 3}}, {"1": {1}}))
    rest = reconcile(new, toward(3, target))
    assert rest == CurrentTasks(3, 3, MemberState.STABLE, owned({"0": {0: 3, 1: 3}}, {"1": {0, 1}}))


@pytest.mark.parametrize("role", ["active", "standby"])
def test_giving_back_comes_before_the_new_epoch(role: str) -> None:
    if role == "active":
        has, kept, gone = owned({"0": {0: 2, 1: 3}}), owned({"0": {0: 2}}), owned({"0": {1: 3}})
        before, after, target = tasks({"0": {0, 1}}), tasks({"0": {0}}), tasks({"0": {0}})
    else:
        has, kept, gone = owned(None, {"0": {0, 1}}), owned(None, {"0": {0}}), owned(None, {"0": {1}})
        before, after, target = tasks(None, {"0": {0, 1}}), tasks(None, {"0": {0}}), tasks(None, {"0": {0}})
    asked = reconcile(CurrentTasks(3, 2, MemberState.STABLE, has), toward(5, target, reported=before))
    assert asked == CurrentTasks(3, 3, MemberState.UNREVOKED_TASKS, kept, gone)
    # A member that does not say what it has is taken to have it all; one that still reports it has not given it back.
    assert reconcile(asked, toward(5, target)) is asked
    assert reconcile(asked, toward(6, target, reported=before)) is asked
    done = reconcile(asked, toward(6, target, reported=after))
    assert done == CurrentTasks(6, 3, MemberState.STABLE, kept)


def test_a_second_change_meanwhile_is_given_back_an_epoch_later() -> None:
    has = CurrentTasks(3, 3, MemberState.UNREVOKED_TASKS, owned({"0": {0: 2, 2: 2}}), owned({"0": {1: 3}}))
    asked = reconcile(has, toward(7, tasks({"0": {0}}), reported=tasks({"0": {0, 2}})))
    assert asked == CurrentTasks(4, 3, MemberState.UNREVOKED_TASKS, owned({"0": {0: 2}}), owned({"0": {2: 2}}))


def test_who_is_at_its_target_stays_there() -> None:
    has = CurrentTasks(3, 2, MemberState.STABLE, owned({"0": {0: 2}}))
    assert reconcile(has, toward(3, tasks({"0": {0}}))) is has
    assert has.is_reconciled_to(3)
    assert not has.is_reconciled_to(4)


def test_a_state_of_a_newer_broker_is_left_by_joining_again() -> None:
    value = StreamsGroupCurrentMemberAssignmentValue(
        member_epoch=4,
        previous_member_epoch=3,
        state=9,
        active_tasks=[TaskIds(subtopology_id="0", partitions=[1, 2], assignment_epochs=[3])],
        standby_tasks=[],
        warmup_tasks=[TaskIds(subtopology_id="1", partitions=[0])],
        active_tasks_pending_revocation=[],
        standby_tasks_pending_revocation=[],
        warmup_tasks_pending_revocation=[],
    )
    unknown = current_tasks_of(value)
    assert unknown.state is MemberState.UNKNOWN
    assert unknown.assigned.active == {"0": {1: 4, 2: 4}}, "epochs that do not fit are the member's"
    for reported in (None, tasks({"0": {1}})):
        with pytest.raises(KafkaError) as refused:
            reconcile(unknown, toward(5, tasks(), reported=reported))
        assert refused.value.code is ErrorCode.FENCED_MEMBER_EPOCH
    assert reconcile(unknown, toward(5, tasks(), reported=tasks())) == CurrentTasks(5, 4)


def test_epochs_of_tasks_are_found_while_they_are_given_back() -> None:
    has = CurrentTasks(3, 3, MemberState.UNREVOKED_TASKS, owned({"0": {0: 2}}), owned({"0": {1: 3}}))
    assert (has.epoch_of("0", 0), has.epoch_of("0", 1), has.epoch_of("0", 2), has.epoch_of("1", 0)) == (
        2,
        3,
        None,
        None,
    )
