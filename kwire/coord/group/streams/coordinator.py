"""The group coordinator's methods for Streams groups, as the API handlers see them (KIP-1071).

As in `kwire.coord.group.coordinator`: a response or a future of it, errors in the response.
"""

from __future__ import annotations

from kwire.coord.decision import Decision, ReplyKey
from kwire.coord.group.coordinator import GroupCoordinator
from kwire.coord.group.shard import GroupShard
from kwire.coord.group.states import GroupState
from kwire.coord.group.streams.group import STREAMS_GROUP_TYPE, StreamsGroup
from kwire.coord.group.streams.groups import HeartbeatResult, StreamsGroups, heartbeat_refused
from kwire.coord.group.streams.heartbeat_checks import check_heartbeat
from kwire.coord.group.streams.inspection import describe_failure, describe_streams_group
from kwire.coord.group.streams.member import JOIN_EPOCH, Requester
from kwire.coord.partitioning import partitions_of
from kwire.coord.runtime import Answer, when_all
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.group_records import GroupMetadataKey
from kwire.wire.messages.streams_group_describe import DescribedGroup
from kwire.wire.messages.streams_group_heartbeat import StreamsGroupHeartbeatRequest


def streams_group_heartbeat(
    coordinator: GroupCoordinator, request: StreamsGroupHeartbeatRequest, requester: Requester
) -> Answer[HeartbeatResult]:
    """StreamsGroupHeartbeat: what `check_heartbeat` and `decide_heartbeat` name."""
    try:
        check_heartbeat(request)
    except KafkaError as error:
        return HeartbeatResult(heartbeat_refused(error))
    return coordinator.runtime.perform(
        coordinator.partition_for(request.group_id),
        lambda shard, key, now_ms: decide_heartbeat(shard, request, requester, key, now_ms),
        lambda code: HeartbeatResult(heartbeat_refused(KafkaError(code))),
    )


def describe_streams_groups(coordinator: GroupCoordinator, group_ids: list[str]) -> Answer[list[DescribedGroup]]:
    """StreamsGroupDescribe: each group once; INVALID_GROUP_ID, GROUP_ID_NOT_FOUND."""

    def describe(partition: int, ids: list[str]) -> Answer[list[DescribedGroup]]:
        return coordinator.runtime.read(
            partition,
            lambda shard, now_ms: [describe_group(shard, group_id) for group_id in ids],
            lambda code: [describe_failure(group_id, code) for group_id in ids],
        )

    nameless = [describe_failure(name, ErrorCode.INVALID_GROUP_ID) for name in group_ids if not name]
    named = partitions_of((name for name in group_ids if name), coordinator.partition_for)
    answers = [describe(partition, ids) for partition, ids in named.items()]
    return when_all(answers, lambda parts: nameless[:1] + [group for part in parts for group in part])


def streams_groups(shard: GroupShard) -> StreamsGroups:
    """The Streams groups of a shard."""
    kind = shard.kinds.kind(STREAMS_GROUP_TYPE)
    assert isinstance(kind, StreamsGroups)
    return kind


def decide_heartbeat(
    shard: GroupShard, request: StreamsGroupHeartbeatRequest, requester: Requester, key: ReplyKey, now_ms: int
) -> Decision:
    """See `StreamsGroups.heartbeat` for the errors in the answer, and GROUP_ID_NOT_FOUND.

    A group comes to be with its first member, and takes the place of an empty classic group.
    """
    out = Decision()
    try:
        group = _group(shard, request, out)
        out.reply(key, streams_groups(shard).heartbeat(group, request, requester, now_ms, out))
    except KafkaError as error:
        out = Decision()
        out.reply(key, HeartbeatResult(heartbeat_refused(error)))
    return out


def describe_group(shard: GroupShard, group_id: str) -> DescribedGroup:
    """See `describe_streams_group`; GROUP_ID_NOT_FOUND for groups of another kind, too."""
    group = streams_groups(shard).groups.get(group_id)
    is_other = group is None and _is_of_another_kind(shard, group_id)
    return describe_streams_group(group_id, group, f"Group {group_id} is not a streams group." if is_other else None)


def _group(shard: GroupShard, request: StreamsGroupHeartbeatRequest, out: Decision) -> StreamsGroup:
    group_id = request.group_id
    group = streams_groups(shard).groups.get(group_id)
    if group is not None:
        return group
    classic = shard.groups.get(group_id)
    joins = request.member_epoch == JOIN_EPOCH
    if joins and classic is not None and classic.state is GroupState.EMPTY:
        out.record(GroupMetadataKey(group=group_id), None)
    elif _is_of_another_kind(shard, group_id):
        raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} is not a streams group.")
    elif not joins:
        kind = "Streams group" if request.member_epoch > JOIN_EPOCH else "Group"
        raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, f"{kind} {group_id} not found.")
    return StreamsGroup(group_id)


def _is_of_another_kind(shard: GroupShard, group_id: str) -> bool:
    kinds = shard.kinds
    return group_id in shard.groups or group_id in shard.consumer.groups or kinds.of_group(group_id) is not None
