"""The `range` assignor: of every topic each subscriber gets one run of neighbouring partitions.

Members are ordered by instance id, those without one behind by member id, so that topics of equal size are assigned
alike and can be joined (apache/kafka `RangeAssignor`). Who is in which place decides; what somebody had does not.
"""

from __future__ import annotations

from kwire.coord.group.modern.assignment import Partitions
from kwire.coord.group.modern.assignor import GroupSpec


def assign_range(group: GroupSpec) -> dict[str, Partitions]:
    """The target of every member."""
    order = sorted(
        group.members,
        key=lambda member_id: (
            group.members[member_id].instance_id is None,
            group.members[member_id].instance_id or member_id,
        ),
    )
    subscribers: dict[bytes, list[str]] = {}
    for member_id in order:
        for topic_id in group.members[member_id].subscribed:
            subscribers.setdefault(topic_id, []).append(member_id)
    targets: dict[str, dict[bytes, frozenset[int]]] = {member_id: {} for member_id in order}
    for topic_id, members in subscribers.items():
        quota, extra = divmod(group.partition_counts[topic_id], len(members))
        start = 0
        for place, member_id in enumerate(members):
            end = start + quota + (place < extra)
            if start < end:
                targets[member_id][topic_id] = frozenset(range(start, end))
            start = end
    return dict(targets)
