"""One classic group: its members, its generation, and the bookkeeping between them (no requests, no timers, no log).

Hard state is what the log holds: generation, protocol, leader, and the members with their assignments as of the last
stored generation. Soft state is everything about a rebalance under way. `restore` and `persist` are the only places
that bring a record of the log into the group.
"""

from __future__ import annotations

from collections.abc import Iterable

from kwire.coord.decision import NO_REPLY_KEY, ReplyKey
from kwire.coord.group.members import ClassicMember, Protocols
from kwire.coord.group.states import TRANSITIONS, GroupState, IllegalTransition
from kwire.coord.group.subscriptions import CONSUMER_PROTOCOL_TYPE, subscribed_topics
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.group_records import GroupMetadataValue
from kwire.wire.messages.join_group import JoinGroupResponseMember

NO_TIMESTAMP = -1
"""In a record: nobody knows since when the group is in its state."""


class ClassicGroup:
    """A group whose members assign partitions among themselves (JoinGroup and SyncGroup).

    A group with neither members nor a protocol type is a *simple* group: somebody stores offsets under its name.
    """

    __slots__ = (
        "_subscribed_topics",
        "_subscribed_topics_known",
        "awaiting_join_count",
        "generation_id",
        "group_id",
        "initial_delay_left_ms",
        "is_persisted",
        "leader_id",
        "members",
        "new_member_added",
        "pending_join_members",
        "pending_sync_members",
        "previous_state",
        "protocol_name",
        "protocol_type",
        "replacement",
        "state",
        "state_timestamp_ms",
        "static_members",
        "supported_protocols",
    )

    def __init__(self, group_id: str) -> None:
        self.group_id = group_id
        self.state = GroupState.EMPTY
        self.previous_state = GroupState.DEAD
        self.state_timestamp_ms: int | None = None
        self.generation_id = 0
        self.protocol_type: str | None = None
        self.protocol_name: str | None = None
        self.leader_id: str | None = None
        self.members: dict[str, ClassicMember] = {}
        self.static_members: dict[str, str] = {}
        self.pending_join_members: set[str] = set()
        self.pending_sync_members: set[str] = set()
        self.supported_protocols: dict[str, int] = {}
        self.awaiting_join_count = 0
        self.new_member_added = False
        self.initial_delay_left_ms = 0
        self.replacement: tuple[str, ClassicMember] | None = None
        self.is_persisted = False
        self._subscribed_topics: frozenset[str] | None = None
        self._subscribed_topics_known = False

    @classmethod
    def restore(cls, group_id: str, value: GroupMetadataValue) -> ClassicGroup:
        """The group as a record of the log describes it: Stable with members, Empty without."""
        group = cls(group_id)
        group.protocol_type = value.protocol_type or None
        for record in value.members:
            group.add(ClassicMember.from_record(record, value.protocol))
        group._take_record(value)
        group.state = GroupState.STABLE if value.members else GroupState.EMPTY
        return group

    @property
    def is_to_rebalance(self) -> bool:
        """Whether its record says so to whoever loads it: it has members, and no instant since which it is stable."""
        return bool(self.members) and self.state is GroupState.STABLE and self.state_timestamp_ms is None

    def persist(self, value: GroupMetadataValue) -> None:
        """Bring a record that was just stored into the living group, with the state change that it stands for.

        Three records exist: a leader's assignment (CompletingRebalance becomes Stable), the last member's departure
        (PreparingRebalance becomes Empty), and a static member that came back under a new id (Stable stays).
        """
        if self.replacement is not None:
            old_member_id, newcomer = self.replacement
            self.replacement = None
            if any(record.member_id == newcomer.member_id for record in value.members):
                self.replace_static(old_member_id, newcomer)
        for record in value.members:
            member = self.members[record.member_id]
            member.assignment = record.assignment
            member.sync_key = NO_REPLY_KEY  # The decision that stored the assignment answers whoever waits for it.
        self._take_record(value)
        target = GroupState.STABLE if value.members else GroupState.EMPTY
        if self.state is not target:
            self.transition_to(target, value.current_state_timestamp)

    def _take_record(self, value: GroupMetadataValue) -> None:
        self.generation_id = value.generation
        self.protocol_name = value.protocol
        self.leader_id = value.leader
        stored_ms = value.current_state_timestamp
        self.state_timestamp_ms = None if stored_ms == NO_TIMESTAMP else stored_ms
        self.is_persisted = True
        self._subscribed_topics_known = False

    def to_record(
        self,
        members: Iterable[ClassicMember],
        leader_id: str | None,
        assignments: dict[str, bytes] | None,
        stable_since_ms: int,
    ) -> GroupMetadataValue:
        """The current generation as the log keeps it, with these members and this leader.

        `assignments` by member id, nothing for a member that has none; None keeps what each member has. Without an
        instant (NO_TIMESTAMP) it `is_to_rebalance`.
        """
        name = self.protocol_name
        assert name is not None
        return GroupMetadataValue(
            protocol_type=self.protocol_type or "",
            generation=self.generation_id,
            protocol=name,
            leader=leader_id,
            current_state_timestamp=stable_since_ms,
            members=[
                member.to_record(
                    name, member.assignment if assignments is None else assignments.get(member.member_id, b"")
                )
                for member in members
            ],
        )

    def empty_record(self, now_ms: int) -> GroupMetadataValue:
        """The next generation of a group that nobody is left in."""
        return GroupMetadataValue(
            protocol_type=self.protocol_type or "",
            generation=self.generation_id + 1,
            protocol=None,
            leader=None,
            current_state_timestamp=now_ms,
            members=[],
        )

    def transition_to(self, state: GroupState, now_ms: int) -> None:
        """The one setter of `state`."""
        if state not in TRANSITIONS[self.state]:
            raise IllegalTransition(f"group {self.group_id!r}: {self.state.value} -> {state.value}")
        self.previous_state = self.state
        self.state = state
        self.state_timestamp_ms = now_ms

    # Members

    def add(self, member: ClassicMember) -> None:
        """Let a member in; the first one decides the protocol type beforehand, and leads."""
        if member.group_instance_id is not None:
            assert member.group_instance_id not in self.static_members
            self.static_members[member.group_instance_id] = member.member_id
        if self.leader_id is None:
            self.leader_id = member.member_id
        self.members[member.member_id] = member
        self._count_protocols(member, 1)
        self.pending_join_members.discard(member.member_id)

    def remove(self, member_id: str) -> ClassicMember | None:
        """Take a member, or a pending one, out. Its parked requests are the caller's to answer beforehand."""
        member = self.members.pop(member_id, None)
        if member is not None:
            assert not member.awaits_join
            assert member.sync_key == NO_REPLY_KEY
            self._count_protocols(member, -1)
            if member.group_instance_id is not None:
                del self.static_members[member.group_instance_id]
        if self.leader_id == member_id:
            self.leader_id = next(iter(self.members), None)
        self.pending_join_members.discard(member_id)
        self.pending_sync_members.discard(member_id)
        return member

    def replace_static(self, old_member_id: str, member: ClassicMember) -> None:
        """Put `member` into the place of the one that had its instance id, at the end of the order (KIP-345)."""
        was_leader = self.leader_id == old_member_id
        old = self.remove(old_member_id)
        assert old is not None
        assert old.group_instance_id == member.group_instance_id
        self.add(member)
        if was_leader:
            self.leader_id = member.member_id

    def update(self, member: ClassicMember, protocols: Protocols, rebalance_timeout_ms: int, session_ms: int) -> None:
        """Take over what a member's new JoinGroup says."""
        self._offer(member, protocols)
        member.rebalance_timeout_ms = rebalance_timeout_ms
        member.session_timeout_ms = session_ms

    def check_member(self, member_id: str, group_instance_id: str | None) -> None:
        """Raise FENCED_INSTANCE_ID if another member took over the instance id, UNKNOWN_MEMBER_ID for strangers."""
        if group_instance_id is not None:
            existing = self.static_members.get(group_instance_id)
            if existing is None:
                raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
            if existing != member_id:
                raise KafkaError(ErrorCode.FENCED_INSTANCE_ID)
        if member_id not in self.members:
            raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)

    # Parked requests

    def park_join(self, member: ClassicMember, key: ReplyKey) -> ReplyKey:
        """Remember that `member` waits for a generation; the key of an older JoinGroup of it that waited, if any."""
        superseded = member.join_key
        member.join_key = key
        if superseded == NO_REPLY_KEY:
            self.awaiting_join_count += 1
        return superseded

    def unpark_join(self, member: ClassicMember) -> ReplyKey:
        """The key of the JoinGroup that waited, which is about to be answered."""
        key = member.join_key
        if key != NO_REPLY_KEY:
            member.join_key = NO_REPLY_KEY
            self.awaiting_join_count -= 1
        return key

    @property
    def all_members_joined(self) -> bool:
        """Whether every member waits for the generation and no id was handed out that nobody came back with."""
        return self.awaiting_join_count == len(self.members) and not self.pending_join_members

    def elect_joined_leader(self) -> bool:
        """Make sure that the leader is somebody who has joined; False if nobody has (or nobody is there)."""
        if self.leader_id is None:
            return False
        if self.members[self.leader_id].awaits_join:
            return True
        for member in self.members.values():
            if member.awaits_join:
                self.leader_id = member.member_id
                return True
        return False

    # Protocols

    def supports(self, protocol_type: str, protocols: Iterable[str]) -> bool:
        """Whether a member with this protocol type and these protocols has something in common with everybody."""
        if self.state is GroupState.EMPTY:
            return protocol_type != "" and any(True for _ in protocols)
        everybody = len(self.members)
        return protocol_type == self.protocol_type and any(
            self.supported_protocols.get(name, 0) == everybody for name in protocols
        )

    def select_protocol(self) -> str:
        """The protocol that everybody supports and most prefer; of equals the one voted for first."""
        everybody = len(self.members)
        candidates = frozenset(name for name, count in self.supported_protocols.items() if count == everybody)
        votes: dict[str, int] = {}
        for member in self.members.values():
            choice = member.vote(candidates)
            votes[choice] = votes.get(choice, 0) + 1
        return max(votes, key=votes.__getitem__)

    def protocol_if(self, member: ClassicMember, protocols: Protocols) -> str:
        """The protocol that would be selected if `member` offered `protocols`."""
        offered = member.protocols
        self._offer(member, protocols)
        selected = self.select_protocol()
        self._offer(member, offered)
        return selected

    def _offer(self, member: ClassicMember, protocols: Protocols) -> None:
        self._count_protocols(member, -1)
        member.protocols = protocols
        self._count_protocols(member, 1)

    def _count_protocols(self, member: ClassicMember, by: int) -> None:
        counts = self.supported_protocols
        for name in member.protocols:
            count = counts.get(name, 0) + by
            if count:
                counts[name] = count
            else:
                del counts[name]

    # What the group is now

    @property
    def rebalance_timeout_ms(self) -> int:
        """How long a rebalance may take: as long as the most patient member allows."""
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    @property
    def uses_consumer_protocol(self) -> bool:
        """Whether the members are consumers, whose subscriptions the coordinator can read."""
        return self.protocol_type == CONSUMER_PROTOCOL_TYPE

    def begin_generation(self, now_ms: int) -> None:
        """Go from PreparingRebalance to CompletingRebalance with everybody who has joined."""
        self.generation_id += 1
        self.protocol_name = self.select_protocol()
        self._subscribed_topics_known = False
        self.pending_sync_members.clear()
        self.transition_to(GroupState.COMPLETING_REBALANCE, now_ms)

    def members_for_leader(self, members: Iterable[ClassicMember] | None = None) -> list[JoinGroupResponseMember]:
        """Every member (or these) with its metadata for the chosen protocol: what the leader assigns by."""
        name = self.protocol_name
        assert name is not None
        return [
            JoinGroupResponseMember(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                metadata=member.protocols[name],
            )
            for member in (self.members.values() if members is None else members)
        ]

    def subscribed_topics(self) -> frozenset[str] | None:
        """Topics that the members of this generation consume; None where they are no consumers or cannot be read."""
        if not self._subscribed_topics_known:
            self._subscribed_topics = self._read_subscriptions()
            self._subscribed_topics_known = True
        return self._subscribed_topics

    def is_subscribed_to(self, topic: str) -> bool:
        """Whether a member may consume `topic`; consumers whose subscription cannot be read may consume anything."""
        topics = self.subscribed_topics()
        return self.uses_consumer_protocol if topics is None else topic in topics

    def _read_subscriptions(self) -> frozenset[str] | None:
        if not self.uses_consumer_protocol:
            return None
        if not self.members:
            return frozenset()
        name = self.protocol_name
        if name is None:
            return None
        return subscribed_topics(member.protocols.get(name, b"") for member in self.members.values())
