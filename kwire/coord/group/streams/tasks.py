"""Tasks of a Streams application: a subtopology and a partition, and what a member does with it (KIP-1071)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol, TypeAlias

TaskMap: TypeAlias = Mapping[str, frozenset[int]]
"""Partition numbers by subtopology id, no subtopology without any. Never altered."""

TaskEpochs: TypeAlias = Mapping[str, Mapping[int, int]]
"""By subtopology id and partition the epoch in which the member got the task (KIP-1251). Never altered."""

TaskId: TypeAlias = tuple[str, int]
"""Subtopology id, partition."""

NO_TASKS: TaskMap = {}
NO_EPOCHS: TaskEpochs = {}

ACTIVE, STANDBY, WARMUP = "active", "standby", "warmup"
"""What is done with a task: processing it, keeping a copy of its state, or catching up before taking it over."""


class TaskIdsMessage(Protocol):
    """The form in which requests and records name tasks."""

    subtopology_id: str
    partitions: list[int]


class Tasks(NamedTuple):
    """The tasks of one member: a target, or what it says it has."""

    active: TaskMap = NO_TASKS
    standby: TaskMap = NO_TASKS
    warmup: TaskMap = NO_TASKS

    @property
    def is_empty(self) -> bool:
        """Whether there are none."""
        return not (self.active or self.standby or self.warmup)


class OwnedTasks(NamedTuple):
    """The tasks that one member has; active ones with the epochs in which it got them."""

    active: TaskEpochs = NO_EPOCHS
    standby: TaskMap = NO_TASKS
    warmup: TaskMap = NO_TASKS

    @property
    def is_empty(self) -> bool:
        """Whether there are none."""
        return not (self.active or self.standby or self.warmup)

    def without_epochs(self) -> Tasks:
        """The same tasks, their epochs left out."""
        active = {subtopology: frozenset(partitions) for subtopology, partitions in self.active.items()}
        return Tasks(active, self.standby, self.warmup)

    def by_role(self) -> Iterator[tuple[str, str, int]]:
        """Every task, after what is done with it."""
        for role, tasks in ((ACTIVE, self.active), (STANDBY, self.standby), (WARMUP, self.warmup)):
            for subtopology, partitions in tasks.items():
                for partition in partitions:
                    yield role, subtopology, partition


NOTHING = Tasks()
NOTHING_OWNED = OwnedTasks()


def tasks_from(messages: Iterable[TaskIdsMessage]) -> dict[str, frozenset[int]]:
    """Tasks as a message names them; a subtopology named twice counts with all its partitions."""
    found: dict[str, frozenset[int]] = {}
    for message in messages:
        if message.partitions:
            known = found.get(message.subtopology_id, frozenset())
            found[message.subtopology_id] = known | frozenset(message.partitions)
    return found


def is_subset(some: TaskMap, others: Mapping[str, Iterable[int]]) -> bool:
    """Whether every task of `some` is among the others."""
    return all(subtopology in others and numbers <= set(others[subtopology]) for subtopology, numbers in some.items())


def share_any(some: Tasks, owned: OwnedTasks) -> bool:
    """Whether a task of `some` is owned in the same role."""
    pairs: tuple[tuple[TaskMap, Mapping[str, Iterable[int]]], ...] = (
        (some.active, owned.active),
        (some.standby, owned.standby),
        (some.warmup, owned.warmup),
    )
    return any(
        not numbers.isdisjoint(theirs.get(subtopology, ()))
        for ours, theirs in pairs
        for subtopology, numbers in ours.items()
    )
