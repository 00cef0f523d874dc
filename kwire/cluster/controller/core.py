"""The controller's decisions: pure functions of the cluster's images and an event; no clock, no I/O, no randomness.

A decision is the answers to who asked and the changes to make. `driver` writes the changes, then shows them; nothing
here remembers anything but the deletions under way, so that a decision that could not be written leaves no trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from kwire.cluster.controller.changes import (
    Change,
    PartitionsAdded,
    PartitionsChanged,
    TopicCreated,
    TopicDeleted,
    TopicDeletionQueued,
)
from kwire.cluster.controller.election import after_broker_change
from kwire.cluster.controller.placement import place_replicas
from kwire.cluster.controller.validation import (
    NAME_MUST_NOT_BE_THE_METADATA_LOG,
    PARTITION_COUNT_MUST_BE_BOUNDED,
    PARTITION_COUNT_MUST_BE_POSITIVE,
    REPLICATION_FACTOR_MUST_BE_POSITIVE,
    assignment_must_be_whole,
    check_topic_name,
    collision_key,
    name_must_not_collide,
    replicas_must_be_known_brokers,
)
from kwire.cluster.metadata_cache import BrokerImage, MetadataCache, PartitionImage, TopicImage
from kwire.config.topic_config import validate_topic_overrides
from kwire.errors import ErrorCode, KafkaError
from kwire.named_tuple import NamedTuple


class Entropy(Protocol):
    """The randomness that decisions need, handed in."""

    def topic_id(self) -> bytes:
        """16 raw bytes that no other topic has."""
        ...

    def below(self, bound: int) -> int:
        """A number from 0 to `bound` - 1."""
        ...


class TopicDefaults(NamedTuple):
    """What a creation without numbers gets: `num.partitions`, `default.replication.factor`.

    `factor_is_lowered` has a replication factor above the number of brokers mean that number.
    """

    partition_count: int
    replication_factor: int
    factor_is_lowered: bool = False


class NewTopic(NamedTuple):
    """A topic to be created. Counts of -1 are the defaults; `assignments` (partition, replicas) excludes both."""

    name: str
    partition_count: int = -1
    replication_factor: int = -1
    assignments: Sequence[tuple[int, Sequence[int]]] = ()
    overrides: Mapping[str, str | None] = {}


class TopicResult(NamedTuple):
    """The answer for one topic: `topic` is its image (as it would be, when only validated), or `error` says why not."""

    name: str
    error: KafkaError | None
    topic: TopicImage | None = None


class NewPartitions(NamedTuple):
    """Grow a topic to `total_count` partitions; `assignments` gives each new one's replicas, None has them placed."""

    name: str
    total_count: int
    assignments: Sequence[Sequence[int]] | None = None


class Decision(NamedTuple):
    """One result per distinct name asked for, in order, and the changes that make them true."""

    results: list[TopicResult]
    changes: list[Change]


