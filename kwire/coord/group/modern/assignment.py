"""Which partitions somebody has: by topic id, as targets and as what is owned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeAlias

Partitions: TypeAlias = Mapping[bytes, frozenset[int]]
"""Partition numbers by topic id, no topic without any: a target, or what a member says it owns. Never altered."""

Owned: TypeAlias = Mapping[bytes, Mapping[int, int]]
"""By topic id and partition number the epoch in which the member got it (KIP-1251). Never altered."""

NOTHING: Partitions = {}
NOTHING_OWNED: Owned = {}


class TopicPartitionsMessage(Protocol):
    """The form in which requests, responses and records name partitions."""

    topic_id: bytes
    partitions: list[int]


def partitions_from(messages: Iterable[TopicPartitionsMessage]) -> dict[bytes, frozenset[int]]:
    """Partitions as a message names them; a topic named twice counts with all its partitions."""
    found: dict[bytes, frozenset[int]] = {}
    for message in messages:
        if message.partitions:
            found[message.topic_id] = found.get(message.topic_id, frozenset()) | frozenset(message.partitions)
    return found


def without_epochs(owned: Owned) -> dict[bytes, frozenset[int]]:
    """The same partitions, their epochs left out."""
    return {topic_id: frozenset(partitions) for topic_id, partitions in owned.items()}


def merged(some: Owned, others: Owned) -> dict[bytes, frozenset[int]]:
    """The partitions of both."""
    found = without_epochs(some)
    for topic_id, partitions in others.items():
        found[topic_id] = found.get(topic_id, frozenset()) | partitions.keys()
    return found


def is_subset(some: Partitions, owned: Owned) -> bool:
    """Whether every partition of `some` is owned."""
    return all(topic_id in owned and owned[topic_id].keys() >= numbers for topic_id, numbers in some.items())


def share_any(some: Partitions, owned: Owned) -> bool:
    """Whether a partition of `some` is owned."""
    return any(not numbers.isdisjoint(owned.get(topic_id, ())) for topic_id, numbers in some.items())
