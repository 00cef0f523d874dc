"""The records of a consumer group: from facts to the log's messages, and back.

| type | key | fact |
|---|---|---|
| 3 | group | the group's epoch, and the hash of the metadata it stands for |
| 5 | group, member | what a member said about itself |
| 6 | group | the epoch of the target assignment, and when it was made |
| 7 | group, member | a member's target |
| 8 | group, member | what a member has |
| 16 | group, expression | the topics that a regular expression matches |
| 4 | group | topics as the group saw them: written by Kafka before 4.1, taken back when seen |
"""

from __future__ import annotations

from collections.abc import Iterable

from kwire.coord.group.consumer.member import ClassicProtocols, ConsumerMember, Subscription
from kwire.coord.group.modern.assignment import Owned, Partitions
from kwire.coord.group.modern.reconciliation import CurrentAssignment, MemberState
from kwire.coord.records import CoordinatorRecord
from kwire.named_tuple import NamedTuple
from kwire.wire.messages import consumer_group_records as wire


class ResolvedRegex(NamedTuple):
    """The topics that a regular expression matched, of which metadata (`version`), and when."""

    topics: frozenset[str]
    version: int
    timestamp_ms: int


def epoch_record(group_id: str, epoch: int, metadata_hash: int) -> CoordinatorRecord:
    """The group is at `epoch`."""
    return CoordinatorRecord(
        wire.ConsumerGroupMetadataKey(group_id=group_id),
        wire.ConsumerGroupMetadataValue(epoch=epoch, metadata_hash=metadata_hash),
    )


def subscription_record(group_id: str, member: ConsumerMember) -> CoordinatorRecord:
    """What the member said about itself."""
    said = member.said
    classic = None
    if said.classic is not None:
        classic = wire.ClassicMemberMetadata(
            session_timeout_ms=said.classic.session_timeout_ms,
            supported_protocols=[
                wire.ClassicProtocol(name=name, metadata=metadata) for name, metadata in said.classic.protocols
            ],
        )
    return CoordinatorRecord(
        wire.ConsumerGroupMemberMetadataKey(group_id=group_id, member_id=member.member_id),
        wire.ConsumerGroupMemberMetadataValue(
            instance_id=said.instance_id,
            rack_id=said.rack_id,
            client_id=said.client_id,
            client_host=said.client_host,
            subscribed_topic_names=sorted(said.topic_names),
            subscribed_topic_regex=said.topic_regex,
            rebalance_timeout_ms=said.rebalance_timeout_ms,
            server_assignor=said.server_assignor,
            classic_member_metadata=classic,
        ),
    )


def subscription_of(value: wire.ConsumerGroupMemberMetadataValue) -> Subscription:
    """What a member said, from its record."""
    classic = value.classic_member_metadata
    return Subscription(
        value.instance_id,
        value.rack_id,
        value.client_id,
        value.client_host,
        frozenset(value.subscribed_topic_names),
        value.subscribed_topic_regex or "",
        value.rebalance_timeout_ms,
        value.server_assignor,
        None
        if classic is None
        else ClassicProtocols(
            classic.session_timeout_ms,
            tuple((protocol.name, protocol.metadata) for protocol in classic.supported_protocols),
        ),
    )


def current_assignment_record(group_id: str, member: ConsumerMember) -> CoordinatorRecord:
    """What the member has."""
    has = member.has
    return CoordinatorRecord(
        wire.ConsumerGroupCurrentMemberAssignmentKey(group_id=group_id, member_id=member.member_id),
        wire.ConsumerGroupCurrentMemberAssignmentValue(
            member_epoch=has.member_epoch,
            previous_member_epoch=has.previous_member_epoch,
            state=has.state,
            assigned_partitions=_owned_messages(has.assigned),
            partitions_pending_revocation=_owned_messages(has.pending_revocation),
        ),
    )


def _owned_messages(owned: Owned) -> list[wire.TopicPartitions]:
    return [
        wire.TopicPartitions(
            topic_id=topic_id,
            partitions=sorted(partitions),
            assignment_epochs=[partitions[partition] for partition in sorted(partitions)],
        )
        for topic_id, partitions in sorted(owned.items())
    ]


