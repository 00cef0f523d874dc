"""Committed offsets of a group: reading them, and writing them while the group has no members."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kwire.cli.client import Client, RequestFailed, check
from kwire.errors import ErrorCode
from kwire.ids import TopicPartition
from kwire.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kwire.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)

_NEWEST_BY_NAME: Final = 9
_GROUPS_SINCE: Final = 8
_ALL_TOPICS_SINCE: Final = 2


def committed_offsets(
    client: Client, group_id: str, partitions: Iterable[TopicPartition] | None = None
) -> dict[TopicPartition, int]:
    """The committed offset of each partition, -1 for none; all that the group has when `partitions` is None."""
    wanted = None if partitions is None else list(partitions)
    if wanted is not None and not wanted:
        return {}
    return client.retrying(lambda: _fetch_once(client, group_id, wanted))


def _fetch_once(client: Client, group_id: str, partitions: list[TopicPartition] | None) -> dict[TopicPartition, int]:
    numbers: dict[str, list[int]] | None = None
    if partitions is not None:
        numbers = defaultdict(list)
        for tp in partitions:
            numbers[tp.topic].append(tp.partition)
    connection = client.coordinator(group_id)
    version = connection.version(OffsetFetchRequest, _NEWEST_BY_NAME)
    answer: Any = connection.call(_request(group_id, numbers, version), version=version)
    if version >= _GROUPS_SINCE:
        answer = answer.groups[0]
    _check_coordinator(client, group_id, answer.error_code)
    found: dict[TopicPartition, int] = {}
    for topic in answer.topics:
        for partition in topic.partitions:
            check(partition.error_code, None, f"the offset of {topic.name}-{partition.partition_index}")
            found[TopicPartition(topic.name, partition.partition_index)] = partition.committed_offset
    return found


def _request(group_id: str, numbers: Mapping[str, list[int]] | None, version: int) -> OffsetFetchRequest:
    if version >= _GROUPS_SINCE:
        topics = None
        if numbers is not None:
            topics = [OffsetFetchRequestTopics(name=name, partition_indexes=list_) for name, list_ in numbers.items()]
        return OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group_id, topics=topics)])
    old: list[OffsetFetchRequestTopic] | None = None
    if numbers is not None:
        old = [OffsetFetchRequestTopic(name=name, partition_indexes=list_) for name, list_ in numbers.items()]
    elif version < _ALL_TOPICS_SINCE:
        old = []
    return OffsetFetchRequest(group_id=group_id, topics=old)


def commit_offsets(client: Client, group_id: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Write offsets from outside of the group, which the coordinator allows while it has no members.

    Raises RequestFailed.
    """
    topics: dict[str, list[OffsetCommitRequestPartition]] = defaultdict(list)
    for tp, offset in offsets.items():
        topics[tp.topic].append(
            OffsetCommitRequestPartition(partition_index=tp.partition, committed_offset=offset, committed_metadata="")
        )
    request = OffsetCommitRequest(
        group_id=group_id,
        topics=[OffsetCommitRequestTopic(name=name, partitions=entries) for name, entries in topics.items()],
    )

    def once() -> None:
        connection = client.coordinator(group_id)
        answer = connection.call(request, version=connection.version(OffsetCommitRequest, _NEWEST_BY_NAME))
        for topic in answer.topics:
            for partition in topic.partitions:
                _check_coordinator(client, group_id, partition.error_code)

    client.retrying(once)


def _check_coordinator(client: Client, group_id: str, code: int) -> None:
    if code == ErrorCode.UNKNOWN_MEMBER_ID:
        text = f"group {group_id} has members; stop its consumers first"
        raise RequestFailed(ErrorCode.UNKNOWN_MEMBER_ID, text)
    if code in (ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE):
        client.forget_coordinator(group_id)
    check(code, None, f"the offsets of group {group_id}")
