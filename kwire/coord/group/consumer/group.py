"""One consumer group of KIP-848: hard state only, brought in by `apply`, the one place that takes a record in.

The state is not kept but seen from the rest:

| state | when |
|---|---|
| Empty | nobody is in it |
| Assigning | the group's epoch is ahead of the target assignment's |
| Reconciling | a member is not at its target yet |
| Stable | everybody is |
| Dead | what clients are told of a group that does not exist |

(apache/kafka `ConsumerGroup`.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kwire.coord.group.consumer.member import ConsumerMember
from kwire.coord.group.consumer.records import (
    ResolvedRegex,
    current_assignment_of,
    group_tombstones,
    subscription_of,
)
from kwire.coord.group.modern.assignment import NOTHING, NOTHING_OWNED, Partitions, partitions_from
from kwire.coord.group.modern.reconciliation import CurrentAssignment, MemberState
from kwire.coord.records import CoordinatorRecord
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages import consumer_group_records as wire

INITIAL_EPOCH = 1
"""The epoch of a group, and of its empty target, before anything is stored (apache/kafka since 4.2)."""

CONSUMER_GROUP_TYPE = "consumer"
EMPTY, ASSIGNING, RECONCILING, STABLE = "Empty", "Assigning", "Reconciling", "Stable"

NEVER = -(1 << 63)


class ConsumerGroup:
    """Members, targets, resolved expressions, and the indexes over them.

    `metadata_version_seen` and `regex_version_seen` are no hard state: the versions of the topics for which hash and
    expressions are known to be right.
    """

    __slots__ = (
        "assignment_epoch",
        "assignment_timestamp_ms",
        "assignors",
        "classic_member_count",
        "classic_protocols",
        "group_epoch",
        "group_id",
        "has_partition_metadata",
        "members",
        "metadata_hash",
        "metadata_version_seen",
        "name_counts",
        "owners",
        "regex_counts",
        "regex_version_seen",
        "resolved",
        "static_members",
        "targets",
    )

    def __init__(self, group_id: str) -> None:
        self.group_id = group_id
        self.group_epoch = INITIAL_EPOCH
        self.metadata_hash = 0
        self.assignment_epoch = INITIAL_EPOCH
        self.assignment_timestamp_ms = 0
        self.has_partition_metadata = False
        self.members: dict[str, ConsumerMember] = {}
        self.targets: dict[str, Partitions] = {}
        self.resolved: dict[str, ResolvedRegex] = {}
        self.static_members: dict[str, str] = {}
        self.owners: dict[tuple[bytes, int], str] = {}
        self.name_counts: dict[str, int] = {}
        self.regex_counts: dict[str, int] = {}
        self.assignors: dict[str, int] = {}
        self.classic_protocols: dict[str, int] = {}
        self.classic_member_count = 0
        self.metadata_version_seen = -1
        self.regex_version_seen = -1

    # Records

    def apply(self, record: CoordinatorRecord) -> bool:
        """Make one record true; False if it was the one that ends the group."""
        key, value = record
        if isinstance(key, wire.ConsumerGroupMetadataKey):
            if value is None:
                return False
            self.group_epoch, self.metadata_hash = value.epoch, value.metadata_hash
        elif isinstance(key, wire.ConsumerGroupMemberMetadataKey):
            self._apply_subscription(key.member_id, value)
        elif isinstance(key, wire.ConsumerGroupCurrentMemberAssignmentKey):
            self._apply_current(key.member_id, value)
        elif isinstance(key, wire.ConsumerGroupTargetAssignmentMemberKey):
            if value is None:
                self.targets.pop(key.member_id, None)
            else:
                self.targets[key.member_id] = partitions_from(value.topic_partitions)
        elif isinstance(key, wire.ConsumerGroupTargetAssignmentMetadataKey):
            if value is not None:
                self.assignment_epoch = value.assignment_epoch
                self.assignment_timestamp_ms = value.assignment_timestamp
        elif isinstance(key, wire.ConsumerGroupRegularExpressionKey):
            if value is None:
                self.resolved.pop(key.regular_expression, None)
            else:
                self.resolved[key.regular_expression] = ResolvedRegex(
                    frozenset(value.topics), value.version, value.timestamp
                )
        else:
            assert isinstance(key, wire.ConsumerGroupPartitionMetadataKey)
            self.has_partition_metadata = value is not None
        return True

    def _apply_subscription(self, member_id: str, value: Any) -> None:
        if value is None:
            self._remove(member_id)
            return
        member = self.members.get(member_id) or ConsumerMember(member_id)
        self._put(member._replace(said=subscription_of(value)))

    def _apply_current(self, member_id: str, value: Any) -> None:
        member = self.members.get(member_id)
        if value is not None:
            self._put((member or ConsumerMember(member_id))._replace(has=current_assignment_of(value)))
        elif member is not None:
            self._put(member._replace(has=CurrentAssignment()))

    def _put(self, member: ConsumerMember) -> None:
        before = self.members.get(member.member_id)
        self.members[member.member_id] = member
        if before is None or before.said != member.said:
            if before is not None:
                self._count(before, -1)
            self._count(member, 1)
        if before is None or before.has != member.has:
            if before is not None:
                self._disown(before)
            self._own(member)

    def _remove(self, member_id: str) -> None:
        member = self.members.pop(member_id, None)
        if member is not None:
            self._count(member, -1)
            self._disown(member)

    def tombstones(self) -> list[CoordinatorRecord]:
        """The records that take the group back."""
        return group_tombstones(self.group_id, self.members, self.resolved)

    # Indexes

    def _count(self, member: ConsumerMember, by: int) -> None:
        said = member.said
        for name in said.topic_names:
            _add(self.name_counts, name, by)
        if said.topic_regex:
            _add(self.regex_counts, said.topic_regex, by)
        if said.server_assignor is not None:
            _add(self.assignors, said.server_assignor, by)
        if said.classic is not None:
            self.classic_member_count += by
            for name in said.classic.names:
                _add(self.classic_protocols, name, by)
        if said.instance_id is not None:
            if by > 0:
                self.static_members[said.instance_id] = member.member_id
            elif self.static_members.get(said.instance_id) == member.member_id:
                del self.static_members[said.instance_id]

    def _own(self, member: ConsumerMember) -> None:
        for owned in (member.has.assigned, member.has.pending_revocation):
            for topic_id, partitions in owned.items():
                for partition in partitions:
                    self.owners[topic_id, partition] = member.member_id

    def _disown(self, member: ConsumerMember) -> None:
        for owned in (member.has.assigned, member.has.pending_revocation):
            for topic_id, partitions in owned.items():
                for partition in partitions:
                    if self.owners.get((topic_id, partition)) == member.member_id:
                        del self.owners[topic_id, partition]

    # What the group is now

    @property
    def is_empty(self) -> bool:
        """Whether nobody is in it."""
        return not self.members

    @property
    def state(self) -> str:
        """The name that clients see; looks at every member."""
        if not self.members:
            return EMPTY
        if self.group_epoch > self.assignment_epoch:
            return ASSIGNING
        epoch = self.assignment_epoch
        return STABLE if all(member.has.is_reconciled_to(epoch) for member in self.members.values()) else RECONCILING

    def member(self, member_id: str) -> ConsumerMember:
        """Raises UNKNOWN_MEMBER_ID."""
        member = self.members.get(member_id)
        if member is None:
            raise KafkaError(
                ErrorCode.UNKNOWN_MEMBER_ID, f"Member {member_id} is not a member of group {self.group_id}."
            )
        return member

    def static_member(self, instance_id: str | None) -> ConsumerMember | None:
        """The member that has this instance id."""
        member_id = None if instance_id is None else self.static_members.get(instance_id)
        return None if member_id is None else self.members[member_id]

    def target_of(self, member_id: str, instance_id: str | None) -> Partitions:
        """What the member should have; a static member that comes back under a new id takes over its place."""
        known = member_id if instance_id is None else self.static_members.get(instance_id, member_id)
        return self.targets.get(known, NOTHING)

    def is_free(self, topic_id: bytes, partition: int) -> bool:
        """Whether nobody owns the partition."""
        return (topic_id, partition) not in self.owners

    def waits_for_others(self, member: ConsumerMember) -> bool:
        """Whether a partition of the member's target still has another owner."""
        return member.has.state is MemberState.UNRELEASED_PARTITIONS and any(
            partition not in member.has.assigned.get(topic_id, NOTHING_OWNED) and not self.is_free(topic_id, partition)
            for topic_id, partitions in self.targets.get(member.member_id, NOTHING).items()
            for partition in partitions
        )

    def topics_of(self, member: ConsumerMember) -> frozenset[str]:
        """The names that a member subscribes to; an expression that is not resolved yet matches nothing."""
        said = member.said
        resolved = self.resolved.get(said.topic_regex) if said.topic_regex else None
        if resolved is None:
            return said.topic_names
        return said.topic_names | resolved.topics if said.topic_names else resolved.topics

    def subscribed_names(
        self, name_counts: Mapping[str, int] | None = None, regexes: Iterable[str] | None = None
    ) -> set[str]:
        """All names that somebody subscribes to, today or with these counts and expressions in place of today's."""
        names = set(self.name_counts if name_counts is None else name_counts)
        for regex in self.regex_counts if regexes is None else regexes:
            resolved = self.resolved.get(regex)
            if resolved is not None:
                names |= resolved.topics
        return names

    def is_subscribed_to(self, topic: str) -> bool:
        """Whether a member may consume the topic."""
        return topic in self.name_counts or any(topic in resolved.topics for resolved in self.resolved.values())

    def preferred_assignor(self, configured: list[str], counts: Mapping[str, int] | None = None) -> str:
        """The assignor that most members ask for, the first configured one of equals or if nobody asks."""
        votes = self.assignors if counts is None else counts
        return max(configured, key=lambda name: votes.get(name, 0))

    def supports_classic(self, protocol_type: str, names: Iterable[str]) -> bool:
        """Whether a classic member with these protocols has one in common with every classic member here."""
        if protocol_type != CONSUMER_GROUP_TYPE:
            return False
        if self.is_empty:
            return any(True for _ in names)
        return any(self.classic_protocols.get(name, 0) == self.classic_member_count for name in names)

    def last_regex_refresh_ms(self) -> int:
        """When the expressions were resolved last."""
        return max((resolved.timestamp_ms for resolved in self.resolved.values()), default=NEVER)


def _add(counts: dict[str, int], name: str, by: int) -> None:
    count = counts.get(name, 0) + by
    if count:
        counts[name] = count
    else:
        counts.pop(name, None)