def current_assignment_of(value: wire.ConsumerGroupCurrentMemberAssignmentValue) -> CurrentAssignment:
    """What a member has, from its record. Before 4.3 partitions had no epochs: the member's is as good."""
    try:
        state = MemberState(value.state)
    except ValueError:
        state = MemberState.UNKNOWN
    return CurrentAssignment(
        value.member_epoch,
        value.previous_member_epoch,
        state,
        _owned_from(value.assigned_partitions, value.member_epoch),
        _owned_from(value.partitions_pending_revocation, value.member_epoch),
    )


def _owned_from(messages: Iterable[wire.TopicPartitions], member_epoch: int) -> Owned:
    found: dict[bytes, dict[int, int]] = {}
    for message in messages:
        epochs = message.assignment_epochs or []
        if len(epochs) != len(message.partitions):
            epochs = [member_epoch] * len(message.partitions)
        found.setdefault(message.topic_id, {}).update(zip(message.partitions, epochs, strict=True))
    return found


def target_record(group_id: str, member_id: str, target: Partitions) -> CoordinatorRecord:
    """What the member should have."""
    return CoordinatorRecord(
        wire.ConsumerGroupTargetAssignmentMemberKey(group_id=group_id, member_id=member_id),
        wire.ConsumerGroupTargetAssignmentMemberValue(
            topic_partitions=[
                wire.TopicPartition(topic_id=topic_id, partitions=sorted(partitions))
                for topic_id, partitions in sorted(target.items())
            ]
        ),
    )


def target_epoch_record(group_id: str, epoch: int, timestamp_ms: int) -> CoordinatorRecord:
    """The targets are those of `epoch`, made at `timestamp_ms`."""
    return CoordinatorRecord(
        wire.ConsumerGroupTargetAssignmentMetadataKey(group_id=group_id),
        wire.ConsumerGroupTargetAssignmentMetadataValue(assignment_epoch=epoch, assignment_timestamp=timestamp_ms),
    )


def regex_record(group_id: str, regex: str, resolved: ResolvedRegex) -> CoordinatorRecord:
    """The topics that the expression matches."""
    return CoordinatorRecord(
        wire.ConsumerGroupRegularExpressionKey(group_id=group_id, regular_expression=regex),
        wire.ConsumerGroupRegularExpressionValue(
            topics=sorted(resolved.topics), version=resolved.version, timestamp=resolved.timestamp_ms
        ),
    )


def regex_tombstone(group_id: str, regex: str) -> CoordinatorRecord:
    """Nobody subscribes with the expression any more."""
    return CoordinatorRecord(wire.ConsumerGroupRegularExpressionKey(group_id=group_id, regular_expression=regex), None)


def partition_metadata_tombstone(group_id: str) -> CoordinatorRecord:
    """Older Kafka's view of the topics is taken back."""
    return CoordinatorRecord(wire.ConsumerGroupPartitionMetadataKey(group_id=group_id), None)


def member_tombstones(group_id: str, member_id: str) -> list[CoordinatorRecord]:
    """The member is gone. In this order: what it has, its target, itself."""
    return [
        CoordinatorRecord(wire.ConsumerGroupCurrentMemberAssignmentKey(group_id=group_id, member_id=member_id), None),
        CoordinatorRecord(wire.ConsumerGroupTargetAssignmentMemberKey(group_id=group_id, member_id=member_id), None),
        CoordinatorRecord(wire.ConsumerGroupMemberMetadataKey(group_id=group_id, member_id=member_id), None),
    ]


def group_tombstones(group_id: str, member_ids: Iterable[str], regexes: Iterable[str]) -> list[CoordinatorRecord]:
    """The group is gone with everybody in it, in the order in which Apache Kafka takes a group apart."""
    members = [member_tombstones(group_id, member_id) for member_id in member_ids]
    target_epoch = wire.ConsumerGroupTargetAssignmentMetadataKey(group_id=group_id)
    return [
        *(current for current, _, _ in members),
        *(target for _, target, _ in members),
        CoordinatorRecord(target_epoch, None),
        *(said for _, _, said in members),
        *(regex_tombstone(group_id, regex) for regex in regexes),
        partition_metadata_tombstone(group_id),
        CoordinatorRecord(wire.ConsumerGroupMetadataKey(group_id=group_id), None),
    ]
