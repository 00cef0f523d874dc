"""What a StreamsGroupHeartbeat must look like, whatever group it is for (apache/kafka `GroupCoordinatorService`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kwire.coord.group.streams.internal_topics import ConfiguredTopology
from kwire.coord.group.streams.member import JOIN_EPOCH, LEAVE_STATIC_EPOCH, StreamsMember
from kwire.coord.group.streams.tasks import Tasks, is_subset, tasks_from
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.streams_group_heartbeat import StreamsGroupHeartbeatRequest


def check_heartbeat(request: StreamsGroupHeartbeatRequest) -> None:
    """Raises INVALID_REQUEST with the first thing that is wrong, STREAMS_INVALID_TOPOLOGY.

    What Apache Kafka 4.3 does not take yet is not taken here either: static members, offsets of tasks, warm-up tasks
    that a member has, regular expressions as sources.
    """
    text = _unsupported(request) or _malformed(request)
    if text is not None:
        raise KafkaError(ErrorCode.INVALID_REQUEST, text)
    if request.member_epoch == JOIN_EPOCH and request.topology is not None:
        for part in request.topology.subtopologies:
            for info in part.state_changelog_topics:
                if info.partitions:
                    raise KafkaError(
                        ErrorCode.STREAMS_INVALID_TOPOLOGY,
                        f"Changelog topic {info.name} must have an undefined partition count, "
                        f"but it is set to {info.partitions}.",
                    )


def _unsupported(request: StreamsGroupHeartbeatRequest) -> str | None:
    if request.instance_id is not None:
        return "Static membership is not yet supported."
    if request.task_offsets is not None:
        return "TaskOffsets are not supported yet."
    if request.task_end_offsets is not None:
        return "TaskEndOffsets are not supported yet."
    if request.warmup_tasks:
        return "WarmupTasks are not supported yet."
    if request.topology is not None and any(part.source_topic_regex for part in request.topology.subtopologies):
        return "Regular expressions for source topics are not supported yet."
    return None


def _malformed(request: StreamsGroupHeartbeatRequest) -> str | None:
    for name, value in (("MemberId", request.member_id), ("GroupId", request.group_id), ("RackId", request.rack_id)):
        if value is not None and not value.strip():
            return f"{name} can't be empty."
    tasks = {
        "ActiveTasks": request.active_tasks,
        "StandbyTasks": request.standby_tasks,
        "WarmupTasks": request.warmup_tasks,
    }
    if request.member_epoch == JOIN_EPOCH:
        if request.rebalance_timeout_ms == -1:
            return "RebalanceTimeoutMs must be provided in first request."
        for name, messages in tasks.items():
            if messages is None or messages:
                return f"{name} must be empty when (re-)joining."
        if request.topology is None:
            return "Topology must be non-null when (re-)joining."
    elif request.member_epoch == LEAVE_STATIC_EPOCH:
        return "InstanceId can't be null."
    elif request.member_epoch < LEAVE_STATIC_EPOCH:
        return f"MemberEpoch is {request.member_epoch}, but must be greater than or equal to -2."
    if 0 < sum(messages is not None for messages in tasks.values()) < len(tasks):
        return "If one task-type is non-null, all must be non-null."
    if request.member_epoch != JOIN_EPOCH and request.topology is not None:
        return "Topology can only be provided when (re-)joining."
    return None


def reported_tasks(request: StreamsGroupHeartbeatRequest) -> Tasks | None:
    """The tasks that the member says it has, None if it does not say."""
    if request.active_tasks is None or request.standby_tasks is None or request.warmup_tasks is None:
        return None
    return Tasks(tasks_from(request.active_tasks), tasks_from(request.standby_tasks), tasks_from(request.warmup_tasks))


def check_epoch(member: StreamsMember, epoch: int, reported: Tasks | None) -> None:
    """Raises FENCED_MEMBER_EPOCH for an epoch that is not the member's. Anybody may join again at epoch 0.

    The one before is taken from a member that has nothing else than it should: the answer with the new epoch may have
    been lost.
    """
    has = member.has
    if epoch in (JOIN_EPOCH, has.member_epoch):
        return
    was_lost = epoch == has.previous_member_epoch and reported is not None and _has_only(member, reported)
    if epoch > has.member_epoch or not was_lost:
        size = "greater" if epoch > has.member_epoch else "smaller"
        raise KafkaError(
            ErrorCode.FENCED_MEMBER_EPOCH,
            f"The streams group member has a {size} member epoch ({epoch}) than the one known by the group "
            f"coordinator ({has.member_epoch}). The member must abandon all its partitions and rejoin.",
        )


def _has_only(member: StreamsMember, reported: Tasks) -> bool:
    assigned = member.has.assigned
    pairs: tuple[tuple[Mapping[str, frozenset[int]], Mapping[str, Iterable[int]]], ...] = (
        (reported.active, assigned.active),
        (reported.standby, assigned.standby),
        (reported.warmup, assigned.warmup),
    )
    return all(is_subset(some, others) for some, others in pairs)


def check_tasks_exist(reported: Tasks | None, configured: ConfiguredTopology) -> None:
    """Raises INVALID_REQUEST for tasks that the topology does not have."""
    if reported is None or not configured.is_ready:
        return
    for tasks in (reported.active, reported.standby, reported.warmup):
        for name, numbers in tasks.items():
            part = configured.subtopologies.get(name)
            if part is None:
                raise KafkaError(ErrorCode.INVALID_REQUEST, f"Subtopology {name} does not exist in the topology.")
            for number in sorted(numbers):
                if not 0 <= number < part.task_count:
                    raise KafkaError(
                        ErrorCode.INVALID_REQUEST,
                        f"Task {number} for subtopology {name} is invalid. "
                        f"Number of tasks for this subtopology: {part.task_count}",
                    )
