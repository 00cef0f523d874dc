"""The classic group protocol: JoinGroup, SyncGroup, Heartbeat, LeaveGroup over the groups of one shard.

A pure core: `(request, now) -> Decision`. Nothing here reads a clock, waits or writes. Rules and error precedence:
apache/kafka `GroupMetadataManager` (classic groups), `ClassicGroup`; KIP-345 static members, KIP-559 protocol in
SyncGroup, KIP-800 reasons (accepted; they only explain).

Invariants, held by the random walks of the tests:
- a group's generation never falls while its coordinator lives;
- its leader is a member; without members it is Empty, or about to be;
- who waits for a JoinGroup or SyncGroup is a member whose parked request is counted, and nobody else waits;
- a SyncGroup is parked in CompletingRebalance only, a JoinGroup neither there nor in Stable;
- in these two every member offers the protocol that was chosen;
- instance ids and offered protocols are counted as the members have them; pending ids are nobody's yet;
- whatever has a deadline exists: members and pending ids, a rebalance, somebody who did not sync;
- a fresh core that is fed the log, compacted or not, has every stored generation;
- left alone, everybody who waits is answered, and all members are given up.
"""

from __future__ import annotations

from kwire.coord.decision import Decision, ReplyKey
from kwire.coord.group.classic_group import ClassicGroup
from kwire.coord.group.config import GroupConfig
from kwire.coord.group.consumer.migration import Downgraded
from kwire.coord.group.joining import Joining
from kwire.coord.group.members import UNKNOWN_MEMBER_ID, JoiningClient
from kwire.coord.group.rebalance import JOIN, SESSION, SYNC, Rebalances, TimerKey, join_refused, sync_refused
from kwire.coord.group.states import GroupState
from kwire.coord.timers import Timers
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.group_records import GroupMetadataKey
from kwire.wire.messages.join_group import JoinGroupRequest
from kwire.wire.messages.leave_group import (
    LeaveGroupRequest,
    LeaveGroupResponse,
    MemberIdentity,
    MemberResponse,
)
from kwire.wire.messages.sync_group import SyncGroupRequest, SyncGroupResponse


