"""Which topics a topology needs, and how many partitions and tasks that makes (KIP-1071).

A repartition topic has the partitions that the topology fixes, or as many as the widest input of the subtopology that
writes it; topics that are joined are brought to one count; a changelog has one partition per task. What is missing is
to be created, what has another count than it must have is the user's to repair. (apache/kafka `InternalTopicManager`,
`RepartitionTopics`, `CopartitionedTopicsEnforcer`, `ChangelogTopics`.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import IntEnum
from typing import NamedTuple

from kwire.coord.group.modern.topics import TopicDirectory
from kwire.coord.group.streams.topology import Topology, source_topics
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.streams_records import CopartitionGroup, Subtopology, TopicInfo

SHOWN_TOPICS = 3
"""More names than that are only counted where a client is told."""


class Status(IntEnum):
    """What a member is told beside its tasks (apache/kafka `StreamsGroupHeartbeatResponse.Status`)."""

    STALE_TOPOLOGY = 0
    MISSING_SOURCE_TOPICS = 1
    INCORRECTLY_PARTITIONED_TOPICS = 2
    MISSING_INTERNAL_TOPICS = 3
    SHUTDOWN_APPLICATION = 4
    ASSIGNMENT_DELAYED = 5


class Problem(Exception):
    """Why no task can run yet: a status and its text for the members."""

    def __init__(self, status: Status, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class InternalTopic(NamedTuple):
    """A topic that belongs to the application. `replication_factor` -1 is the broker's default."""

    name: str
    partitions: int
    replication_factor: int
    configs: Mapping[str, str]


class ConfiguredSubtopology(NamedTuple):
    """A subtopology over the topics there are."""

    task_count: int
    source_topics: Collection[str]
    repartition_sources: Mapping[str, InternalTopic]
    repartition_sinks: Collection[str]
    changelogs: Mapping[str, InternalTopic]

    @property
    def is_stateful(self) -> bool:
        """Whether a task has state to keep copies of."""
        return bool(self.changelogs)


class ConfiguredTopology(NamedTuple):
    """A topology over the topics there are; with a problem there may be no subtopologies."""

    epoch: int
    subtopologies: Mapping[str, ConfiguredSubtopology]
    missing: Collection[InternalTopic] = ()
    problem: Problem | None = None

    @property
    def is_ready(self) -> bool:
        """Whether its tasks can run."""
        return self.problem is None


def configure(topology: Topology, topics: TopicDirectory) -> ConfiguredTopology:
    """What the topology comes to with these topics. Raises STREAMS_INVALID_TOPOLOGY for one that never works."""
    try:
        counts = _Counts(topology, topics)
        configured = {name: counts.configured(topology.subtopologies[name]) for name in sorted(topology.subtopologies)}
        missing = _missing(configured, topics)
    except Problem as problem:
        return ConfiguredTopology(topology.epoch, {}, problem=problem)
    if not missing:
        return ConfiguredTopology(topology.epoch, configured)
    text = f"Internal topics are missing: {_some_of([topic.name for topic in missing])}"
    return ConfiguredTopology(topology.epoch, configured, missing, Problem(Status.MISSING_INTERNAL_TOPICS, text))


