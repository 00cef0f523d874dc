"""What a server-side assignor is given and what it gives: pure functions, in the same process (KIP-848)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from kwire.coord.group.modern.assignment import Partitions
from kwire.named_tuple import NamedTuple


class MemberSpec(NamedTuple):
    """One member: the topics that it may get partitions of (all exist), and the target it has so far."""

    instance_id: str | None
    subscribed: frozenset[bytes]
    assigned: Partitions


class GroupSpec(NamedTuple):
    """A group to be assigned: members by id, and the number of partitions of every topic that one subscribes to.

    `is_homogeneous`: all members subscribe to the same topics.
    """

    members: Mapping[str, MemberSpec]
    partition_counts: Mapping[bytes, int]
    is_homogeneous: bool


Assignor: TypeAlias = Callable[[GroupSpec], dict[str, Partitions]]
"""The new target of every member. A member may be left out if it gets nothing."""
