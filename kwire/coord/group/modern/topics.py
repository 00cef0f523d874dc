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


class SubscribedIds:
    """The ids of those of some topics that exist, asked for one by one.

    A subscription may match 100,000 topics where the member has partitions of three.
    """

    __slots__ = ("_names", "_topics")

    def __init__(self, names: frozenset[str], topics: TopicDirectory) -> None:
        self._names = names
        self._topics = topics

    def __contains__(self, topic_id: object) -> bool:
        assert isinstance(topic_id, bytes)
        topic = self._topics.topic_by_id(topic_id)
        return topic is not None and topic.name in self._names


class MetadataHashes:
    """Hashes of what groups' subscriptions depend on: ids, partition counts and racks of topics (KIP-1101).

    A group whose stored hash differs from today's needs a new assignment. Only equality counts; Apache Kafka uses
    another function, so that a group that changes brokers is assigned once more. Hashes of single topics are kept until
    a topic changes: a crowd that joins a group asks for them again and again.
    """

    __slots__ = ("_by_topic", "_topics", "_version")

    def __init__(self, topics: TopicDirectory) -> None:
        self._topics = topics
        self._version = -1
        self._by_topic: dict[str, bytes] = {}

    def of(self, names: Iterable[str]) -> int:
        """64 bits for these topics, 0 if none of them exists."""
        if self._version != self._topics.topics_version:
            self._version = self._topics.topics_version
            self._by_topic.clear()
        known = self._topics.topics
        digests = [self._of_topic(known[name]) for name in sorted(names) if name in known]
        return int.from_bytes(blake2b(b"".join(digests), digest_size=8).digest(), signed=True) if digests else 0

    def _of_topic(self, topic: Topic) -> bytes:
        digest = self._by_topic.get(topic.name)
        if digest is None:
            racks = [list(partition) for partition in self._topics.partition_racks(topic.name)]
            text = repr((topic.topic_id, topic.name, len(topic.partitions), racks))
            digest = self._by_topic[topic.name] = blake2b(text.encode(), digest_size=8).digest()
        return digest
