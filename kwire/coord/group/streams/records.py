"""The records of a Streams group: from facts to the log's messages, and back.

| type | key | fact |
|---|---|---|
| 17 | group | the group's epoch, metadata hash, the topology that is ready, options of the assignor |
| 19 | group, member | what a member said about itself |
| 20 | group | the epoch of the target assignment, and when it was made |
| 21 | group, member | a member's target |
| 22 | group, member | what a member has |
| 23 | group | the topology |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kwire.coord.group.streams.member import Description, StreamsMember
from kwire.coord.group.streams.reconciliation import CurrentTasks, MemberState
from kwire.coord.group.streams.tasks import OwnedTasks, TaskEpochs, TaskMap, Tasks, tasks_from
from kwire.coord.group.streams.topology import Topology
from kwire.coord.records import CoordinatorRecord
from kwire.wire.messages import streams_records as wire


def epoch_record(
    group_id: str, epoch: int, metadata_hash: int, validated_topology_epoch: int, options: Mapping[str, str]
) -> CoordinatorRecord:
    """The group is at `epoch`; `validated_topology_epoch` -1 says that its topics are not as they must be."""
    return CoordinatorRecord(
        wire.StreamsGroupMetadataKey(group_id=group_id),
        wire.StreamsGroupMetadataValue(
            epoch=epoch,
            metadata_hash=metadata_hash,
            validated_topology_epoch=validated_topology_epoch,
            last_assignment_configs=[
                wire.LastAssignmentConfig(key=key, value=value) for key, value in sorted(options.items())
            ],
        ),
    )


def topology_record(group_id: str, topology: Topology) -> CoordinatorRecord:
    """The topology that the members run."""
    return CoordinatorRecord(wire.StreamsGroupTopologyKey(group_id=group_id), topology.record)


def description_record(group_id: str, member: StreamsMember) -> CoordinatorRecord:
    """What the member said about itself."""
    said = member.said
    return CoordinatorRecord(
        wire.StreamsGroupMemberMetadataKey(group_id=group_id, member_id=member.member_id),
        wire.StreamsGroupMemberMetadataValue(
            instance_id=said.instance_id,
            rack_id=said.rack_id,
            client_id=said.client_id,
            client_host=said.client_host,
            rebalance_timeout_ms=said.rebalance_timeout_ms,
            topology_epoch=said.topology_epoch,
            process_id=said.process_id,
            user_endpoint=None
            if said.endpoint is None
            else wire.Endpoint(host=said.endpoint[0], port=said.endpoint[1]),
            client_tags=[wire.KeyValue(key=key, value=value) for key, value in said.client_tags],
        ),
    )


def description_of(value: wire.StreamsGroupMemberMetadataValue) -> Description:
    """What a member said, from its record."""
    endpoint = value.user_endpoint
    return Description(
        value.instance_id,
        value.rack_id,
        value.client_id,
        value.client_host,
        value.rebalance_timeout_ms,
        value.topology_epoch,
        value.process_id,
        None if endpoint is None else (endpoint.host, endpoint.port),
        tuple((tag.key, tag.value) for tag in value.client_tags),
    )


def current_tasks_record(group_id: str, member: StreamsMember) -> CoordinatorRecord:
    """What the member has."""
    has = member.has
    return CoordinatorRecord(
        wire.StreamsGroupCurrentMemberAssignmentKey(group_id=group_id, member_id=member.member_id),
        wire.StreamsGroupCurrentMemberAssignmentValue(
            member_epoch=has.member_epoch,
            previous_member_epoch=has.previous_member_epoch,
            state=has.state,
            active_tasks=_epoch_messages(has.assigned.active),
            standby_tasks=_messages(has.assigned.standby),
            warmup_tasks=_messages(has.assigned.warmup),
            active_tasks_pending_revocation=_epoch_messages(has.pending_revocation.active),
            standby_tasks_pending_revocation=_messages(has.pending_revocation.standby),
            warmup_tasks_pending_revocation=_messages(has.pending_revocation.warmup),
        ),
    )


def _epoch_messages(tasks: TaskEpochs) -> list[wire.TaskIds]:
    return [
        wire.TaskIds(
            subtopology_id=name,
            partitions=sorted(partitions),
            assignment_epochs=[partitions[number] for number in sorted(partitions)],
        )
        for name, partitions in sorted(tasks.items())
    ]


def _messages(tasks: TaskMap) -> list[wire.TaskIds]:
    return [wire.TaskIds(subtopology_id=name, partitions=sorted(numbers)) for name, numbers in sorted(tasks.items())]


def current_tasks_of(value: wire.StreamsGroupCurrentMemberAssignmentValue) -> CurrentTasks:
    """What a member has, from its record. Before 4.3 tasks had no epochs: the member's is as good."""
    try:
        state = MemberState(value.state)
    except ValueError:
        state = MemberState.UNKNOWN
    return CurrentTasks(
        value.member_epoch,
        value.previous_member_epoch,
        state,
        OwnedTasks(
            _epochs_from(value.active_tasks, value.member_epoch),
            tasks_from(value.standby_tasks),
            tasks_from(value.warmup_tasks),
        ),
        OwnedTasks(
            _epochs_from(value.active_tasks_pending_revocation, value.member_epoch),
            tasks_from(value.standby_tasks_pending_revocation),
            tasks_from(value.warmup_tasks_pending_revocation),
        ),
    )


