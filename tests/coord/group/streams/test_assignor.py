"""The sticky task assignor: everybody gets a share, keeps what it had, and copies lie elsewhere."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping

import pytest

from kwire.coord.group.streams.assignor import GroupSpec, MemberSpec, SubtopologySpec, assign_sticky
from kwire.coord.group.streams.tasks import NOTHING, Tasks

Targets = Mapping[str, Tasks]


def group(
    members: Mapping[str, str], parts: Mapping[str, tuple[int, bool]], copies: int = 0, had: Targets | None = None
) -> GroupSpec:
    """Members with their processes; subtopologies with the number of tasks and whether they have state."""
    return GroupSpec(
        {name: MemberSpec(process, (had or {}).get(name, NOTHING)) for name, process in members.items()},
        {name: SubtopologySpec(*part) for name, part in parts.items()},
        copies,
    )


def size(tasks: Tasks) -> int:
    return sum(map(len, tasks.active.values())) + sum(map(len, tasks.standby.values()))


def check(spec: GroupSpec, targets: Targets) -> None:
    """Every task runs once, copies lie in other processes, as many as there is room for."""
    running: Counter[tuple[str, int]] = Counter()
    places: Counter[tuple[str, str, int]] = Counter()
    copies: Counter[tuple[str, int]] = Counter()
    for member_id, tasks in targets.items():
        process = spec.members[member_id].process_id
        for role, found in ((tasks.active, running), (tasks.standby, copies)):
            for name, numbers in role.items():
                found.update((name, number) for number in numbers)
                places.update((process, name, number) for number in numbers)
    everything = {(name, number) for name, part in spec.subtopologies.items() for number in range(part.task_count)}
    assert set(running) == everything
    assert set(running.values()) <= {1}
    assert set(places.values()) <= {1}
    processes = len({member.process_id for member in spec.members.values()})
    wanted = min(spec.standby_replicas, processes - 1)
    stateful = {task for task in everything if spec.subtopologies[task[0]].is_stateful}
    assert dict(copies) == (dict.fromkeys(stateful, wanted) if wanted else {})


def test_nobody_gets_nothing_to_do() -> None:
    assert assign_sticky(group({}, {"0": (3, False)})) == {}
    assert assign_sticky(group({"a": "p"}, {})) == {"a": NOTHING}
    targets = assign_sticky(group({"a": "p", "b": "q"}, {"0": (1, False)}))
    assert sorted(size(tasks) for tasks in targets.values()) == [0, 1]


def test_tasks_go_round_by_subtopology() -> None:
    targets = assign_sticky(group({"a": "p", "b": "q"}, {"0": (2, False), "1": (2, True)}))
    assert targets == {
        "a": Tasks({"0": frozenset({0}), "1": frozenset({0})}),
        "b": Tasks({"0": frozenset({1}), "1": frozenset({1})}),
    }


def test_threads_of_one_process_count_by_the_process() -> None:
    """Two threads beside one: two thirds of the tasks are theirs, half of them each."""
    targets = assign_sticky(group({"a1": "a", "a2": "a", "b": "b"}, {"0": (6, False)}))
    assert {name: size(tasks) for name, tasks in targets.items()} == {"a1": 2, "a2": 2, "b": 2}


def test_who_had_a_task_keeps_it() -> None:
    parts = {"0": (4, False), "1": (4, True)}
    before = assign_sticky(group({"a": "p", "b": "q"}, parts))
    spec = group({"a": "p", "b": "q", "c": "r"}, parts, had=before)
    after = assign_sticky(spec)
    check(spec, after)
    moved = [
        (name, number)
        for member in ("a", "b")
        for name, numbers in after[member].active.items()
        for number in numbers - before[member].active.get(name, frozenset())
    ]
    assert moved == []
    assert sorted(size(tasks) for tasks in after.values()) == [2, 3, 3]


def test_a_copy_takes_over_what_its_original_leaves() -> None:
    members = {"a": "p", "b": "q", "c": "r"}
    before = assign_sticky(group(members, {"1": (6, True)}, copies=1))
    check(group(members, {"1": (6, True)}, copies=1), before)
    left = {"a": "p", "b": "q"}
    spec = group(left, {"1": (6, True)}, copies=1, had=before)
    after = assign_sticky(spec)
    check(spec, after)
    for orphan in before["c"].active["1"]:
        (holder,) = (member for member in left if orphan in before[member].standby["1"])
        assert orphan in after[holder].active["1"] or len(after[holder].active["1"]) == 3, "it is full"


def test_fewer_processes_than_copies_are_no_error() -> None:
    spec = group({"a1": "a", "a2": "a"}, {"1": (4, True)}, copies=2)
    check(spec, assign_sticky(spec))


@pytest.mark.parametrize("seed", range(60))
def test_any_group_in_any_order(seed: int) -> None:
    rng = random.Random(seed)
    parts = {str(number): (rng.randint(1, 7), rng.random() < 0.6) for number in range(rng.randint(1, 4))}
    had: Targets = {}
    for _ in range(8):
        members = {f"m{number}": f"p{number % rng.randint(1, 6)}" for number in rng.sample(range(9), rng.randint(1, 8))}
        spec = group(members, parts, rng.choice([0, 0, 1, 2]), had)
        targets = assign_sticky(spec)
        check(spec, targets)
        if set(targets) == set(had) and spec.standby_replicas == 0:
            again = assign_sticky(group(members, parts, 0, targets))
            assert again == targets, "nothing moves without a reason"
        had = targets


def test_a_thousand_members_take_no_second() -> None:
    members = {f"m{number}": f"p{number // 4}" for number in range(1000)}
    spec = group(members, {"0": (2000, False), "1": (2000, True)}, 1)
    started = time.process_time()
    targets = assign_sticky(spec)
    assert time.process_time() - started < 2.0
    check(spec, targets)
    assert {size(tasks) for tasks in targets.values()} == {6}
