"""How one member gets from the tasks it has to those it should have, one heartbeat at a time (KIP-1071).

As with partitions of consumers, a member first gives back what it must not keep, then moves to the target's epoch, then
gets what is free. An active task is free when no process runs it; and as a process has one directory of state per task,
none gets a task in one role before it has given it up in every other.

| state | what the member waits for | a heartbeat leads to |
|---|---|---|
| Stable | nothing: it has its target of its epoch | any of the three, if there is a newer target |
| UnrevokedTasks | itself: it is to give tasks back | any, once it does not report them any more |
| UnreleasedTasks | others: tasks of its target are still somewhere else | any of the three |
| Unknown | written by a newer broker | any, if the member has nothing; FENCED_MEMBER_EPOCH otherwise |

Epochs only rise. (apache/kafka streams `CurrentAssignmentBuilder`.)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import IntEnum
from typing import NamedTuple

from kwire.coord.group.modern.reconciliation import IllegalTransition
from kwire.coord.group.streams.tasks import (
    ACTIVE,
    NOTHING_OWNED,
    STANDBY,
    WARMUP,
    OwnedTasks,
    TaskMap,
    Tasks,
    share_any,
)
from kwire.errors import ErrorCode, KafkaError


class MemberState(IntEnum):
    """Where a member stands; the numbers are those of the log, not those of consumers (streams `MemberState`)."""

    STABLE = 1
    UNREVOKED_TASKS = 2
    UNRELEASED_TASKS = 3
    UNKNOWN = 127


_KNOWN = frozenset({MemberState.STABLE, MemberState.UNREVOKED_TASKS, MemberState.UNRELEASED_TASKS})

TRANSITIONS: dict[MemberState, frozenset[MemberState]] = {
    MemberState.STABLE: _KNOWN,
    MemberState.UNREVOKED_TASKS: _KNOWN,
    MemberState.UNRELEASED_TASKS: _KNOWN,
    MemberState.UNKNOWN: _KNOWN,
}
"""From each state, the states that may follow. What is not listed raises `IllegalTransition`."""


class CurrentTasks(NamedTuple):
    """What a member has: its epoch, the one before, and its tasks.

    Tasks of `pending_revocation` are still the member's until it stops reporting them.
    """

    member_epoch: int = 0
    previous_member_epoch: int = 0
    state: MemberState = MemberState.STABLE
    assigned: OwnedTasks = NOTHING_OWNED
    pending_revocation: OwnedTasks = NOTHING_OWNED

    def is_reconciled_to(self, epoch: int) -> bool:
        """Whether nothing is left to do for the target of this epoch."""
        return self.state is MemberState.STABLE and self.member_epoch == epoch

    def moved_to(self, state: MemberState, epoch: int, assigned: OwnedTasks, pending: OwnedTasks) -> CurrentTasks:
        """The one way to another state. Raises IllegalTransition."""
        if state not in TRANSITIONS[self.state] or epoch < self.member_epoch:
            raise IllegalTransition(f"{self.state.name} at {self.member_epoch} -> {state.name} at {epoch}")
        return CurrentTasks(epoch, self.member_epoch, state, assigned, pending)

    def epoch_of(self, subtopology: str, partition: int) -> int | None:
        """The epoch in which the member got this active task, None if it is not the member's."""
        for owned in (self.assigned, self.pending_revocation):
            epoch = owned.active.get(subtopology, {}).get(partition)
            if epoch is not None:
                return epoch
        return None


class Reconciliation(NamedTuple):
    """What a member's next step depends on.

    `reported` is what the member says it has, None if it does not say. `is_free(role, subtopology, partition)`: whether
    a member of this process may get the task in this role.
    """

    target_epoch: int
    target: Tasks
    reported: Tasks | None
    is_free: Callable[[str, str, int], bool]