def _epochs_from(messages: Iterable[wire.TaskIds], member_epoch: int) -> TaskEpochs:
    found: dict[str, dict[int, int]] = {}
    for message in messages:
        epochs = message.assignment_epochs or []
        if len(epochs) != len(message.partitions):
            epochs = [member_epoch] * len(message.partitions)
        if message.partitions:
            found.setdefault(message.subtopology_id, {}).update(zip(message.partitions, epochs, strict=True))
    return found


def target_record(group_id: str, member_id: str, target: Tasks) -> CoordinatorRecord:
    """What the member should have."""

    def messages(tasks: TaskMap) -> list[wire.StreamsGroupTargetAssignmentMemberValueTaskIds]:
        return [
            wire.StreamsGroupTargetAssignmentMemberValueTaskIds(subtopology_id=name, partitions=sorted(numbers))
            for name, numbers in sorted(tasks.items())
        ]

    return CoordinatorRecord(
        wire.StreamsGroupTargetAssignmentMemberKey(group_id=group_id, member_id=member_id),
        wire.StreamsGroupTargetAssignmentMemberValue(
            active_tasks=messages(target.active),
            standby_tasks=messages(target.standby),
            warmup_tasks=messages(target.warmup),
        ),
    )


def target_of(value: wire.StreamsGroupTargetAssignmentMemberValue) -> Tasks:
    """What a member should have, from its record."""
    return Tasks(tasks_from(value.active_tasks), tasks_from(value.standby_tasks), tasks_from(value.warmup_tasks))


def target_epoch_record(group_id: str, epoch: int, timestamp_ms: int) -> CoordinatorRecord:
    """The targets are those of `epoch`, made at `timestamp_ms`."""
    return CoordinatorRecord(
        wire.StreamsGroupTargetAssignmentMetadataKey(group_id=group_id),
        wire.StreamsGroupTargetAssignmentMetadataValue(assignment_epoch=epoch, assignment_timestamp=timestamp_ms),
    )


def member_tombstones(group_id: str, member_id: str) -> list[CoordinatorRecord]:
    """The member is gone. In this order: what it has, its target, itself."""
    return [
        CoordinatorRecord(wire.StreamsGroupCurrentMemberAssignmentKey(group_id=group_id, member_id=member_id), None),
        CoordinatorRecord(wire.StreamsGroupTargetAssignmentMemberKey(group_id=group_id, member_id=member_id), None),
        CoordinatorRecord(wire.StreamsGroupMemberMetadataKey(group_id=group_id, member_id=member_id), None),
    ]


def group_tombstones(group_id: str, member_ids: Iterable[str]) -> list[CoordinatorRecord]:
    """The group is gone with everybody in it, in the order in which Apache Kafka takes a group apart."""
    members = [member_tombstones(group_id, member_id) for member_id in member_ids]
    return [
        *(current for current, _, _ in members),
        *(target for _, target, _ in members),
        CoordinatorRecord(wire.StreamsGroupTargetAssignmentMetadataKey(group_id=group_id), None),
        *(said for _, _, said in members),
        CoordinatorRecord(wire.StreamsGroupMetadataKey(group_id=group_id), None),
        CoordinatorRecord(wire.StreamsGroupTopologyKey(group_id=group_id), None),
    ]
