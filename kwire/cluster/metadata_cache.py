"""What this broker knows of the cluster: brokers, topics, partitions. Read by every request, written by the controller.

Images are values: a change replaces the whole `TopicImage`, so that a reader may keep one across an await, and so that
a response built from an image stays right for as long as the image is the current one (see `TopicImage.derived`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kwire.cluster.znodes import NO_LEADER
from kwire.config.endpoints import Endpoint
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import ZERO_UUID

INTERNAL_TOPICS = frozenset({"__consumer_offsets", "__share_group_state", "__transaction_state"})
"""Topics that clients are told are internal (apache/kafka `Topic.INTERNAL_TOPICS`)."""


class BrokerImage:
    """A live broker. `epoch` is the czxid of its registration; `endpoints` is by listener name."""

    __slots__ = ("endpoints", "epoch", "id", "rack")

    def __init__(self, id: int, endpoints: Iterable[Endpoint], rack: str | None, epoch: int) -> None:
        self.id = id
        self.endpoints: dict[str, Endpoint] = {endpoint.listener_name: endpoint for endpoint in endpoints}
        self.rack = rack
        self.epoch = epoch

    def __repr__(self) -> str:
        return f"BrokerImage({self.id}, {list(self.endpoints.values())}, rack={self.rack}, epoch={self.epoch})"


class PartitionImage:
    """One partition. `leader` is -1 if nobody leads it; `partition_epoch` is the data version of its state znode."""

    __slots__ = ("index", "isr", "leader", "leader_epoch", "partition_epoch", "replicas")

    def __init__(
        self, index: int, leader: int, leader_epoch: int, replicas: list[int], isr: list[int], partition_epoch: int
    ) -> None:
        self.index = index
        self.leader = leader
        self.leader_epoch = leader_epoch
        self.replicas = replicas
        self.isr = isr
        self.partition_epoch = partition_epoch

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PartitionImage):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # equal by fields, and those may change while it is being built

    def __repr__(self) -> str:
        return (
            f"PartitionImage({self.index}, leader={self.leader}, leader_epoch={self.leader_epoch}, "
            f"replicas={self.replicas}, isr={self.isr}, partition_epoch={self.partition_epoch})"
        )


class TopicImage:
    """One topic: `partitions` by index, `overrides` its own settings.

    `derived` is scratch room for readers who build something from the image and want to find it again; it dies with
    the image. Its key names the reader and whatever else the derived value depends on.
    """

    __slots__ = ("derived", "is_internal", "name", "overrides", "partitions", "topic_id")

    def __init__(
        self, name: str, topic_id: bytes, partitions: list[PartitionImage], overrides: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.partitions = partitions
        self.is_internal = name in INTERNAL_TOPICS
        self.overrides: dict[str, str] = dict(overrides or {})
        self.derived: dict[object, Any] = {}

    def with_partitions(self, changed: Iterable[PartitionImage]) -> TopicImage:
        """A copy in which `changed` stand in the place of the partitions of the same index, new ones at the end."""
        partitions = list(self.partitions)
        for partition in changed:
            if partition.index < len(partitions):
                partitions[partition.index] = partition
            else:
                assert partition.index == len(partitions), "partitions are numbered without gaps"
                partitions.append(partition)
        return TopicImage(self.name, self.topic_id, partitions, self.overrides)

    def with_overrides(self, overrides: Mapping[str, str]) -> TopicImage:
        """A copy with other settings."""
        return TopicImage(self.name, self.topic_id, self.partitions, overrides)

    def __repr__(self) -> str:
        return f"TopicImage({self.name!r}, {self.partitions!r}, {self.overrides!r})"


_NO_OVERRIDES: Mapping[str, str] = {}


class MetadataCache:
    """The current images. `generation` grows with every change of the set of live brokers.

    `topics_version` grows with every change of a topic or of the brokers; `new_topics_version` is what it was when the
    newest topic appeared.
    """

    def __init__(self) -> None:
        self.cluster_id = ""
        self.controller_id = NO_LEADER
        self.brokers: dict[int, BrokerImage] = {}
        self.topics: dict[str, TopicImage] = {}
        self.topic_names: dict[bytes, str] = {}
        self.group_overrides: dict[str, dict[str, str]] = {}
        self.generation = 0
        self.topics_version = 0
        self.new_topics_version = 0

    def set_brokers(self, brokers: Iterable[BrokerImage]) -> None:
        """These are the live brokers now."""
        self.brokers = {broker.id: broker for broker in sorted(brokers, key=lambda broker: broker.id)}
        self.generation += 1
        self.topics_version += 1

    def put_topic(self, image: TopicImage) -> None:
        """A topic is new or has changed."""
        self.topics_version += 1
        if image.name not in self.topics:
            self.new_topics_version = self.topics_version
        self.topics[image.name] = image
        if image.topic_id != ZERO_UUID:
            self.topic_names[image.topic_id] = image.name

    def remove_topic(self, name: str) -> None:
        """A topic is gone; nothing happens if it was not known."""
        image = self.topics.pop(name, None)
        if image is not None:
            self.topic_names.pop(image.topic_id, None)
            self.topics_version += 1

    def group_overrides_of(self, group_id: str) -> Mapping[str, str]:
        """A group's own settings; empty for most."""
        return self.group_overrides.get(group_id, _NO_OVERRIDES)

    def topic_by_id(self, topic_id: bytes) -> TopicImage | None:
        """The topic of this id, if there is one."""
        name = self.topic_names.get(topic_id)
        return None if name is None else self.topics.get(name)

    def partition_racks(self, topic: str) -> list[list[str]]:
        """For each partition the racks of its live replicas, sorted; brokers without a rack left out."""
        image = self.topics.get(topic)
        return [
            sorted(
                rack
                for replica in partition.replicas
                if (broker := self.brokers.get(replica)) is not None and (rack := broker.rack) is not None
            )
            for partition in ([] if image is None else image.partitions)
        ]

    def partition(self, topic: str, index: int) -> PartitionImage:
        """Raises UNKNOWN_TOPIC_OR_PARTITION."""
        image = self.topics.get(topic)
        if image is None or not 0 <= index < len(image.partitions):
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        return image.partitions[index]

    def partition_count(self, topic: str) -> int:
        """0 if there is no such topic."""
        image = self.topics.get(topic)
        return 0 if image is None else len(image.partitions)

    def offline_replicas(self, partition: PartitionImage) -> list[int]:
        """The replicas whose broker is not alive."""
        brokers = self.brokers
        return [replica for replica in partition.replicas if replica not in brokers]
