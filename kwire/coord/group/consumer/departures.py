"""How members leave a consumer group: of themselves, because they were silent, or because they keep what they must not.

A group of which only classic members are left becomes a classic group again, if the migration policy lets it (KIP-848).
"""

from __future__ import annotations

from collections.abc import Collection

from kwire.coord.decision import Decision
from kwire.coord.group.consumer.deadlines import Deadlines
from kwire.coord.group.consumer.group import ConsumerGroup
from kwire.coord.group.consumer.member import JOIN_EPOCH, LEAVE_EPOCH, LEAVE_STATIC_EPOCH, ConsumerMember
from kwire.coord.group.consumer.migration import Downgrades
from kwire.coord.group.consumer.records import (
    current_assignment_record,
    epoch_record,
    member_tombstones,
    regex_tombstone,
)
from kwire.coord.group.modern.assignment import NOTHING_OWNED
from kwire.coord.group.modern.topics import MetadataHashes
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from kwire.wire.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse


class Departures:
    """The way out of the consumer groups of one shard."""

    __slots__ = ("_deadlines", "_downgrades", "_hashes")

    def __init__(self, deadlines: Deadlines, hashes: MetadataHashes, downgrades: Downgrades) -> None:
        self._deadlines = deadlines
        self._hashes = hashes
        self._downgrades = downgrades

    def leave(self, group: ConsumerGroup, request: ConsumerGroupHeartbeatRequest, now_ms: int, out: Decision) -> None:
        """A heartbeat with epoch -1, or -2 of a static member that comes back soon and keeps its place meanwhile.

        Raises UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID.
        """
        if request.instance_id is None:
            self.fence(group, [group.member(request.member_id)], now_ms, out)
            return
        member = owner_of_instance(group, request.instance_id, request.member_id)
        if request.member_epoch == LEAVE_EPOCH:
            self.fence(group, [member], now_ms, out)
            return
        # It begins at epoch 0 when it comes back, and what it keeps is its own from then on.
        kept = {topic_id: dict.fromkeys(partitions, JOIN_EPOCH) for topic_id, partitions in member.has.assigned.items()}
        has = member.has._replace(member_epoch=LEAVE_STATIC_EPOCH, assigned=kept, pending_revocation=NOTHING_OWNED)
        out.records.append(current_assignment_record(group.group_id, member._replace(has=has)))

    def leave_classic(
        self, group: ConsumerGroup, request: LeaveGroupRequest, now_ms: int, out: Decision
    ) -> LeaveGroupResponse:
        """LeaveGroup for members of either protocol; one code per member."""
        answers = []
        leaving: dict[str, ConsumerMember] = {}
        for identity in request.members:
            code = ErrorCode.NONE
            try:
                member = _identified(group, identity)
                leaving[member.member_id] = member
            except KafkaError as error:
                code = error.code
            answers.append(
                MemberResponse(
                    member_id=identity.member_id, group_instance_id=identity.group_instance_id, error_code=code
                )
            )
        self.fence(group, leaving.values(), now_ms, out)
        return LeaveGroupResponse(error_code=ErrorCode.NONE, members=answers)

    def fence(self, group: ConsumerGroup, members: Collection[ConsumerMember], now_ms: int, out: Decision) -> None:
        """Take members out: the group's epoch rises, or what is left becomes a classic group."""
        if not members:
            return
        gone = {member.member_id for member in members}
        for member_id in gone:
            self._deadlines.forget_member(group.group_id, member_id)
        if group.classic_member_count:
            left = [member for member in group.members.values() if member.member_id not in gone]
            if self._downgrades.may_follow(left):
                self._downgrades.downgrade(group, left, now_ms, out)
                return
        for member_id in gone:
            out.records += member_tombstones(group.group_id, member_id)
        regexes = dict(group.regex_counts)
        names = dict(group.name_counts)
        for member in members:
            for counts, subscribed in ((names, member.said.topic_names), (regexes, {member.said.topic_regex} - {""})):
                for name in subscribed:
                    counts[name] -= 1
        out.records += [regex_tombstone(group.group_id, regex) for regex, count in regexes.items() if not count]
        subscribed_names = group.subscribed_names(_positive(names), _positive(regexes))
        new_hash = self._hashes.of(subscribed_names)
        out.records.append(epoch_record(group.group_id, group.group_epoch + 1, new_hash))


def owner_of_instance(group: ConsumerGroup, instance_id: str, member_id: str) -> ConsumerMember:
    """The static member, if the request is its own. Raises UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID."""
    member = group.static_member(instance_id)
    if member is None:
        raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID, f"Instance id {instance_id} is unknown.")
    if member.member_id != member_id:
        raise KafkaError(
            ErrorCode.FENCED_INSTANCE_ID,
            f"Static member {member_id} with instance id {instance_id} was fenced by member {member.member_id}.",
        )
    return member


def _identified(group: ConsumerGroup, identity: MemberIdentity) -> ConsumerMember:
    """By member id, by both, or (an administrator's request) by instance id alone."""
    if identity.group_instance_id is None:
        return group.member(identity.member_id)
    if identity.member_id:
        return owner_of_instance(group, identity.group_instance_id, identity.member_id)
    member = group.static_member(identity.group_instance_id)
    if member is None:
        raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
    return member


def _positive(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count > 0}
