"""What StreamsGroupDescribe shows of Streams groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kwire.coord.group.streams.group import StreamsGroup
from kwire.coord.group.streams.internal_topics import ConfiguredTopology, InternalTopic
from kwire.coord.group.streams.member import StreamsMember
from kwire.coord.group.streams.tasks import TaskMap, Tasks
from kwire.coord.group.streams.topology import Topology
from kwire.errors import ErrorCode
from kwire.wire.messages import streams_group_describe as wire
from kwire.wire.messages.streams_records import TopicInfo


def describe_streams_group(group_id: str, group: StreamsGroup | None, reason: str | None) -> wire.DescribedGroup:
    """One group; without it GROUP_ID_NOT_FOUND and the `reason`.

    Internal topics are shown with the partitions that they have once they all exist, as the application asked for them
    until then.
    """
    if group is None:
        return describe_failure(group_id, ErrorCode.GROUP_ID_NOT_FOUND, reason or f"Group {group_id} not found.")
    configured = group.configured
    topology = None
    if configured is not None and configured.is_ready:
        topology = _describe_configured(configured)
    elif group.topology is not None:
        topology = _describe_topology(group.topology)
    return wire.DescribedGroup(
        error_code=ErrorCode.NONE,
        group_id=group_id,
        group_state=group.state,
        group_epoch=group.group_epoch,
        assignment_epoch=group.assignment_epoch,
        topology=topology,
        members=[_describe_member(member, group.target_of(member.member_id)) for member in group.members.values()],
    )


def describe_failure(group_id: str, code: ErrorCode, message: str | None = None) -> wire.DescribedGroup:
    """A group about which nothing can be said."""
    return wire.DescribedGroup(
        error_code=code,
        error_message=message,
        group_id=group_id,
        group_state="",
        group_epoch=0,
        assignment_epoch=0,
        members=[],
    )


def _describe_configured(configured: ConfiguredTopology) -> wire.Topology:
    def infos(topics: Mapping[str, InternalTopic]) -> list[wire.TopicInfo]:
        return [
            wire.TopicInfo(
                name=topic.name,
                partitions=topic.partitions,
                replication_factor=max(topic.replication_factor, 0),
                topic_configs=_key_values(topic.configs.items()),
            )
            for _, topic in sorted(topics.items())
        ]

    return wire.Topology(
        epoch=configured.epoch,
        subtopologies=[
            wire.Subtopology(
                subtopology_id=name,
                source_topics=list(part.source_topics),
                repartition_sink_topics=list(part.repartition_sinks),
                state_changelog_topics=infos(part.changelogs),
                repartition_source_topics=infos(part.repartition_sources),
            )
            for name, part in configured.subtopologies.items()
        ],
    )


def _describe_topology(topology: Topology) -> wire.Topology:
    def infos(topics: Iterable[TopicInfo]) -> list[wire.TopicInfo]:
        return [
            wire.TopicInfo(
                name=info.name,
                partitions=info.partitions,
                replication_factor=info.replication_factor,
                topic_configs=_key_values((config.key, config.value) for config in info.topic_configs),
            )
            for info in sorted(topics, key=lambda info: info.name)
        ]

    return wire.Topology(
        epoch=topology.epoch,
        subtopologies=[
            wire.Subtopology(
                subtopology_id=name,
                source_topics=sorted(part.source_topics),
                repartition_sink_topics=sorted(part.repartition_sink_topics),
                state_changelog_topics=infos(part.state_changelog_topics),
                repartition_source_topics=infos(part.repartition_source_topics),
            )
            for name, part in sorted(topology.subtopologies.items())
        ],
    )


def _describe_member(member: StreamsMember, target: Tasks) -> wire.Member:
    said = member.said
    endpoint = said.endpoint
    return wire.Member(
        member_id=member.member_id,
        member_epoch=member.member_epoch,
        instance_id=said.instance_id,
        rack_id=said.rack_id,
        client_id=said.client_id,
        client_host=said.client_host,
        topology_epoch=said.topology_epoch,
        process_id=said.process_id,
        user_endpoint=None if endpoint is None else wire.Endpoint(host=endpoint[0], port=endpoint[1]),
        client_tags=_key_values(said.client_tags),
        task_offsets=[],
        task_end_offsets=[],
        assignment=_describe_tasks(member.has.assigned.without_epochs()),
        target_assignment=_describe_tasks(target),
        is_classic=False,
    )


def _describe_tasks(tasks: Tasks) -> wire.Assignment:
    def messages(part: TaskMap) -> list[wire.TaskIds]:
        return [wire.TaskIds(subtopology_id=name, partitions=sorted(numbers)) for name, numbers in sorted(part.items())]

    return wire.Assignment(
        active_tasks=messages(tasks.active),
        standby_tasks=messages(tasks.standby),
        warmup_tasks=messages(tasks.warmup),
    )


def _key_values(pairs: Iterable[tuple[str, str]]) -> list[wire.KeyValue]:
    return [wire.KeyValue(key=key, value=value) for key, value in pairs]
