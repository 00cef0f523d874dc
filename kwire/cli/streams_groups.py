"""Streams groups (KIP-1071) for `kwire group describe`: members with their tasks and the partitions that those read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from kwire.cli.client import Client, check
from kwire.cli.groups import DescribedGroup, Member
from kwire.errors import ErrorCode
from kwire.ids import TopicPartition
from kwire.wire.messages.streams_group_describe import StreamsGroupDescribeRequest

STREAMS_PROTOCOL: Final = "streams"
STREAMS_GROUP_DESCRIBE: Final = 89


def describe_streams_group(client: Client, group_id: str) -> DescribedGroup | None:
    """The group, None if it is of another kind or there is none. Raises RequestFailed."""
    connection = client.coordinator(group_id)
    if STREAMS_GROUP_DESCRIBE not in connection.versions:
        return None
    request = StreamsGroupDescribeRequest(group_ids=[group_id], include_authorized_operations=False)
    (group,) = connection.call(request).groups
    # UNSUPPORTED_VERSION is the answer of a broker whose `group.coordinator.rebalance.protocols` lack them.
    if group.error_code in (ErrorCode.GROUP_ID_NOT_FOUND, ErrorCode.UNSUPPORTED_VERSION):
        return None
    check(group.error_code, group.error_message, f"group {group_id}")
    inputs = _inputs(group.topology)
    sizes = {
        name: len(topic.partitions)
        for name, topic in client.cluster({name for names in inputs.values() for name in names}).topics.items()
    }
    members = [
        Member(
            member.member_id,
            member.instance_id,
            member.client_id,
            member.client_host,
            [
                TopicPartition(topic, number)
                for part in member.assignment.active_tasks
                for topic in inputs.get(part.subtopology_id, ())
                for number in part.partitions
                if number < sizes.get(topic, 0)
            ],
            _tasks(member.assignment),
        )
        for member in group.members
    ]
    return DescribedGroup(group_id, group.group_state, STREAMS_PROTOCOL, "", connection.address, members)


def _inputs(topology: Any) -> dict[str, list[str]]:
    """The topics that each subtopology reads."""
    return {
        part.subtopology_id: [*part.source_topics, *(topic.name for topic in part.repartition_source_topics)]
        for part in (topology.subtopologies if topology is not None else None) or ()
    }


def _tasks(assignment: Any) -> str:
    """`tasks 0_0 1_2, copies 1_0`, as Kafka Streams names tasks in its own logs."""
    active, standby = (" ".join(_names(tasks)) for tasks in (assignment.active_tasks, assignment.standby_tasks))
    return f"tasks {active or 'none'}" + (f", copies {standby}" if standby else "")


def _names(tasks: Iterable[Any]) -> Iterator[str]:
    for part in tasks:
        for number in part.partitions:
            yield f"{part.subtopology_id}_{number}"
