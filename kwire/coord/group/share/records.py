"""A share group's facts and the records that hold them, from one to the other.

| type | key | fact |
|---|---|---|
| 10 | group, member | what a member said about itself |
| 11 | group | the group's epoch, and the hash of the metadata it stands for |
| 12 | group | the epoch of the target assignment, and when it was made |
| 13 | group, member | a member's target |
| 14 | group, member | what a member has |
| 15 | group | the partitions whose state is being initialised, is there, or is being deleted |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kwire.coord.group.modern.assignment import NOTHING, Partitions, partitions_from
from kwire.coord.records import CoordinatorRecord
from kwire.wire.messages import share_records as wire

STABLE = 0
"""The one state of a share group's member: it has what it should have."""


class ShareMember(NamedTuple):
    """One member, as a value: what it said, its epochs, what it has."""

    member_id: str
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    topic_names: frozenset[str] = frozenset()
    member_epoch: int = 0
    previous_member_epoch: int = 0
    assigned: Partitions = NOTHING

    def says_the_same(self, other: ShareMember) -> bool:
        """Whether what the two said is equal; what they have does not count."""
        return self[:5] == other[:5]


class TopicStates(NamedTuple):
    """Partitions of one topic whose state is in the same stage."""

    name: str
    partitions: frozenset[int]


class StateStages(NamedTuple):
    """Where the states of a group's partitions are, by topic id. `deleting` gives the topics' names."""

    initializing: Mapping[bytes, TopicStates] = {}
    initialized: Mapping[bytes, TopicStates] = {}
    deleting: Mapping[bytes, str] = {}


def epoch_record(group_id: str, epoch: int, metadata_hash: int) -> CoordinatorRecord:
    """The group is at `epoch`."""
    return CoordinatorRecord(
        wire.ShareGroupMetadataKey(group_id=group_id),
        wire.ShareGroupMetadataValue(epoch=epoch, metadata_hash=metadata_hash),
    )


def subscription_record(group_id: str, member: ShareMember) -> CoordinatorRecord:
    """What the member said about itself."""
    return CoordinatorRecord(
        wire.ShareGroupMemberMetadataKey(group_id=group_id, member_id=member.member_id),
        wire.ShareGroupMemberMetadataValue(
            rack_id=member.rack_id,
            client_id=member.client_id,
            client_host=member.client_host,
            subscribed_topic_names=sorted(member.topic_names),
        ),
    )


def current_assignment_record(group_id: str, member: ShareMember) -> CoordinatorRecord:
    """What the member has."""
    return CoordinatorRecord(
        wire.ShareGroupCurrentMemberAssignmentKey(group_id=group_id, member_id=member.member_id),
        wire.ShareGroupCurrentMemberAssignmentValue(
            member_epoch=member.member_epoch,
            previous_member_epoch=member.previous_member_epoch,
            state=STABLE,
            assigned_partitions=[
                wire.TopicPartitions(topic_id=topic_id, partitions=sorted(partitions))
                for topic_id, partitions in sorted(member.assigned.items())
            ],
        ),
    )


def target_record(group_id: str, member_id: str, target: Partitions) -> CoordinatorRecord:
    """What the member should have."""
    return CoordinatorRecord(
        wire.ShareGroupTargetAssignmentMemberKey(group_id=group_id, member_id=member_id),
        wire.ShareGroupTargetAssignmentMemberValue(
            topic_partitions=[
                wire.TopicPartition(topic_id=topic_id, partitions=sorted(partitions))
                for topic_id, partitions in sorted(target.items())
            ]
        ),
    )


def target_epoch_record(group_id: str, epoch: int, timestamp_ms: int) -> CoordinatorRecord:
    """The targets are those of `epoch`, made at `timestamp_ms`."""
    return CoordinatorRecord(
        wire.ShareGroupTargetAssignmentMetadataKey(group_id=group_id),
        wire.ShareGroupTargetAssignmentMetadataValue(assignment_epoch=epoch, assignment_timestamp=timestamp_ms),
    )


def stages_record(group_id: str, stages: StateStages) -> CoordinatorRecord:
    """Where the states of the group's partitions are."""
    return CoordinatorRecord(
        wire.ShareGroupStatePartitionMetadataKey(group_id=group_id),
        wire.ShareGroupStatePartitionMetadataValue(
            initializing_topics=_stage_messages(stages.initializing),
            initialized_topics=_stage_messages(stages.initialized),
            deleting_topics=[
                wire.TopicInfo(topic_id=topic_id, topic_name=name) for topic_id, name in sorted(stages.deleting.items())
            ],
        ),
    )


def _stage_messages(topics: Mapping[bytes, TopicStates]) -> list[wire.TopicPartitionsInfo]:
    return [
        wire.TopicPartitionsInfo(topic_id=topic_id, topic_name=topic.name, partitions=sorted(topic.partitions))
        for topic_id, topic in sorted(topics.items())
    ]


def stages_from(value: wire.ShareGroupStatePartitionMetadataValue) -> StateStages:
    """The stages that a record tells of."""

    def read(messages: Iterable[wire.TopicPartitionsInfo]) -> dict[bytes, TopicStates]:
        return {
            message.topic_id: TopicStates(message.topic_name, frozenset(message.partitions)) for message in messages
        }

    return StateStages(
        read(value.initializing_topics),
        read(value.initialized_topics),
        {topic.topic_id: topic.topic_name for topic in value.deleting_topics},
    )


def assigned_from(value: wire.ShareGroupCurrentMemberAssignmentValue) -> Partitions:
    """What a member has, from its record."""
    return partitions_from(value.assigned_partitions)


def member_tombstones(group_id: str, member_id: str) -> list[CoordinatorRecord]:
    """The member is gone. In this order: what it has, its target, itself."""
    return [
        CoordinatorRecord(wire.ShareGroupCurrentMemberAssignmentKey(group_id=group_id, member_id=member_id), None),
        CoordinatorRecord(wire.ShareGroupTargetAssignmentMemberKey(group_id=group_id, member_id=member_id), None),
        CoordinatorRecord(wire.ShareGroupMemberMetadataKey(group_id=group_id, member_id=member_id), None),
    ]


def group_tombstones(group_id: str, member_ids: Iterable[str]) -> list[CoordinatorRecord]:
    """The group is gone with everybody in it, in the order in which Apache Kafka takes a group apart."""
    members = [member_tombstones(group_id, member_id) for member_id in member_ids]
    return [
        *(current for current, _, _ in members),
        *(target for _, target, _ in members),
        CoordinatorRecord(wire.ShareGroupTargetAssignmentMetadataKey(group_id=group_id), None),
        *(said for _, _, said in members),
        CoordinatorRecord(wire.ShareGroupStatePartitionMetadataKey(group_id=group_id), None),
        CoordinatorRecord(wire.ShareGroupMetadataKey(group_id=group_id), None),
    ]