class _Counts:
    """Numbers of partitions: those of the topics there are, and those that are decided for the others."""

    def __init__(self, topology: Topology, topics: TopicDirectory) -> None:
        """Raises Problem, and STREAMS_INVALID_TOPOLOGY."""
        self._parts = list(topology.subtopologies.values())
        self._topics = topics
        self._decided: dict[str, int] = {}
        self._need_source_topics()
        self._decide_repartition_topics()
        self._bring_together()
        for part in self._parts:
            self._decided.update({info.name: self._widest_input(part) for info in part.state_changelog_topics})

    def of(self, name: str) -> int | None:
        """The topic's partitions; what exists goes before what was decided."""
        known = self._topics.topics.get(name)
        return self._decided.get(name) if known is None else len(known.partitions)

    def _need_source_topics(self) -> None:
        missing = {name for part in self._parts for name in part.source_topics if name not in self._topics.topics}
        if missing:
            text = f"Source topics {_some_of(sorted(missing))} are missing."
            raise Problem(Status.MISSING_SOURCE_TOPICS, text)

    # Repartition topics

    def _decide_repartition_topics(self) -> None:
        """Fixed counts first; the others follow from subtopologies whose inputs are known, round by round."""
        decided: dict[str, int] = {}
        for part in self._parts:
            decided.update({info.name: info.partitions for info in part.repartition_source_topics if info.partitions})
        open_sinks = [
            (part, name) for part in self._parts for name in part.repartition_sink_topics if name not in decided
        ]
        while open_sinks:
            left = []
            for part, name in open_sinks:
                count = self._widest_known_input(part, decided)
                if name in decided:
                    continue
                if count is None:
                    left.append((part, name))
                else:
                    decided[name] = count
            if len(left) == len(open_sinks):
                raise _invalid("The topology has a loop: numbers of partitions of repartition topics are undefined.")
            open_sinks = left
        for part in self._parts:
            if any(info.name not in decided for info in part.repartition_source_topics):
                raise _invalid("A repartition topic is read that nothing writes to.")
        self._decided.update(decided)

    def _widest_known_input(self, part: Subtopology, decided: Mapping[str, int]) -> int | None:
        known = [decided[info.name] for info in part.repartition_source_topics if info.name in decided]
        known += [count for name in part.source_topics if (count := self.of(name)) is not None]
        return max(known, default=None)

    # Topics that are joined

    def _bring_together(self) -> None:
        infos = [info for part in self._parts for info in part.repartition_source_topics]
        fixed = {info.name for info in infos if info.partitions}
        flexible = {info.name for info in infos if not info.partitions}
        for part in self._parts:
            for group in part.copartition_groups:
                names = _names_of(group, part)
                if names:
                    self._enforce(names, fixed, flexible)

    def _enforce(self, names: set[str], fixed: set[str], flexible: set[str]) -> None:
        """All topics of one group get the same count, or there is a problem."""
        counts = {name: self._needed(name) for name in sorted(names)}
        internal = {name: count for name, count in counts.items() if name in fixed or name in flexible}
        external = {name: count for name, count in counts.items() if name not in internal}
        if external:
            count = _same(external, external)
        elif fixed:
            count = _same({name: self._needed(name) for name in sorted(fixed)}, internal)
        else:
            count = max(internal.values())
        for name, own_count in internal.items():
            if name in fixed and own_count != count:
                text = (
                    f"Number of partitions [{own_count}] of repartition topic [{name}] doesn't match number of "
                    f"partitions [{count}] of the source topic."
                )
                raise Problem(Status.INCORRECTLY_PARTITIONED_TOPICS, text)
            self._decided[name] = count

    def _needed(self, name: str) -> int:
        count = self.of(name)
        if count is None:
            raise _invalid(f"The number of partitions of topic {name} is undefined.")
        return count

    # Tasks

    def _widest_input(self, part: Subtopology) -> int:
        counts = [self._needed(name) for name in source_topics(part)]
        if not counts:
            raise _invalid(f"No source topics found for subtopology {part.subtopology_id}")
        return max(counts)

    def configured(self, part: Subtopology) -> ConfiguredSubtopology:
        """The subtopology over these counts."""
        return ConfiguredSubtopology(
            self._widest_input(part),
            sorted(set(part.source_topics)),
            {info.name: self._internal(info) for info in part.repartition_source_topics},
            sorted(set(part.repartition_sink_topics)),
            {info.name: self._internal(info) for info in part.state_changelog_topics},
        )

    def _internal(self, info: TopicInfo) -> InternalTopic:
        partitions = info.partitions or self._decided[info.name]
        if partitions < 1:
            raise _invalid(f"Topic {info.name} cannot have {partitions} partitions.")
        configs = {config.key: config.value for config in info.topic_configs}
        return InternalTopic(info.name, partitions, info.replication_factor or -1, configs)


def _names_of(group: CopartitionGroup, part: Subtopology) -> set[str]:
    return {
        *(part.source_topics[index] for index in group.source_topics),
        *(part.repartition_source_topics[index].name for index in group.repartition_source_topics),
    }


def _same(counts: Mapping[str, int], shown: Mapping[str, int]) -> int:
    first, *others = counts.values()
    if any(count != first for count in others):
        text = ", ".join(f"{name}={count}" for name, count in sorted(shown.items()))
        raise Problem(
            Status.INCORRECTLY_PARTITIONED_TOPICS,
            f"Following topics do not have the same number of partitions: [{{{text}}}]",
        )
    return first


def _missing(configured: Mapping[str, ConfiguredSubtopology], topics: TopicDirectory) -> list[InternalTopic]:
    """The internal topics that are to be created. Raises Problem for one that exists with another count."""
    needed = {
        topic.name: topic
        for part in configured.values()
        for topic in (*part.repartition_sources.values(), *part.changelogs.values())
    }
    for name, topic in sorted(needed.items()):
        known = topics.topics.get(name)
        if known is not None and len(known.partitions) != topic.partitions:
            text = (
                f"Existing topic {name} has different number of partitions: expected {topic.partitions}, "
                f"found {len(known.partitions)}"
            )
            raise Problem(Status.INCORRECTLY_PARTITIONED_TOPICS, text)
    return [topic for name, topic in sorted(needed.items()) if name not in topics.topics]


def _some_of(names: list[str]) -> str:
    rest = len(names) - SHOWN_TOPICS
    shown = ", ".join(names[:SHOWN_TOPICS])
    return f"{shown} and {rest} additional topics" if rest > 0 else shown


def _invalid(text: str) -> KafkaError:
    return KafkaError(ErrorCode.STREAMS_INVALID_TOPOLOGY, text)
