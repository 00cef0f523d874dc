"""One share group of KIP-932: hard state only, brought in by `apply`, the one place that takes a record in.

Its state is seen from the rest: Empty while nobody is in it, Stable otherwise; Dead is what clients are told of a group
that does not exist. Members have their targets at once, as partitions are shared and nobody has to give anything back.
(apache/kafka `ShareGroup`.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kwire.coord.group.modern.assignment import NOTHING, Partitions, partitions_from
from kwire.coord.group.share.records import (
    ShareMember,
    StateStages,
    assigned_from,
    group_tombstones,
    stages_from,
)
from kwire.coord.records import CoordinatorRecord
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages import share_records as wire

INITIAL_EPOCH = 1
"""The epoch of a group, and of its empty target, before anything is stored (apache/kafka since 4.2)."""

SHARE_GROUP_TYPE = "share"
EMPTY, STABLE = "Empty", "Stable"

LONG_AGO = -(1 << 62)


class ShareGroup:
    """Members, targets, and the stages of its partitions' states.

    Soft are `metadata_version_seen`, the version of the topics for which the hash is known to be right, and
    `states_begun_ms`, when the persister was asked for states last.
    """

    __slots__ = (
        "assignment_epoch",
        "assignment_timestamp_ms",
        "group_epoch",
        "group_id",
        "members",
        "metadata_hash",
        "metadata_version_seen",
        "name_counts",
        "stages",
        "states_begun_ms",
        "targets",
    )

    SOFT_STATE = frozenset({"metadata_version_seen", "states_begun_ms"})

    def __init__(self, group_id: str) -> None:
        self.group_id = group_id
        self.group_epoch = INITIAL_EPOCH
        self.metadata_hash = 0
        self.assignment_epoch = INITIAL_EPOCH
        self.assignment_timestamp_ms = 0
        self.members: dict[str, ShareMember] = {}
        self.targets: dict[str, Partitions] = {}
        self.name_counts: dict[str, int] = {}
        self.stages: StateStages | None = None
        self.metadata_version_seen = -1
        self.states_begun_ms = LONG_AGO

    # Records

    def apply(self, record: CoordinatorRecord) -> bool:
        """Make one record true; False if it was the one that ends the group."""
        key, value = record
        if isinstance(key, wire.ShareGroupMetadataKey):
            if value is None:
                return False
            self.group_epoch, self.metadata_hash = value.epoch, value.metadata_hash
        elif isinstance(key, wire.ShareGroupMemberMetadataKey):
            self._apply_subscription(key.member_id, value)
        elif isinstance(key, wire.ShareGroupCurrentMemberAssignmentKey):
            self._apply_current(key.member_id, value)
        elif isinstance(key, wire.ShareGroupTargetAssignmentMemberKey):
            if value is None:
                self.targets.pop(key.member_id, None)
            else:
                self.targets[key.member_id] = partitions_from(value.topic_partitions)
        elif isinstance(key, wire.ShareGroupTargetAssignmentMetadataKey):
            if value is not None:
                self.assignment_epoch = value.assignment_epoch
                self.assignment_timestamp_ms = value.assignment_timestamp
        else:
            assert isinstance(key, wire.ShareGroupStatePartitionMetadataKey)
            self.stages = None if value is None else stages_from(value)
        return True

    def _apply_subscription(self, member_id: str, value: Any) -> None:
        before = self.members.pop(member_id, None)
        if before is not None:
            self._count(before, -1)
        if value is None:
            return
        member = (before or ShareMember(member_id))._replace(
            rack_id=value.rack_id,
            client_id=value.client_id,
            client_host=value.client_host,
            topic_names=frozenset(value.subscribed_topic_names),
        )
        self.members[member_id] = member
        self._count(member, 1)

    def _apply_current(self, member_id: str, value: Any) -> None:
        member = self.members.get(member_id)
        if value is not None:
            self.members[member_id] = (member or ShareMember(member_id))._replace(
                member_epoch=value.member_epoch,
                previous_member_epoch=value.previous_member_epoch,
                assigned=assigned_from(value),
            )
        elif member is not None:
            self.members[member_id] = member._replace(member_epoch=0, previous_member_epoch=0, assigned=NOTHING)

    def _count(self, member: ShareMember, by: int) -> None:
        for name in member.topic_names:
            count = self.name_counts.get(name, 0) + by
            if count:
                self.name_counts[name] = count
            else:
                self.name_counts.pop(name, None)

    def tombstones(self) -> list[CoordinatorRecord]:
        """The records that take the group back, members and all."""
        return group_tombstones(self.group_id, self.members)

    # What the group is now

    @property
    def is_empty(self) -> bool:
        """Whether nobody is in it."""
        return not self.members

    @property
    def state(self) -> str:
        """The name that clients see."""
        return STABLE if self.members else EMPTY

    @property
    def known_stages(self) -> StateStages:
        """The stages; of a group that has none, none."""
        return StateStages() if self.stages is None else self.stages

    def member(self, member_id: str) -> ShareMember:
        """Raises UNKNOWN_MEMBER_ID."""
        member = self.members.get(member_id)
        if member is None:
            raise KafkaError(
                ErrorCode.UNKNOWN_MEMBER_ID, f"Member {member_id} is not a member of group {self.group_id}."
            )
        return member

    def is_subscribed_to(self, topic: str) -> bool:
        """Whether a member consumes the topic."""
        return topic in self.name_counts

    def names_with(self, before: ShareMember | None, after: ShareMember | None) -> set[str]:
        """The names that somebody subscribes to once `after` stands in the place of `before`."""
        counts = dict(self.name_counts)
        for member, by in ((before, -1), (after, 1)):
            for name in () if member is None else member.topic_names:
                counts[name] = counts.get(name, 0) + by
        return {name for name, count in counts.items() if count > 0}

    def lacks_assignment(self, exists: Callable[[bytes], bool]) -> bool:
        """Whether a partition that somebody subscribes to has its state by now, and nobody has it as a target.

        `exists(topic_id)`: topics that are gone do not count.
        """
        stages = self.known_stages
        if not self.members or not stages.initialized or not self.name_counts:
            return False
        assigned: dict[bytes, set[int]] = {}
        for target in self.targets.values():
            for topic_id, partitions in target.items():
                assigned.setdefault(topic_id, set()).update(partitions)
        return any(
            topic.name in self.name_counts and assigned.get(topic_id, set()) != topic.partitions and exists(topic_id)
            for topic_id, topic in stages.initialized.items()
        )
