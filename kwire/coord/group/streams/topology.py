"""The topology that the members of a Streams group run, as the first of them described it (KIP-1071).

It is kept in the form of its record, which is hard state; what it means for the topics there are is `internal_topics`.
"""

from __future__ import annotations

from collections.abc import Iterator

from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages import streams_records as wire
from kwire.wire.messages.streams_group_heartbeat import TopicInfo
from kwire.wire.messages.streams_group_heartbeat import Topology as TopologyMessage


class Topology:
    """A topology of an epoch: subtopologies by id, and which of them reads a topic. Never altered."""

    __slots__ = ("epoch", "readers", "record", "subtopologies")

    def __init__(self, record: wire.StreamsGroupTopologyValue) -> None:
        self.record = record
        self.epoch = record.epoch
        self.subtopologies = {part.subtopology_id: part for part in record.subtopologies}
        self.readers: dict[str, str] = {
            topic: part.subtopology_id for part in record.subtopologies for topic in source_topics(part)
        }

    def __eq__(self, other: object) -> bool:
        """Whether both are the same, in whatever order their subtopologies come."""
        if not isinstance(other, Topology):
            return NotImplemented
        return self.epoch == other.epoch and self.subtopologies == other.subtopologies

    __hash__ = None  # type: ignore[assignment]  # It holds messages, which can be altered.

    def required_topics(self) -> set[str]:
        """Everything that has to exist before the first task can run, but for what is only written to."""
        return {
            topic
            for part in self.subtopologies.values()
            for topic in (*source_topics(part), *(info.name for info in part.state_changelog_topics))
        }


def source_topics(part: wire.Subtopology) -> Iterator[str]:
    """What a subtopology reads: topics of others, then its repartition topics."""
    yield from part.source_topics
    for info in part.repartition_source_topics:
        yield info.name


def topology_of(message: TopologyMessage) -> Topology:
    """The topology of a heartbeat.

    Raises STREAMS_INVALID_TOPOLOGY for what cannot be kept: a negative epoch, a subtopology that occurs twice, indexes
    in a group of co-partitioned topics that point nowhere.
    """
    if message.epoch < 0:
        raise _invalid(f"Topology epoch {message.epoch} is negative.")
    record = wire.StreamsGroupTopologyValue(
        epoch=message.epoch,
        subtopologies=[
            wire.Subtopology(
                subtopology_id=part.subtopology_id,
                source_topics=list(part.source_topics),
                source_topic_regex=list(part.source_topic_regex),
                state_changelog_topics=[_topic_info(info) for info in part.state_changelog_topics],
                repartition_sink_topics=list(part.repartition_sink_topics),
                repartition_source_topics=[_topic_info(info) for info in part.repartition_source_topics],
                copartition_groups=[
                    wire.CopartitionGroup(
                        source_topics=list(group.source_topics),
                        source_topic_regex=list(group.source_topic_regex),
                        repartition_source_topics=list(group.repartition_source_topics),
                    )
                    for group in part.copartition_groups
                ],
            )
            for part in message.subtopologies
        ],
    )
    for part in record.subtopologies:
        _check_indexes(part)
    topology = Topology(record)
    if len(topology.subtopologies) != len(record.subtopologies):
        raise _invalid("A subtopology occurs more than once.")
    return topology


def _topic_info(info: TopicInfo) -> wire.TopicInfo:
    return wire.TopicInfo(
        name=info.name,
        partitions=info.partitions,
        replication_factor=info.replication_factor,
        topic_configs=[wire.TopicConfig(key=config.key, value=config.value) for config in info.topic_configs],
    )


def _check_indexes(part: wire.Subtopology) -> None:
    for group in part.copartition_groups:
        for indexes, topics in (
            (group.source_topics, len(part.source_topics)),
            (group.repartition_source_topics, len(part.repartition_source_topics)),
        ):
            if any(not 0 <= index < topics for index in indexes):
                text = f"Subtopology {part.subtopology_id} co-partitions a topic that it does not have."
                raise _invalid(text)


def _invalid(text: str) -> KafkaError:
    return KafkaError(ErrorCode.STREAMS_INVALID_TOPOLOGY, text)
