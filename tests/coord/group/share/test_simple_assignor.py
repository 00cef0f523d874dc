"""The `simple` assignor: everything is shared, evenly, and with as few moves as that allows."""

from __future__ import annotations

import random
import time

import pytest

from kwire.coord.group.modern.assignment import Partitions
from kwire.coord.group.modern.assignor import GroupSpec, MemberSpec
from kwire.coord.group.share.simple_assignor import assign_simple

T, U = b"t" * 16, b"u" * 16


def spec(members: dict[str, Partitions], subscribed: frozenset[bytes] = frozenset({T})) -> GroupSpec:
    return GroupSpec({name: MemberSpec(None, subscribed, has) for name, has in members.items()}, {}, True)


def test_more_members_than_partitions() -> None:
    targets = assign_simple(spec({name: {} for name in "abcde"}), {T: range(2)})
    # Five members need three places at each of two partitions, so that one of them has both.
    assert sorted(len(target[T]) for target in targets.values()) == [1, 1, 1, 1, 2]
    assert [sum(partition in target[T] for target in targets.values()) for partition in range(2)] == [3, 3]


def test_fewer_members_than_partitions() -> None:
    targets = assign_simple(spec({"a": {}, "b": {}}), {T: range(5)})
    assert sorted(len(target[T]) for target in targets.values()) == [2, 3]
    assert targets["a"][T] | targets["b"][T] == set(range(5))


def test_only_what_may_be_assigned() -> None:
    targets = assign_simple(spec({"a": {T: frozenset({0, 7}), U: frozenset({0})}}), {T: [0, 2]})
    assert targets == {"a": {T: {0, 2}}}
    assert assign_simple(spec({"a": {}}), {}) == {"a": {}}
    assert assign_simple(GroupSpec({}, {}, True), {T: [0]}) == {}


def test_who_has_something_keeps_it() -> None:
    before = {"a": {T: frozenset({0, 1})}, "b": {T: frozenset({2, 3})}}
    targets = assign_simple(spec({**before, "c": {}}), {T: range(4)})
    assert targets["a"][T] <= before["a"][T]
    assert targets["b"][T] <= before["b"][T]
    assert len(targets["c"][T]) == 1


def test_members_with_different_topics() -> None:
    members = {
        "a": MemberSpec(None, frozenset({T}), {}),
        "b": MemberSpec(None, frozenset({T, U}), {}),
        "c": MemberSpec(None, frozenset({U}), {T: frozenset({0})}),
    }
    targets = assign_simple(GroupSpec(members, {}, False), {T: range(2), U: range(2)})
    assert targets["a"].keys() == {T}
    assert targets["c"].keys() == {U}
    for topic_id in (T, U):
        assert frozenset().union(*(target.get(topic_id, frozenset()) for target in targets.values())) == {0, 1}


@pytest.mark.parametrize("seed", range(50))
def test_balance_and_rest(seed: int) -> None:
    """Loads differ by one at most, and what is balanced already stays as it is."""
    rng = random.Random(seed)
    assignable = {T: range(rng.randint(1, 8)), U: range(rng.randint(1, 8))}
    members: dict[str, Partitions] = {f"m{index}": {} for index in range(rng.randint(1, 12))}
    both = frozenset({T, U})
    targets = assign_simple(spec(members, both), assignable)
    for _ in range(3):
        loads = [sum(map(len, target.values())) for target in targets.values()]
        assert max(loads) - min(loads) <= 1
        places = {(topic_id, p) for target in targets.values() for topic_id, ps in target.items() for p in ps}
        assert places == {(topic_id, p) for topic_id, ps in assignable.items() for p in ps}
        assert assign_simple(spec(targets, both), assignable) == targets
        gone = rng.choice(list(targets))
        kept = {name: target for name, target in targets.items() if name != gone}
        targets = assign_simple(spec({**kept, f"new{gone}": {}}, both), assignable)


def test_ten_thousand_members() -> None:
    began = time.perf_counter()
    targets = assign_simple(spec({f"m{index}": {} for index in range(10_000)}), {T: range(100)})
    assert all(len(target[T]) == 1 for target in targets.values())
    assert time.perf_counter() - began < 5
