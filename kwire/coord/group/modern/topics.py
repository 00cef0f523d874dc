"""The cluster's topics as a group coordinator needs them: names, ids, sizes, racks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Protocol


class Topic(Protocol):
    """One topic; `partitions` is one entry per partition, by number."""

    @property
    def name(self) -> str: ...

    @property
    def topic_id(self) -> bytes: ...

    @property
    def partitions(self) -> Sequence[object]: ...


class TopicDirectory(Protocol):
    """All topics as this broker knows them now.

    `topics_version` grows with every change of a topic or of the brokers' racks; `new_topics_version` is what it was
    when the newest topic appeared.
    """

    @property
    def topics(self) -> Mapping[str, Topic]: ...

    @property
    def topics_version(self) -> int: ...

    @property
    def new_topics_version(self) -> int: ...

    def topic_by_id(self, topic_id: bytes) -> Topic | None:
        """The topic of this id, None if there is none (any more)."""
        ...

    def partition_racks(self, topic: str) -> Sequence[Sequence[str]]:
        """For each partition the racks of its replicas, sorted; brokers without a rack left out."""
        ...


class NoTopics:
    """A cluster without topics."""

    topics: Mapping[str, Topic] = {}
    topics_version = 0
    new_topics_version = 0

    def topic_by_id(self, topic_id: bytes) -> Topic | None:
        """None."""
        return None

    def partition_racks(self, topic: str) -> Sequence[Sequence[str]]:
        """Nothing."""
        return []


def ids_of(names: Iterable[str], topics: TopicDirectory) -> frozenset[bytes]:
    """The ids of those of the topics that exist."""
    known = topics.topics
    return frozenset(topic.topic_id for name in names if (topic := known.get(name)) is not None)


def metadata_hash(names: Iterable[str], topics: TopicDirectory) -> int:
    """What a group's subscription depends on, as 64 bits: ids, partition counts and racks of the topics that exist.

    0 if none exists. A group whose stored hash differs from today's needs a new assignment (KIP-1101). Only equality
    counts; Apache Kafka uses another function, so that a group that changes brokers is assigned once more.
    """
    digest = blake2b(digest_size=8)
    known = topics.topics
    is_empty = True
    for name in sorted(names):
        topic = known.get(name)
        if topic is None:
            continue
        is_empty = False
        digest.update(topic.topic_id)
        racks = [list(partition) for partition in topics.partition_racks(name)]
        digest.update(repr((name, len(topic.partitions), racks)).encode())
    return 0 if is_empty else int.from_bytes(digest.digest(), signed=True)
