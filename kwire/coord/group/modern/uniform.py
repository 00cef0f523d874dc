"""The `uniform` assignor: balance first, then stickiness (KIP-848; apache/kafka `UniformAssignor`)."""

from __future__ import annotations

from kwire.coord.group.modern.assignment import Partitions
from kwire.coord.group.modern.assignor import GroupSpec
from kwire.coord.group.modern.uniform_heterogeneous import assign_heterogeneous

TopicIdPartition = tuple[bytes, int]


def assign_uniform(group: GroupSpec) -> dict[str, Partitions]:
    """The target of every member: nobody has two partitions more than another who could take one of them."""
    if not group.members:
        return {}
    return assign_homogeneous(group) if group.is_homogeneous else assign_heterogeneous(group)


def assign_homogeneous(group: GroupSpec) -> dict[str, Partitions]:
    """All members subscribe to the same topics, so that a quota per member says it all.

    Each keeps what it has up to its quota; what is left over and what nobody has fills up the others
    (apache/kafka `UniformHomogeneousAssignmentBuilder`).
    """
    subscribed = next(iter(group.members.values())).subscribed
    if not subscribed:
        return {}
    unassigned = _nobodys_partitions(group, subscribed)
    total = sum(group.partition_counts[topic_id] for topic_id in subscribed)
    quota, extra_members = divmod(total, len(group.members))
    targets: dict[str, Partitions] = {}
    unfilled: list[tuple[str, int]] = []
    members_left = len(group.members)
    for member_id, member in group.members.items():
        may_have_extra = extra_members > 0
        left = quota + may_have_extra
        kept: dict[bytes, frozenset[int]] = {}
        for topic_id, partitions in member.assigned.items():
            if topic_id not in subscribed:
                continue
            if len(partitions) > left:
                ordered = sorted(partitions)
                unassigned += [(topic_id, partition) for partition in ordered[left:]]
                partitions = frozenset(ordered[:left])
            if partitions:
                kept[topic_id] = partitions
            left -= len(partitions)
        if left and may_have_extra and members_left > extra_members:
            # Others may have use for the extra partition without a move; only the last ones must take it.
            left -= 1
            may_have_extra = False
        if left:
            unfilled.append((member_id, left))
        extra_members -= may_have_extra
        members_left -= 1
        targets[member_id] = kept
    _fill_up(targets, unfilled, unassigned)
    return targets


def _nobodys_partitions(group: GroupSpec, subscribed: frozenset[bytes]) -> list[TopicIdPartition]:
    """What no member's target holds, by topic and number."""
    assigned: dict[bytes, set[int]] = {topic_id: set() for topic_id in subscribed}
    for member in group.members.values():
        for topic_id, partitions in member.assigned.items():
            if topic_id in assigned:
                assigned[topic_id] |= partitions
    return [
        (topic_id, partition)
        for topic_id in sorted(subscribed)
        for partition in range(group.partition_counts[topic_id])
        if partition not in assigned[topic_id]
    ]


def _fill_up(
    targets: dict[str, Partitions], unfilled: list[tuple[str, int]], unassigned: list[TopicIdPartition]
) -> None:
    start = 0
    for member_id, room in unfilled:
        given = unassigned[start : start + room]
        start += room
        if not given:
            return
        target = dict(targets[member_id])
        added: dict[bytes, set[int]] = {}
        for topic_id, partition in given:
            added.setdefault(topic_id, set()).add(partition)
        for topic_id, partitions in added.items():
            target[topic_id] = target.get(topic_id, frozenset()) | partitions
        targets[member_id] = target
