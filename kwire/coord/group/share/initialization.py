"""How the states of a group's partitions come to be, and go: the three stages of record type 15.

A partition that a member subscribes to is first `initializing`, in the log of groups, then the persister is asked to
make its state, then it is `initialized` and may be assigned. Deleting goes through `deleting` in the same way. Whatever
fails in between is found again: initialising is tried anew after `group.share.initialize.retry.interval.ms`, deleting
when somebody asks again. (apache/kafka `GroupMetadataManager`.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from kwire.coord.group.modern.topics import Topic, TopicDirectory
from kwire.coord.group.share.records import StateStages, TopicStates

UNKNOWN_NAME = "<UNKNOWN>"


StartOffsets: TypeAlias = Mapping[bytes, Mapping[int, int]]
"""By topic id and partition; -1 lets the leader choose."""


class InitializeOrder(NamedTuple):
    """The persister is to make these states."""

    group_id: str
    state_epoch: int
    start_offsets: StartOffsets


def missing_states(
    stages: StateStages, names: Iterable[str], topics: TopicDirectory, *, tries_again: bool
) -> dict[bytes, TopicStates]:
    """Partitions of these topics that have no state, nor are about to get it, unless it is time to try again."""
    missing = {}
    for name in names:
        topic = topics.topics.get(name)
        if topic is None:
            continue
        known: frozenset[int] = frozenset()
        if topic.topic_id in stages.initialized:
            known = stages.initialized[topic.topic_id].partitions
        under_way = stages.initializing.get(topic.topic_id)
        if under_way is not None and not tries_again:
            known |= under_way.partitions
        if len(known) < len(topic.partitions):
            partitions = frozenset(range(len(topic.partitions))) - known
            missing[topic.topic_id] = TopicStates(name, partitions)
    return missing


def with_initializing(stages: StateStages, begun: Mapping[bytes, TopicStates]) -> StateStages:
    """The stages once these are to be initialised; what was being deleted is so no more."""
    initializing = _merged(stages.initializing, begun)
    deleting = {topic_id: name for topic_id, name in stages.deleting.items() if topic_id not in initializing}
    return StateStages(initializing, stages.initialized, deleting)


def under_way(stages: StateStages, ordered: StartOffsets) -> StartOffsets:
    """What of an order is still to be initialised."""
    found = {
        topic_id: {partition: start for partition, start in offsets.items() if partition in states.partitions}
        for topic_id, offsets in ordered.items()
        if (states := stages.initializing.get(topic_id)) is not None
    }
    return {topic_id: offsets for topic_id, offsets in found.items() if offsets}


def with_initialized(stages: StateStages, made: Mapping[bytes, Iterable[int]], topics: TopicDirectory) -> StateStages:
    """The stages once the persister has made these states."""
    found = {
        topic_id: TopicStates(_name(topics.topic_by_id(topic_id)), frozenset(partitions))
        for topic_id, partitions in made.items()
    }
    return StateStages(_without(stages.initializing, found), _merged(stages.initialized, found), dict(stages.deleting))


def without_initializing(stages: StateStages, failed: Mapping[bytes, Iterable[int]]) -> StateStages:
    """The stages once the persister could not make these states."""
    gone = {topic_id: TopicStates("", frozenset(partitions)) for topic_id, partitions in failed.items()}
    return stages._replace(initializing=_without(stages.initializing, gone))


def states_to_delete(stages: StateStages, topics: TopicDirectory) -> dict[bytes, TopicStates]:
    """All states that a group may have: those that were to be deleted before, too. With a topic its states are gone."""
    found = _merged(stages.initializing, stages.initialized)
    for topic_id in stages.deleting:
        topic = topics.topic_by_id(topic_id)
        if topic is not None:
            every = TopicStates(topic.name, frozenset(range(len(topic.partitions))))
            found = _merged(found, {topic_id: every})
    return {topic_id: states for topic_id, states in found.items() if topics.topic_by_id(topic_id) is not None}


def without_topics(stages: StateStages, gone: Iterable[bytes]) -> StateStages:
    """The stages without these topics, whatever became of their states."""
    doomed = set(gone)
    return StateStages(
        *({key: value for key, value in stage.items() if key not in doomed} for stage in stages)  # type: ignore[arg-type]  # each stage keeps its own type
    )


def _merged(some: Mapping[bytes, TopicStates], others: Mapping[bytes, TopicStates]) -> dict[bytes, TopicStates]:
    merged = dict(some)
    for topic_id, topic in others.items():
        known = merged.get(topic_id)
        merged[topic_id] = topic if known is None else topic._replace(partitions=known.partitions | topic.partitions)
    return merged


def _without(some: Mapping[bytes, TopicStates], gone: Mapping[bytes, TopicStates]) -> dict[bytes, TopicStates]:
    left = {}
    for topic_id, topic in some.items():
        partitions = topic.partitions - (gone[topic_id].partitions if topic_id in gone else frozenset())
        if partitions:
            left[topic_id] = topic._replace(partitions=partitions)
    return left


def _name(topic: Topic | None) -> str:
    return UNKNOWN_NAME if topic is None else topic.name