class ClassicGroups:
    """The classic groups of one shard, by id. `groups` is shared with the rest of the shard."""

    __slots__ = ("_joining", "_rebalances", "_timers", "groups")

    def __init__(self, groups: dict[str, ClassicGroup], timers: Timers[TimerKey], config: GroupConfig) -> None:
        self.groups = groups
        self._timers = timers
        self._rebalances = Rebalances(timers, config)
        self._joining = Joining(groups, self._rebalances, config)

    def join(
        self, request: JoinGroupRequest, client: JoiningClient, member_uuid: str, key: ReplyKey, now_ms: int
    ) -> Decision:
        """See `Joining.join`."""
        return self._joining.join(request, client, member_uuid, key, now_ms)

    def sync(self, request: SyncGroupRequest, key: ReplyKey, now_ms: int) -> Decision:
        """Store the leader's assignment and tell everybody theirs; others wait for the leader's.

        Errors in the answer: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, INCONSISTENT_GROUP_PROTOCOL,
        REBALANCE_IN_PROGRESS.
        """
        out = Decision()
        group = self.groups.get(request.group_id)
        code = ErrorCode.UNKNOWN_MEMBER_ID if group is None else self._check_sync(group, request)
        if group is None or code is not ErrorCode.NONE:
            out.reply(key, sync_refused(code))
            return out
        member = group.members[request.member_id]
        self._rebalances.note_sync(group, member.member_id)
        if group.state is GroupState.STABLE:
            out.reply(key, self._assigned(group, member.assignment))
            return out
        self._rebalances.answer_sync(member, sync_refused(ErrorCode.REBALANCE_IN_PROGRESS), out)
        member.sync_key = key
        if group.leader_id == member.member_id:
            self._store_assignment(group, request, now_ms, out)
        return out

    def _check_sync(self, group: ClassicGroup, request: SyncGroupRequest) -> ErrorCode:
        try:
            group.check_member(request.member_id, request.group_instance_id)
        except KafkaError as error:
            return error.code
        if request.generation_id != group.generation_id:
            return ErrorCode.ILLEGAL_GENERATION
        if request.protocol_type is not None and request.protocol_type != group.protocol_type:
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        if (
            request.protocol_name is not None
            and group.protocol_name is not None
            and request.protocol_name != group.protocol_name
        ):
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        if group.state is GroupState.PREPARING_REBALANCE:
            return ErrorCode.REBALANCE_IN_PROGRESS
        return ErrorCode.NONE

    def _store_assignment(self, group: ClassicGroup, request: SyncGroupRequest, now_ms: int, out: Decision) -> None:
        """The record makes the group Stable when it is replayed; members that the leader left out get nothing."""
        assignments = {given.member_id: given.assignment for given in request.assignments}
        record = group.to_record(group.members.values(), group.leader_id, assignments, now_ms)
        out.record(GroupMetadataKey(group=group.group_id), record)
        for member in group.members.values():
            if member.sync_key:
                out.reply(member.sync_key, self._assigned(group, assignments.get(member.member_id, b"")))
                self._rebalances.expect_heartbeat(group, member, now_ms)

    def _assigned(self, group: ClassicGroup, assignment: bytes) -> SyncGroupResponse:
        return SyncGroupResponse(
            error_code=ErrorCode.NONE,
            protocol_type=group.protocol_type,
            protocol_name=group.protocol_name,
            assignment=assignment,
        )

    def heartbeat(
        self, group_id: str, generation_id: int, member_id: str, group_instance_id: str | None, now_ms: int
    ) -> ErrorCode:
        """Keep a member alive; the code for the answer.

        NONE, REBALANCE_IN_PROGRESS (rejoin, please), UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION.
        """
        group = self.groups.get(group_id)
        if group is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        member = group.members.get(member_id)
        if member is None or group_instance_id is not None:
            try:
                group.check_member(member_id, group_instance_id)
            except KafkaError as error:
                return error.code
        if generation_id != group.generation_id:
            return ErrorCode.ILLEGAL_GENERATION
        self._rebalances.expect_heartbeat(group, group.members[member_id], now_ms)
        if group.state is GroupState.PREPARING_REBALANCE:
            return ErrorCode.REBALANCE_IN_PROGRESS
        return ErrorCode.NONE

    def leave(self, request: LeaveGroupRequest, key: ReplyKey, now_ms: int) -> Decision:
        """Take members out, by id or (for an administrator) by instance id alone; one code per member."""
        out = Decision()
        group = self.groups.get(request.group_id)
        answers: list[MemberResponse] = []
        someone_left = False
        for leaving in request.members:
            code = ErrorCode.UNKNOWN_MEMBER_ID
            if group is not None:
                was_pending = leaving.member_id in group.pending_join_members
                code = self._leave_one(group, leaving, out)
                someone_left = someone_left or (code is ErrorCode.NONE and not was_pending)
            answers.append(
                MemberResponse(
                    member_id=leaving.member_id, group_instance_id=leaving.group_instance_id, error_code=code
                )
            )
        if group is not None and (someone_left or group.state is GroupState.PREPARING_REBALANCE):
            self._rebalances.prepare_or_complete(group, now_ms, out)
        out.reply(key, LeaveGroupResponse(error_code=ErrorCode.NONE, members=answers))
        return out

    def _leave_one(self, group: ClassicGroup, leaving: MemberIdentity, out: Decision) -> ErrorCode:
        member_id = leaving.member_id
        if member_id == UNKNOWN_MEMBER_ID:
            instance_id = leaving.group_instance_id
            known = None if instance_id is None else group.static_members.get(instance_id)
            if known is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
            member_id = known
        elif member_id in group.pending_join_members:
            group.remove(member_id)
            self._rebalances.forget_session(group, member_id)
            return ErrorCode.NONE
        else:
            try:
                group.check_member(member_id, leaving.group_instance_id)
            except KafkaError as error:
                return error.code
        self._rebalances.remove_member(group, group.members[member_id], out)
        return ErrorCode.NONE

    def keep_session(self, group: ClassicGroup, member_id: str, now_ms: int) -> None:
        """An offset commit counts as a heartbeat, except while the group waits for its assignment."""
        member = group.members.get(member_id)
        if member is not None and group.state is not GroupState.COMPLETING_REBALANCE:
            self._rebalances.expect_heartbeat(group, member, now_ms)

    def on_timer(self, key: TimerKey, now_ms: int) -> Decision:
        """A deadline of one of the groups has come."""
        out = Decision()
        kind, group_id, member_id = key
        group = self.groups.get(group_id)
        if group is None:
            return out
        if kind == SESSION:
            self._rebalances.on_session_timeout(group, member_id, now_ms, out)
        elif kind == JOIN:
            self._rebalances.on_join_timeout(group, now_ms, out)
        else:
            assert kind == SYNC
            self._rebalances.on_sync_timeout(group, now_ms, out)
        return out

    def on_loaded(self, max_size: int, now_ms: int, out: Decision) -> None:
        """Every member that the log remembers gets a whole session to be heard of; what was put off is made good."""
        for group in list(self.groups.values()):
            for member in group.members.values():
                self._rebalances.expect_heartbeat(group, member, now_ms)
            if len(group.members) > max_size or group.is_to_rebalance:
                self._rebalances.prepare(group, now_ms, out)

    def on_stored(self, group: ClassicGroup) -> None:
        """A record of `group` was replayed."""
        self._rebalances.stop_waiting_for_nobody(group)
        if group.state is GroupState.EMPTY:
            self._rebalances.stop_waiting_for_joins(group)

    def on_refused(self, group: ClassicGroup, code: ErrorCode, now_ms: int, out: Decision) -> None:
        """A record of `group` could not be stored.

        If it was the leader's assignment, all who wait for theirs are told `code` and the group rebalances: the leader
        may fail over the error, and whoever waits for an assignment is not expected to heartbeat
        (apache/kafka `GroupMetadataManager.classicGroupSyncToClassicGroup`).
        """
        group.replacement = None
        if group.state is not GroupState.COMPLETING_REBALANCE:
            return
        for member in group.members.values():
            if member.sync_key:
                self._rebalances.answer_sync(member, sync_refused(code), out)
                self._rebalances.expect_heartbeat(group, member, now_ms)
        self._rebalances.prepare(group, now_ms, out)

    def interrupt(self, group: ClassicGroup, now_ms: int, out: Decision) -> None:
        """The group is about to become a consumer group: whoever waits is told to join again."""
        code = ErrorCode.REBALANCE_IN_PROGRESS
        for member in group.members.values():
            out.reply(group.unpark_join(member), join_refused(code, member.member_id))
            self._rebalances.answer_sync(member, sync_refused(code), out)
            self._rebalances.expect_heartbeat(group, member, now_ms)

    def on_downgraded(self, group: ClassicGroup, downgraded: Downgraded, now_ms: int) -> None:
        """The group was a consumer group until now: its members have sessions here, and may have to share out anew."""
        for member in group.members.values():
            offered = downgraded.offered[member.member_id]
            group.update(member, offered, member.rebalance_timeout_ms, member.session_timeout_ms)
            self._rebalances.expect_heartbeat(group, member, now_ms)
        if downgraded.rebalance:
            nobody_waits = Decision()
            self._rebalances.prepare(group, now_ms, nobody_waits)
            assert not nobody_waits.records
            assert not nobody_waits.replies

    def remove_group(self, group: ClassicGroup, code: ErrorCode, now_ms: int, out: Decision) -> None:
        """The group was deleted, or goes to another coordinator: whoever waits is told `code`."""
        self._rebalances.forget_group(group)
        for member in group.members.values():
            out.reply(group.unpark_join(member), join_refused(code, member.member_id))
            self._rebalances.answer_sync(member, sync_refused(code), out)
        group.transition_to(GroupState.DEAD, now_ms)
        self.groups.pop(group.group_id, None)

    def is_vacant(self, group: ClassicGroup) -> bool:
        """Whether nobody is in it or about to be, and the log knows nothing of it either."""
        return group.state is GroupState.EMPTY and not group.pending_join_members and not group.is_persisted