class ControllerCore:
    """Decides over the images in `cluster`; whoever asks must let no change come between question and effect."""

    def __init__(self, cluster: MetadataCache) -> None:
        self.cluster = cluster
        self.deleting: dict[str, TopicImage | None] = {}
        """Topics queued for deletion whose replicas may not all be gone yet; set by `driver` alone."""

    def create_topics(self, topics: Sequence[NewTopic], defaults: TopicDefaults, entropy: Entropy) -> Decision:
        """Each name is decided by itself; one that occurs twice is refused with INVALID_REQUEST."""
        decision = Decision([], [])
        total_count = sum(_partition_count(topic, defaults) for topic in topics)
        if not PARTITION_COUNT_MUST_BE_BOUNDED.holds(total_count):
            return _refuse_all([topic.name for topic in topics], total_count)
        collision_keys: dict[str, str] | None = None
        repeated = _repeated([topic.name for topic in topics])
        for new in {topic.name: topic for topic in topics}.values():
            try:
                if new.name in repeated:
                    raise _named_twice(new.name)
                if collision_keys is None and ("." in new.name or "_" in new.name):
                    collision_keys = {collision_key(name): name for name in self.cluster.topics}
                image = self._new_topic(new, defaults, entropy, collision_keys)
            except KafkaError as error:
                decision.results.append(TopicResult(new.name, error))
                continue
            if collision_keys is not None:
                collision_keys[collision_key(new.name)] = new.name
            decision.results.append(TopicResult(new.name, None, image))
            decision.changes.append(TopicCreated(image))
        return decision

    def create_partitions(self, topics: Sequence[NewPartitions]) -> Decision:
        """Each name is decided by itself; one that occurs twice is refused with INVALID_REQUEST."""
        decision = Decision([], [])
        total_count = sum(topic.total_count - self.cluster.partition_count(topic.name) for topic in topics)
        if not PARTITION_COUNT_MUST_BE_BOUNDED.holds(total_count):
            return _refuse_all([topic.name for topic in topics], total_count)
        repeated = _repeated([topic.name for topic in topics])
        for new in {topic.name: topic for topic in topics}.values():
            try:
                if new.name in repeated:
                    raise _named_twice(new.name)
                change = self._new_partitions(new)
            except KafkaError as error:
                decision.results.append(TopicResult(new.name, error))
                continue
            decision.results.append(TopicResult(new.name, None, change.topic.with_partitions(change.added)))
            decision.changes.append(change)
        return decision

    def delete_topics(self, names: Sequence[str], topic_ids: Mapping[str, bytes] | None = None) -> Decision:
        """Queue deletions; `topic_stopped` finishes each. Unknown names get UNKNOWN_TOPIC_OR_PARTITION, and those that
        `topic_ids` has another id for than the topic UNKNOWN_TOPIC_ID: it was a topic before this one that was meant.
        """
        decision = Decision([], [])
        for name in dict.fromkeys(names):
            image = self.cluster.topics.get(name)
            topic_id = topic_ids.get(name) if topic_ids else None
            if topic_id is not None and (image is None or image.topic_id != topic_id):
                error = KafkaError(ErrorCode.UNKNOWN_TOPIC_ID, "There is no topic of this id any more.")
                decision.results.append(TopicResult(name, error))
                continue
            if image is None:
                error = KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no topic '{name}'.")
                decision.results.append(TopicResult(name, error))
                continue
            decision.results.append(TopicResult(name, None, image))
            decision.changes.append(TopicDeletionQueued(name))
        return decision

    def topic_stopped(self, name: str) -> list[Change]:
        """No broker holds a replica of a queued topic any more."""
        return [TopicDeleted(name, self.deleting[name])]

    def brokers_changed(self, live: Iterable[BrokerImage], *, unclean_by_default: bool) -> list[Change]:
        """What becomes of all partitions when these are the live brokers."""
        ids = {broker.id for broker in live}
        changes: list[Change] = []
        for topic in self.cluster.topics.values():
            unclean = topic.overrides.get("unclean.leader.election.enable")
            allowed = unclean_by_default if unclean is None else unclean.strip().lower() == "true"
            changed = [
                after
                for partition in topic.partitions
                if (after := after_broker_change(partition, ids, unclean_allowed=allowed)) is not None
            ]
            if changed:
                changes.append(PartitionsChanged(topic, changed))
        return changes

    def _new_topic(
        self, new: NewTopic, defaults: TopicDefaults, entropy: Entropy, collision_keys: Mapping[str, str] | None
    ) -> TopicImage:
        """Raises KafkaError with the first reason, in Kafka's order: name, existence, settings, numbers."""
        NAME_MUST_NOT_BE_THE_METADATA_LOG.check(new.name)
        check_topic_name(new.name)
        if new.name in self.cluster.topics:
            raise KafkaError(ErrorCode.TOPIC_ALREADY_EXISTS, f"The topic '{new.name}' exists already.")
        if new.name in self.deleting:
            raise KafkaError(ErrorCode.TOPIC_ALREADY_EXISTS, f"The topic '{new.name}' is still being deleted.")
        if collision_keys is not None:
            name_must_not_collide(new.name, collision_keys)
        validate_topic_overrides(new.overrides)
        if new.assignments:
            replicas = self._assigned(new)
        else:
            REPLICATION_FACTOR_MUST_BE_POSITIVE.check(new.replication_factor)
            PARTITION_COUNT_MUST_BE_POSITIVE.check(new.partition_count)
            count = defaults.partition_count if new.partition_count == -1 else new.partition_count
            factor = defaults.replication_factor if new.replication_factor == -1 else new.replication_factor
            bound = max(len(self.cluster.brokers), 1)
            if defaults.factor_is_lowered:
                factor = min(factor, bound)
            replicas = place_replicas(
                self._racks(), count, factor, start_index=entropy.below(bound), shift=entropy.below(bound)
            )
        overrides = {name: value for name, value in new.overrides.items() if value is not None}
        partitions = [self._first_state(index, brokers) for index, brokers in enumerate(replicas)]
        return TopicImage(new.name, entropy.topic_id(), partitions, overrides)

    def _assigned(self, new: NewTopic) -> list[list[int]]:
        if new.partition_count != -1 or new.replication_factor != -1:
            raise KafkaError(
                ErrorCode.INVALID_REQUEST,
                "With a manual assignment, the number of partitions and the replication factor must be -1.",
            )
        replicas = assignment_must_be_whole(new.assignments)
        for brokers in replicas:
            replicas_must_be_known_brokers(brokers, self.cluster.brokers, len(replicas[0]))
        return replicas

    def _new_partitions(self, new: NewPartitions) -> PartitionsAdded:
        topic = self.cluster.topics.get(new.name)
        if topic is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no topic '{new.name}'.")
        current_count = len(topic.partitions)
        if new.total_count <= current_count:
            raise KafkaError(
                ErrorCode.INVALID_PARTITIONS,
                f"The topic '{new.name}' has {current_count} partitions; it cannot be given {new.total_count}.",
            )
        added_count = new.total_count - current_count
        factor = len(topic.partitions[0].replicas)
        if new.assignments is None:
            # The leaders go on round the brokers from where partition 0 began (`AdminZkClient.addPartitions`).
            brokers_before = [broker for broker in self.cluster.brokers if broker < topic.partitions[0].replicas[0]]
            start = len(brokers_before)
            replicas = place_replicas(
                self._racks(), added_count, factor, start_index=start, shift=start, first_partition=current_count
            )
        else:
            if len(new.assignments) != added_count:
                raise KafkaError(
                    ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                    f"{added_count} partitions are to be added, but {len(new.assignments)} are assigned.",
                )
            for brokers in new.assignments:
                replicas_must_be_known_brokers(brokers, self.cluster.brokers, factor)
            replicas = [list(brokers) for brokers in new.assignments]
        added = [self._first_state(current_count + index, brokers) for index, brokers in enumerate(replicas)]
        return PartitionsAdded(topic, added)

    def _racks(self) -> dict[int, str | None]:
        return {broker.id: broker.rack for broker in self.cluster.brokers.values()}

    def _first_state(self, index: int, replicas: list[int]) -> PartitionImage:
        """A new partition: led by its first live replica, all live replicas in sync, epochs 0."""
        live = [replica for replica in replicas if replica in self.cluster.brokers]
        return PartitionImage(index, live[0], 0, replicas, live, 0)


def _repeated(names: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    repeated: set[str] = set()
    for name in names:
        (repeated if name in seen else seen).add(name)
    return repeated


def _named_twice(name: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_REQUEST, f"The topic '{name}' is named twice in the request.")


def _partition_count(topic: NewTopic, defaults: TopicDefaults) -> int:
    if topic.assignments:
        return len(topic.assignments)
    return defaults.partition_count if topic.partition_count == -1 else max(topic.partition_count, 0)


def _refuse_all(names: Iterable[str], total_count: int) -> Decision:
    """Too much is asked as a whole: nothing of it is done."""
    error = KafkaError(PARTITION_COUNT_MUST_BE_BOUNDED.code, PARTITION_COUNT_MUST_BE_BOUNDED.text.format(total_count))
    return Decision([TopicResult(name, error) for name in dict.fromkeys(names)], [])