def reconcile(current: CurrentTasks, toward: Reconciliation) -> CurrentTasks:
    """The member's next step, or `current` itself if there is none to take.

    Raises FENCED_MEMBER_EPOCH for a member in a state that this broker does not know.
    """
    if current.state is MemberState.STABLE:
        return current if current.member_epoch == toward.target_epoch else _next_step(current, 0, toward)
    if current.state is MemberState.UNREVOKED_TASKS:
        return current if _still_has(current.pending_revocation, toward) else _next_step(current, 1, toward)
    if current.state is MemberState.UNKNOWN and (toward.reported is None or not toward.reported.is_empty):
        raise KafkaError(
            ErrorCode.FENCED_MEMBER_EPOCH,
            "The member is in a state that this broker does not know. It must give up its tasks and join again.",
        )
    return _next_step(current, 0, toward)


def _still_has(pending: OwnedTasks, toward: Reconciliation) -> bool:
    """Whether the member has not given everything back yet; one that does not say is taken to have it all."""
    return toward.reported is None or share_any(toward.reported, pending)


def _next_step(current: CurrentTasks, by: int, toward: Reconciliation) -> CurrentTasks:
    """Give back first, `by` epochs further; with nothing to give back, go to the target's epoch, take what is free."""
    has, target = current.assigned, toward.target
    kept_active, pending_active = _split_epochs(has, target.active)
    kept_standby, pending_standby = _split(has.standby, target.standby)
    kept_warmup, pending_warmup = _split(has.warmup, target.warmup)
    pending = OwnedTasks(pending_active, pending_standby, pending_warmup)
    if not pending.is_empty and _still_has(pending, toward):
        kept = OwnedTasks(kept_active, kept_standby, kept_warmup)
        return current.moved_to(MemberState.UNREVOKED_TASKS, current.member_epoch + by, kept, pending)
    gained, waits_for_active = _gain(ACTIVE, target.active, kept_active, toward)
    for subtopology, partitions in gained.items():
        kept_active[subtopology] = {
            **kept_active.get(subtopology, {}),
            **dict.fromkeys(partitions, toward.target_epoch),
        }
    standby, waits_for_standby = _gain(STANDBY, target.standby, kept_standby, toward)
    warmup, waits_for_warmup = _gain(WARMUP, target.warmup, kept_warmup, toward)
    waits = waits_for_active or waits_for_standby or waits_for_warmup
    state = MemberState.UNRELEASED_TASKS if waits else MemberState.STABLE
    owned = OwnedTasks(kept_active, _joined(kept_standby, standby), _joined(kept_warmup, warmup))
    return current.moved_to(state, toward.target_epoch, owned, NOTHING_OWNED)


def _split(has: TaskMap, target: TaskMap) -> tuple[dict[str, frozenset[int]], dict[str, frozenset[int]]]:
    """What of it the target keeps, and what it does not."""
    kept = {name: numbers & target.get(name, frozenset()) for name, numbers in has.items()}
    pending = {name: numbers - target.get(name, frozenset()) for name, numbers in has.items()}
    return _without_empty(kept), _without_empty(pending)


def _split_epochs(has: OwnedTasks, target: TaskMap) -> tuple[dict[str, dict[int, int]], dict[str, dict[int, int]]]:
    kept: dict[str, dict[int, int]] = {}
    pending: dict[str, dict[int, int]] = {}
    for name, partitions in has.active.items():
        wanted = target.get(name, frozenset())
        for partition, since in partitions.items():
            (kept if partition in wanted else pending).setdefault(name, {})[partition] = since
    return kept, pending


def _gain(
    role: str, target: TaskMap, kept: Mapping[str, Collection[int]], toward: Reconciliation
) -> tuple[dict[str, frozenset[int]], bool]:
    """What of the target is free to be taken, and whether some of it is not."""
    waits = False
    gained: dict[str, frozenset[int]] = {}
    for name, numbers in target.items():
        wanted = numbers.difference(kept.get(name, ()))
        free = frozenset(number for number in wanted if toward.is_free(role, name, number))
        waits = waits or len(free) < len(wanted)
        if free:
            gained[name] = free
    return gained, waits


def _joined(some: TaskMap, others: TaskMap) -> TaskMap:
    return {name: some.get(name, frozenset()) | others.get(name, frozenset()) for name in {**some, **others}}


def _without_empty(tasks: dict[str, frozenset[int]]) -> dict[str, frozenset[int]]:
    return {name: numbers for name, numbers in tasks.items() if numbers}
