"""The `sticky` task assignor: tasks stay where they are as far as balance allows (KIP-1071).

1. An active task goes to the member that had it, then to one that has a copy of its state, while those have fewer
   tasks than their share; what is left goes to the process with least work per member, and there to the member with
   least, subtopology by subtopology.
2. Copies (standby tasks) likewise: to the member that had the task, to one that had a copy, to whoever has least; a
   process never holds a task twice, so that there may be fewer copies than asked for.

The share is what is left to give over those that are not full yet. (apache/kafka `StickyTaskAssignor`, `ProcessState`;
ties go to who comes first in the group.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from kwire.coord.group.streams.tasks import TaskId, TaskMap, Tasks


class MemberSpec(NamedTuple):
    """One member: the process it runs in, and the target it has so far."""

    process_id: str
    assigned: Tasks


class SubtopologySpec(NamedTuple):
    """One subtopology: how many tasks it makes, and whether they have state to keep copies of."""

    task_count: int
    is_stateful: bool


class GroupSpec(NamedTuple):
    """A group to be assigned: members and subtopologies by id, and how many copies of state are asked for."""

    members: Mapping[str, MemberSpec]
    subtopologies: Mapping[str, SubtopologySpec]
    standby_replicas: int


def assign_sticky(group: GroupSpec) -> dict[str, Tasks]:
    """The new target of every member."""
    if not group.members:
        return {}
    board = _Board(group)
    board.assign_active()
    if group.standby_replicas > 0:
        board.assign_standbys()
    return board.targets()


class _Share:
    """How many tasks a member gets at most: what is left to give, over the members that are not full."""

    def __init__(self, tasks: int, members: int) -> None:
        self._tasks = tasks
        self._members = members
        self.each = -(-tasks // members)

    def filled(self, count: int) -> None:
        """A member has `count` tasks now; one that has its share is out of the reckoning."""
        if count == self.each:
            self._members -= 1
            self._tasks -= count
            self.each = -(-self._tasks // self._members) if self._members else 0


class _Process:
    """The members of one process and what they were given."""

    __slots__ = ("active", "counts", "standby", "tasks", "total")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.active: dict[str, list[TaskId]] = {}
        self.standby: dict[str, list[TaskId]] = {}
        self.tasks: set[TaskId] = set()
        self.total = 0

    @property
    def load(self) -> float:
        """Tasks per member."""
        return self.total / len(self.counts)

    def give(self, member_id: str, task: TaskId, given: dict[str, list[TaskId]]) -> int:
        """Give a member a task (`given` is one of the two lists); the tasks it has then."""
        self.total += 1
        self.tasks.add(task)
        given.setdefault(member_id, []).append(task)
        self.counts[member_id] += 1
        return self.counts[member_id]

    def least_loaded(self) -> str:
        """The member with least tasks."""
        return min(self.counts, key=self.counts.__getitem__)


class _Board:
    """Who had what, and who gets what."""

    def __init__(self, group: GroupSpec) -> None:
        self._group = group
        parts = group.subtopologies.values()
        active = sum(part.task_count for part in parts)
        copies = sum(part.task_count for part in parts if part.is_stateful) * group.standby_replicas
        self._active_share = _Share(active, len(group.members))
        self._share = _Share(active + copies, len(group.members))
        self._processes: dict[str, _Process] = {}
        self._had_active: dict[TaskId, str] = {}
        self._had_standby: dict[TaskId, list[str]] = {}
        for member_id, member in group.members.items():
            self._processes.setdefault(member.process_id, _Process()).counts[member_id] = 0
            for task in _ids(member.assigned.active):
                self._had_active[task] = member_id
            for task in _ids(member.assigned.standby):
                self._had_standby.setdefault(task, []).append(member_id)

    def _process_of(self, member_id: str) -> _Process:
        return self._processes[self._group.members[member_id].process_id]

    def _count_of(self, member_id: str) -> int:
        return self._process_of(member_id).counts[member_id]

    # Active tasks

    def assign_active(self) -> None:
        """Every task of every subtopology to one member."""
        tasks = [
            (name, number)
            for name, part in sorted(self._group.subtopologies.items())
            for number in range(part.task_count)
        ]
        # Partition by partition, so that members keep the same partitions of several subtopologies.
        tasks.sort(key=lambda task: (task[1], task[0]))
        tasks = [task for task in tasks if not self._give_active_to(self._had_active.get(task), task)]
        tasks = [task for task in tasks if not self._give_active_to(self._least_loaded_copy(task), task)]
        queue = self._processes_by_load()
        for task in sorted(tasks):
            _, order, process = heappop(queue)
            self._active_filled(process.give(process.least_loaded(), task, process.active))
            heappush(queue, (process.load, order, process))

    def _give_active_to(self, member_id: str | None, task: TaskId) -> bool:
        if member_id is None or self._count_of(member_id) >= self._active_share.each:
            return False
        process = self._process_of(member_id)
        self._active_filled(process.give(member_id, task, process.active))
        return True

    def _active_filled(self, count: int) -> None:
        self._active_share.filled(count)
        self._share.filled(count)

    def _least_loaded_copy(self, task: TaskId) -> str | None:
        """Of those that had a copy of the task, in processes that do not have it now, the one with least to do."""
        return min(
            (name for name in self._had_standby.get(task, ()) if task not in self._process_of(name).tasks),
            key=lambda name: (self._process_of(name).load, self._count_of(name)),
            default=None,
        )

    # Copies

    def assign_standbys(self) -> None:
        """As many copies of every stateful task as are asked for, or as there is room for."""
        tasks = [
            (name, number)
            for name, part in self._group.subtopologies.items()
            if part.is_stateful
            for number in range(part.task_count)
        ]
        tasks.sort(key=lambda task: (task[1], task[0]), reverse=True)
        left = []
        for task in tasks:
            wanted = self._group.standby_replicas
            while wanted and self._give_copy_back(task):
                wanted -= 1
            left += [task] * wanted
        queue = self._processes_by_load()
        for task in sorted(left, reverse=True):
            self._give_copy_to_least_loaded(task, queue)

    def _give_copy_back(self, task: TaskId) -> bool:
        """Give a copy to a member that had the task itself, or else a copy of it."""
        had = self._had_active.get(task)
        if had is None or task in self._process_of(had).tasks or not self._has_room(had):
            had = self._least_loaded_copy(task)
            if had is None or not self._has_room(had):
                return False
        process = self._process_of(had)
        self._share.filled(process.give(had, task, process.standby))
        return True

    def _has_room(self, member_id: str) -> bool:
        return self._count_of(member_id) < self._share.each

    def _give_copy_to_least_loaded(self, task: TaskId, queue: list[tuple[float, int, _Process]]) -> None:
        passed = []
        while queue:
            load, order, process = heappop(queue)
            if task not in process.tasks:
                self._share.filled(process.give(process.least_loaded(), task, process.standby))
                heappush(queue, (process.load, order, process))
                break
            passed.append((load, order, process))
        for entry in passed:
            heappush(queue, entry)

    # Results

    def _processes_by_load(self) -> list[tuple[float, int, _Process]]:
        queue = [(process.load, order, process) for order, process in enumerate(self._processes.values())]
        heapify(queue)
        return queue

    def targets(self) -> dict[str, Tasks]:
        """What everybody gets."""
        found = {}
        for member_id in self._group.members:
            process = self._process_of(member_id)
            active, standby = process.active.get(member_id, ()), process.standby.get(member_id, ())
            found[member_id] = Tasks(_by_subtopology(active), _by_subtopology(standby))
        return found


def _ids(tasks: TaskMap) -> Iterable[TaskId]:
    for subtopology, partitions in tasks.items():
        for partition in partitions:
            yield subtopology, partition


def _by_subtopology(tasks: Iterable[TaskId]) -> TaskMap:
    found: dict[str, set[int]] = {}
    for subtopology, partition in tasks:
        found.setdefault(subtopology, set()).add(partition)
    return {subtopology: frozenset(partitions) for subtopology, partitions in found.items()}
