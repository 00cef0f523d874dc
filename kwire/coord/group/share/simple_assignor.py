"""The `simple` assignor of share groups: every partition is shared by about the same number of members.

With more members than partitions several have the same one; with fewer, each has several. Balance goes before
stickiness: everybody keeps what it has, up to its share. Members that all subscribe to the same topics share these as
one pool, others topic by topic. (KIP-932; apache/kafka `SimpleAssignor`, whose choice among equals depends on the order
of Java's hash maps; here it is the order of the names.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from kwire.coord.group.modern.assignment import Partitions
from kwire.coord.group.modern.assignor import GroupSpec

Place = tuple[bytes, int]
"""A topic id and a partition number."""


def assign_simple(group: GroupSpec, assignable: Mapping[bytes, Iterable[int]]) -> dict[str, Partitions]:
    """The target of every member, from the partitions that may be assigned at all."""
    targets: dict[str, set[Place]] = {member_id: set() for member_id in group.members}
    if group.is_homogeneous:
        subscribed = next(iter(group.members.values())).subscribed if group.members else frozenset()
        _share_out(_pool(subscribed, assignable), list(group.members), group, targets)
    else:
        subscribers: dict[bytes, list[str]] = {}
        for member_id, member in group.members.items():
            for topic_id in member.subscribed:
                subscribers.setdefault(topic_id, []).append(member_id)
        for topic_id in sorted(subscribers):
            _share_out(_pool([topic_id], assignable), subscribers[topic_id], group, targets)
    return {member_id: _by_topic(places) for member_id, places in targets.items()}


def _pool(topic_ids: Iterable[bytes], assignable: Mapping[bytes, Iterable[int]]) -> list[Place]:
    return [
        (topic_id, partition) for topic_id in sorted(topic_ids) for partition in sorted(assignable.get(topic_id, ()))
    ]


def _by_topic(places: Iterable[Place]) -> dict[bytes, frozenset[int]]:
    found: dict[bytes, set[int]] = {}
    for topic_id, partition in places:
        found.setdefault(topic_id, set()).add(partition)
    return {topic_id: frozenset(partitions) for topic_id, partitions in found.items()}


def _share_out(pool: Sequence[Place], members: Sequence[str], group: GroupSpec, targets: dict[str, set[Place]]) -> None:
    """Give each partition of the pool to as many of the members as it takes to serve them all."""
    if not pool or not members:
        return
    sharing = -(-len(members) // len(pool))
    shares = _shares(sharing * len(pool), len(members))
    holders: dict[Place, int] = dict.fromkeys(pool, 0)
    unfilled: deque[tuple[str, int]] = deque()
    for member_id, share in zip(members, shares, strict=True):
        kept = 0
        for topic_id, partitions in sorted(group.members[member_id].assigned.items()):
            for partition in sorted(partitions):
                place = (topic_id, partition)
                if kept < share and holders.get(place, sharing) < sharing:
                    holders[place] += 1
                    targets[member_id].add(place)
                    kept += 1
        if kept < share:
            unfilled.append((member_id, share - kept))
    for place in pool:
        passed: list[tuple[str, int]] = []
        while holders[place] < sharing and unfilled:
            member_id, room = unfilled.popleft()
            if place in targets[member_id]:
                passed.append((member_id, room))
                continue
            targets[member_id].add(place)
            holders[place] += 1
            if room > 1:
                unfilled.append((member_id, room - 1))
        unfilled.extendleft(reversed(passed))


def _shares(total: int, count: int) -> list[int]:
    """How many partitions each member gets: `total` in as equal parts as can be."""
    return [-(-total * (place + 1) // count) - -(-total * place // count) for place in range(count)]
