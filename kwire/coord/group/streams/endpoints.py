"""Which partitions are found behind which endpoint of an application: what its queries are routed by (KIP-1071)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kwire.coord.group.modern.topics import TopicDirectory
from kwire.coord.group.streams.group import StreamsGroup
from kwire.coord.group.streams.internal_topics import ConfiguredSubtopology
from kwire.coord.group.streams.member import StreamsMember
from kwire.coord.group.streams.tasks import TaskMap
from kwire.wire.messages.streams_group_heartbeat import (
    EndpointToPartitions,
    StreamsGroupHeartbeatResponseEndpoint,
    TopicPartition,
)


def partitions_by_endpoint(
    group: StreamsGroup, updated: StreamsMember, topics: TopicDirectory
) -> list[EndpointToPartitions]:
    """The input partitions of the tasks of all members that have an endpoint; `updated` is one as it is now."""
    subtopologies = {} if group.configured is None else group.configured.subtopologies
    found = []
    for member in (*(other for name, other in group.members.items() if name != updated.member_id), updated):
        if member.said.endpoint is None:
            continue
        host, port = member.said.endpoint
        tasks = member.has.assigned.without_epochs()
        found.append(
            EndpointToPartitions(
                user_endpoint=StreamsGroupHeartbeatResponseEndpoint(host=host, port=port),
                active_partitions=_inputs(tasks.active, subtopologies, topics),
                standby_partitions=_inputs(tasks.standby, subtopologies, topics),
            )
        )
    return found


def _inputs(
    tasks: TaskMap, subtopologies: Mapping[str, ConfiguredSubtopology], topics: TopicDirectory
) -> list[TopicPartition]:
    found = []
    for name, numbers in sorted(tasks.items()):
        part = subtopologies.get(name)
        sources: Iterable[str] = () if part is None else {*part.source_topics, *part.repartition_sources}
        for topic in sorted(sources):
            known = topics.topics.get(topic)
            count = 0 if known is None else len(known.partitions)
            partitions = [number for number in sorted(numbers) if number < count]
            if partitions:
                found.append(TopicPartition(topic=topic, partitions=partitions))
    return found
