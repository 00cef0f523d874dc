"""The server-side assignors: what every target must hold, and examples with their exact outcome."""

from __future__ import annotations

import random

import pytest

from kwire.coord.group.modern.assignment import Partitions
from kwire.coord.group.modern.assignor import Assignor, GroupSpec, MemberSpec
from kwire.coord.group.modern.range_assignor import assign_range
from kwire.coord.group.modern.uniform import assign_homogeneous, assign_uniform
from kwire.coord.group.modern.uniform_heterogeneous import assign_heterogeneous

T, U, V = b"t" * 16, b"u" * 16, b"v" * 16


def spec(
    subscriptions: dict[str, set[bytes]],
    counts: dict[bytes, int],
    targets: dict[str, Partitions] | None = None,
    instances: dict[str, str] | None = None,
) -> GroupSpec:
    members = {
        member_id: MemberSpec((instances or {}).get(member_id), frozenset(topics), (targets or {}).get(member_id, {}))
        for member_id, topics in subscriptions.items()
    }
    return GroupSpec(members, counts, len({member.subscribed for member in members.values()}) <= 1)


def sizes(targets: dict[str, Partitions]) -> dict[str, int]:
    return {member_id: sum(map(len, target.values())) for member_id, target in targets.items()}


def moved(before: dict[str, Partitions], after: dict[str, Partitions]) -> int:
    """Partitions that somebody had and somebody else has now."""

    def owners(targets: dict[str, Partitions]) -> dict[tuple[bytes, int], str]:
        return {(t, p): m for m, target in targets.items() for t, partitions in target.items() for p in partitions}

    had, has = owners(before), owners(after)
    return sum(1 for partition, member in has.items() if partition in had and had[partition] != member)


def assert_complete(group: GroupSpec, targets: dict[str, Partitions]) -> None:
    """Every partition that somebody subscribes to has one owner, and that one subscribes to its topic."""
    seen: set[tuple[bytes, int]] = set()
    for member_id, target in targets.items():
        for topic_id, partitions in target.items():
            assert partitions, "no topic without partitions"
            assert topic_id in group.members[member_id].subscribed
            for partition in partitions:
                assert (topic_id, partition) not in seen
                seen.add((topic_id, partition))
    subscribed = frozenset().union(*(member.subscribed for member in group.members.values()))
    assert seen == {(t, p) for t in subscribed for p in range(group.partition_counts[t])}


@pytest.mark.parametrize("assignor", [assign_range, assign_uniform])
def test_nobody_and_nothing(assignor: Assignor) -> None:
    assert assignor(spec({}, {})) == {}
    assert not any(assignor(spec({"a": set()}, {})).values())


def test_range_gives_runs_in_the_order_of_instances_then_members() -> None:
    group = spec({"z": {T, U}, "b": {T, U}, "a": {T}}, {T: 5, U: 2}, instances={"z": "i"})
    assert assign_range(group) == {
        "z": {T: frozenset({0, 1}), U: frozenset({0})},
        "a": {T: frozenset({2, 3})},
        "b": {T: frozenset({4}), U: frozenset({1})},
    }


def test_uniform_is_sticky_when_somebody_comes_and_goes() -> None:
    one = assign_uniform(spec({"a": {T}}, {T: 6}))
    two = assign_uniform(spec({"a": {T}, "b": {T}}, {T: 6}, one))
    assert two == {"a": {T: frozenset({0, 1, 2})}, "b": {T: frozenset({3, 4, 5})}}
    three = assign_uniform(spec({"a": {T}, "b": {T}, "c": {T}}, {T: 6}, two))
    assert sizes(three) == {"a": 2, "b": 2, "c": 2}
    assert moved(two, three) == 2
    back = assign_uniform(spec({"a": {T}, "c": {T}}, {T: 6}, three))
    assert sizes(back) == {"a": 3, "c": 3}
    assert moved(three, back) == 2  # Those of the member that left, nobody else's.


def test_uniform_does_not_move_an_extra_partition() -> None:
    targets: dict[str, Partitions] = {"a": {T: frozenset({0})}, "b": {T: frozenset({1, 2})}}
    assert assign_uniform(spec({"a": {T}, "b": {T}}, {T: 3}, targets)) == targets
    more = assign_uniform(spec({"a": {T}, "b": {T}}, {T: 4}, targets))
    assert more == {"a": {T: frozenset({0, 3})}, "b": {T: frozenset({1, 2})}}


def test_different_subscriptions_are_balanced_as_far_as_they_go() -> None:
    group = spec({"a": {T}, "b": {T, U}, "c": {U}}, {T: 2, U: 4})
    targets = assign_uniform(group)
    assert_complete(group, targets)
    assert sizes(targets) == {"a": 2, "b": 2, "c": 2}


@pytest.mark.parametrize("seed", range(60))
def test_properties(seed: int) -> None:
    rng = random.Random(seed)
    topics = [bytes([number]) * 16 for number in range(rng.randint(1, 5))]
    counts = {topic: rng.randint(1, 9) for topic in topics}
    names = [f"m{number}" for number in range(rng.randint(1, 7))]
    homogeneous = rng.random() < 0.5
    targets: dict[str, Partitions] = {}
    for _ in range(6):
        everybody = set(rng.sample(topics, rng.randint(1, len(topics))))
        subscriptions = {
            name: everybody if homogeneous else set(rng.sample(topics, rng.randint(1, len(topics)))) for name in names
        }
        group = spec(subscriptions, counts, targets)
        for assignor in (assign_range, assign_heterogeneous, assign_homogeneous if homogeneous else assign_uniform):
            after = assignor(group)
            assert_complete(group, after)
            again = spec(subscriptions, counts, after)
            if assignor is not assign_range:
                assert moved(after, assignor(again)) == 0, "what is balanced stays"
            if homogeneous and assignor is not assign_range:
                assert max(sizes(after).values()) - min(sizes(after).values()) <= 1
        targets = after
        counts = {topic: count + rng.choice([0, 0, 1]) for topic, count in counts.items()}
        if rng.random() < 0.5 and len(names) > 1:
            names.remove(rng.choice(names))
        else:
            names.append(f"n{rng.randrange(10**6)}")
        targets = {name: target for name, target in targets.items() if name in names}


def test_no_topic_is_out_of_balance_among_its_subscribers() -> None:
    for seed in range(40):
        rng = random.Random(seed)
        topics = [bytes([number]) * 16 for number in range(4)]
        counts = {topic: rng.randint(1, 12) for topic in topics}
        subscriptions = {f"m{n}": set(rng.sample(topics, rng.randint(1, 4))) for n in range(6)}
        group = spec(subscriptions, counts)
        targets = assign_heterogeneous(group)
        loads = sizes(targets)
        for member_id, target in targets.items():
            for topic_id in target:
                others = [loads[other] for other, wants in subscriptions.items() if topic_id in wants]
                assert loads[member_id] - min(others) <= 1, "a partition of this topic could still move"


def test_ten_thousand_members() -> None:
    members = {f"m{number:05}": {T, U} for number in range(10_000)}
    group = spec(members, {T: 9000, U: 3000})
    for assignor in (assign_uniform, assign_range, assign_heterogeneous):
        targets = assignor(group)
        assert_complete(group, targets)
    assert max(sizes(assign_uniform(group)).values()) == 2
