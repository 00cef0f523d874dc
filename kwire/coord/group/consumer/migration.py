"""A group changes its protocol while its members go on reading: classic to consumer and back (KIP-848).

Up: the first heartbeat of a consumer member turns a classic group of consumers into a consumer group at the same epoch,
with what everybody has as target; its classic members keep on joining and syncing, each by itself. Down: when the last
member of the new protocol goes, the rest becomes a classic group at the group's epoch, with what everybody has as
assignment, and rebalances. Both are one batch of the log: tombstones of the old kind, records of the new one.

Invariants, held by the random walks of the tests:
- an id is of one kind of group only;
- no partition has two owners, and a member of either protocol believes that it owns no more than the coordinator does;
- the generation of the one kind and the epoch of the other never fall, not even with a migration;
- a fresh core that is fed the log, compacted or not, knows what the live one knows;
- once nothing fails any more every partition has an owner, with members of one protocol or of both, and the group is
  Stable: a consumer group if a member of the new protocol is in it, otherwise a classic one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from kwire.coord.decision import Decision
from kwire.coord.group.classic_group import NO_TIMESTAMP, ClassicGroup
from kwire.coord.group.config import GroupConfig
from kwire.coord.group.consumer.deadlines import Deadlines
from kwire.coord.group.consumer.group import CONSUMER_GROUP_TYPE, ConsumerGroup
from kwire.coord.group.consumer.member import ClassicProtocols, ConsumerMember, Subscription
from kwire.coord.group.consumer.records import (
    current_assignment_record,
    epoch_record,
    group_tombstones,
    subscription_record,
    target_epoch_record,
    target_record,
)
from kwire.coord.group.members import ClassicMember, Protocols
from kwire.coord.group.modern.assignment import NOTHING, without_epochs
from kwire.coord.group.modern.reconciliation import CurrentAssignment
from kwire.coord.group.modern.topics import MetadataHashes, TopicDirectory
from kwire.coord.group.subscriptions import encode_assignment, read_assignment, read_subscription
from kwire.coord.records import CoordinatorRecord
from kwire.errors import ErrorCode, KafkaError
from kwire.named_tuple import NamedTuple
from kwire.wire.messages.group_records import GroupMetadataKey
from kwire.wire.primitives import WireError


def upgrade_records(group: ClassicGroup, config: GroupConfig, topics: TopicDirectory) -> list[CoordinatorRecord]:
    """What makes a classic group, with its members, a consumer group.

    Raises GROUP_ID_NOT_FOUND, with the reason, for a group that cannot or must not be one.
    """
    consumer = config.consumer
    reason = None
    if not consumer.may_upgrade:
        reason = "online upgrade is disabled"
    elif not group.uses_consumer_protocol:
        reason = "the group does not use the consumer embedded protocol"
    elif len(group.members) > consumer.max_size:
        reason = "the group size exceeds the consumer group maximum size"
    if reason is not None:
        raise _not_upgraded(group, reason)
    try:
        members = _upgraded_members(group, topics)
    except WireError:
        raise _not_upgraded(group, "the embedded consumer protocol is malformed") from None
    group_id, epoch = group.group_id, group.generation_id
    names = frozenset().union(*(member.said.topic_names for member in members))
    return [
        CoordinatorRecord(GroupMetadataKey(group=group_id), None),
        *(subscription_record(group_id, member) for member in members),
        epoch_record(group_id, epoch, MetadataHashes(topics).of(names)),
        *(target_record(group_id, member.member_id, without_epochs(member.has.assigned)) for member in members),
        target_epoch_record(group_id, epoch, 0),
        *(current_assignment_record(group_id, member) for member in members),
    ]


def _not_upgraded(group: ClassicGroup, reason: str) -> KafkaError:
    return KafkaError(
        ErrorCode.GROUP_ID_NOT_FOUND,
        f"Cannot upgrade classic group {group.group_id} to consumer group because {reason}.",
    )


def _upgraded_members(group: ClassicGroup, topics: TopicDirectory) -> list[ConsumerMember]:
    """Every member at the classic generation, with what its leader gave it. Raises WireError."""
    protocol = group.protocol_name
    if protocol is None or any(protocol not in member.protocols for member in group.members.values()):
        protocol = group.select_protocol()  # Some have joined again already, and offer the last one no more.
    taken: set[tuple[bytes, int]] = set()
    members = []
    for classic in group.members.values():
        subscription = read_subscription(classic.protocols[protocol])
        assigned: dict[bytes, dict[int, int]] = {}
        given = read_assignment(classic.assignment) if classic.assignment else None
        if given is not None and given.user_data:
            raise _not_upgraded(group, "an unsupported custom assignor is in use")
        for part in given.assigned_partitions if given is not None else []:
            topic = topics.topics.get(part.topic)
            # A leader of whatever make may have given a partition to two members; one of them has it.
            new = [] if topic is None else [p for p in part.partitions if (topic.topic_id, p) not in taken]
            if topic is not None and new:
                taken.update((topic.topic_id, partition) for partition in new)
                assigned.setdefault(topic.topic_id, {}).update(dict.fromkeys(new, group.generation_id))
        said = Subscription(
            classic.group_instance_id,
            subscription.rack_id or None,
            classic.client_id,
            classic.client_host,
            frozenset(subscription.topics),
            rebalance_timeout_ms=classic.rebalance_timeout_ms,
            classic=ClassicProtocols(classic.session_timeout_ms, tuple(classic.protocols.items())),
        )
        has = CurrentAssignment(group.generation_id, group.generation_id, assigned=assigned)
        members.append(ConsumerMember(classic.member_id, said, has))
    return members


class Downgraded(NamedTuple):
    """What the record of a group that has become classic does not say: whether it is to rebalance, and all protocols
    that each member offers. The record has the one that was chosen.
    """

    rebalance: bool
    offered: Mapping[str, Protocols]


class Downgrades:
    """The way back to the classic protocol. `pending` are the groups whose records are about to be stored."""

    __slots__ = ("_config", "_deadlines", "_topics", "pending")

    def __init__(self, deadlines: Deadlines, config: GroupConfig, topics: TopicDirectory) -> None:
        self._deadlines = deadlines
        self._config = config
        self._topics = topics
        self.pending: dict[str, Downgraded] = {}

    def may_follow(self, left: Collection[ConsumerMember]) -> bool:
        """Whether a group of which these are left is to become a classic one: there are some, and all are classic."""
        return (
            0 < len(left) <= self._config.max_size
            and self._config.consumer.may_downgrade
            and all(member.uses_classic_protocol for member in left)
        )

    def downgrade(
        self,
        group: ConsumerGroup,
        left: Sequence[ConsumerMember],
        now_ms: int,
        out: Decision,
        *,
        rebalance: bool = True,
    ) -> None:
        """Store a classic group of these members in the consumer group's place."""
        out.records += group_tombstones(group.group_id, group.members, group.resolved)
        for member_id in group.members:
            self._deadlines.forget_member(group.group_id, member_id)
        classic = ClassicGroup(group.group_id)
        classic.generation_id = group.group_epoch
        classic.protocol_type = CONSUMER_GROUP_TYPE
        for member in left:
            protocols = member.said.classic
            assert protocols is not None
            classic.add(
                ClassicMember(
                    member.member_id,
                    member.said.instance_id,
                    member.said.client_id,
                    member.said.client_host,
                    member.said.rebalance_timeout_ms,
                    protocols.session_timeout_ms,
                    dict(protocols.protocols),
                )
            )
        classic.protocol_name = classic.select_protocol()
        assignments = {
            member.member_id: self._assignment(group, member, classic.protocol_name, rebalance) for member in left
        }
        # What the leaver had is nobody's until they have rebalanced: whoever loads the group before that must know.
        stable_since_ms = NO_TIMESTAMP if rebalance else now_ms
        record = classic.to_record(classic.members.values(), classic.leader_id, assignments, stable_since_ms)
        out.record(GroupMetadataKey(group=group.group_id), record)
        offered = {member.member_id: member.protocols for member in classic.members.values()}
        self.pending[group.group_id] = Downgraded(rebalance, offered)

    def _assignment(self, group: ConsumerGroup, member: ConsumerMember, protocol: str, rebalance: bool) -> bytes:
        """What the member has, in the version of the protocol that it speaks; its target if there is no rebalance.

        Who was not told yet to give something back still works on it, and must keep it should the group go over again
        before it has rejoined. Kafka gives it its target, so that others may be given what it still works on.
        """
        assert member.said.classic is not None
        given = group.target_of(member.member_id, member.said.instance_id) or NOTHING
        if rebalance:
            assigned, pending = member.has.assigned, member.has.pending_revocation
            given = {
                topic: frozenset([*assigned.get(topic, ()), *pending.get(topic, ())])
                for topic in {**assigned, **pending}
            }
        return encode_assignment(given, dict(member.said.classic.protocols)[protocol], self._topics)
