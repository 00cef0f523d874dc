"""How a classic group gets from one generation to the next, and what happens when somebody does not come in time.

A rebalance collects JoinGroups until every member has one parked (or the longest rebalance timeout is over), makes the
generation, answers the joins, and waits for the leader's assignment (`classic.sync`). Rules: apache/kafka
`GroupMetadataManager`, the parts on classic groups; KIP-134 for the initial delay.
"""

from __future__ import annotations

from kwire.coord.decision import NO_REPLY_KEY, Decision
from kwire.coord.group.classic_group import ClassicGroup
from kwire.coord.group.config import GroupConfig
from kwire.coord.group.members import UNKNOWN_MEMBER_ID, ClassicMember
from kwire.coord.group.states import HAS_A_GENERATION, REBALANCE_MAY_START_IN, GroupState
from kwire.coord.timers import Timers
from kwire.errors import ErrorCode
from kwire.wire.messages.group_records import GroupMetadataKey
from kwire.wire.messages.join_group import JoinGroupResponse
from kwire.wire.messages.sync_group import SyncGroupResponse

TimerKey = tuple[str, str, str]
"""What a deadline is for: one of the kinds below, a group id, a member id (or nothing)."""

SESSION = "session"
JOIN = "join"
SYNC = "sync"

RETRY_EMPTYING_AFTER_MS = 5000
"""A group whose last member left is Empty once the log says so; if the log refuses, it is asked again after this."""


RETRY_ELECTION_AFTER_MS = 100
"""Static members that all stay away are given their rebalance timeout again and again, until their sessions are over.
A client may send a timeout of 0: the same instant for ever."""


def join_refused(code: ErrorCode, member_id: str) -> JoinGroupResponse:
    """A JoinGroup's answer when it does not lead into a generation."""
    return JoinGroupResponse(
        error_code=code,
        generation_id=-1,
        protocol_type=None,
        protocol_name=None,
        leader="",
        member_id=member_id,
        members=[],
    )


def sync_refused(code: ErrorCode) -> SyncGroupResponse:
    """A SyncGroup's answer without an assignment."""
    return SyncGroupResponse(error_code=code, assignment=b"")


def join_accepted(group: ClassicGroup, member: ClassicMember) -> JoinGroupResponse:
    """The current generation as `member` sees it; only the leader sees everybody."""
    return JoinGroupResponse(
        error_code=ErrorCode.NONE,
        generation_id=group.generation_id,
        protocol_type=group.protocol_type,
        protocol_name=group.protocol_name,
        leader=group.leader_id or "",
        member_id=member.member_id,
        members=group.members_for_leader() if group.leader_id == member.member_id else [],
    )


class Rebalances:
    """Starts, completes and times out rebalances of the groups of one shard."""

    __slots__ = ("_config", "_timers")

    def __init__(self, timers: Timers[TimerKey], config: GroupConfig) -> None:
        self._timers = timers
        self._config = config

    # Sessions

    def expect_heartbeat(self, group: ClassicGroup, member: ClassicMember, now_ms: int) -> None:
        """Give `member` a whole session timeout from now on."""
        self._timers.schedule((SESSION, group.group_id, member.member_id), now_ms + member.session_timeout_ms)

    def expect_member(self, group: ClassicGroup, member_id: str, timeout_ms: int, now_ms: int) -> None:
        """Give somebody without a session yet (a pending or new member) some time to get one."""
        self._timers.schedule((SESSION, group.group_id, member_id), now_ms + timeout_ms)

    def forget_session(self, group: ClassicGroup, member_id: str) -> None:
        """Nobody is expected under this id any more."""
        self._timers.cancel((SESSION, group.group_id, member_id))

    def forget_group(self, group: ClassicGroup) -> None:
        """Cancel everything that waits for this group."""
        for member_id in [*group.members, *group.pending_join_members]:
            self.forget_session(group, member_id)
        self._timers.cancel((JOIN, group.group_id, ""))
        self._timers.cancel((SYNC, group.group_id, ""))

    def on_session_timeout(self, group: ClassicGroup, member_id: str, now_ms: int, out: Decision) -> None:
        """A member was silent for its session timeout, or a pending one did not come back with its id."""
        if member_id in group.pending_join_members:
            group.remove(member_id)
        else:
            member = group.members.get(member_id)
            if member is None or member.keeps_session:
                return
            self.remove_member(group, member, out)
            if group.state in HAS_A_GENERATION:
                self.prepare(group, now_ms, out)
                return
        if group.state is GroupState.PREPARING_REBALANCE and group.all_members_joined:
            self.complete_join(group, now_ms, out)

    def remove_member(self, group: ClassicGroup, member: ClassicMember, out: Decision) -> None:
        """Take a member out; if it still waits for something, UNKNOWN_MEMBER_ID makes it join anew."""
        out.reply(group.unpark_join(member), join_refused(ErrorCode.UNKNOWN_MEMBER_ID, UNKNOWN_MEMBER_ID))
        self.answer_sync(member, sync_refused(ErrorCode.UNKNOWN_MEMBER_ID), out)
        group.remove(member.member_id)
        self.forget_session(group, member.member_id)

    def answer_sync(self, member: ClassicMember, response: SyncGroupResponse, out: Decision) -> None:
        """Answer the SyncGroup of `member` that is parked, if there is one."""
        out.reply(member.sync_key, response)
        member.sync_key = NO_REPLY_KEY

    # The join phase

    def prepare_or_complete(self, group: ClassicGroup, now_ms: int, out: Decision) -> None:
        """Somebody joined or left: start a rebalance, or see whether the one under way is complete now."""
        if group.state in REBALANCE_MAY_START_IN:
            self.prepare(group, now_ms, out)
        else:
            self.complete_if_all_joined(group, now_ms, out)

    def prepare(self, group: ClassicGroup, now_ms: int, out: Decision) -> None:
        """Start a rebalance. A new group waits a little for more members to come (KIP-134)."""
        if group.state is GroupState.COMPLETING_REBALANCE:
            for member in group.members.values():
                member.assignment = b""
                if member.sync_key != NO_REPLY_KEY:
                    self.answer_sync(member, sync_refused(ErrorCode.REBALANCE_IN_PROGRESS), out)
                    self.expect_heartbeat(group, member, now_ms)
        group.pending_sync_members.clear()
        self._timers.cancel((SYNC, group.group_id, ""))
        is_initial = group.state is GroupState.EMPTY
        group.transition_to(GroupState.PREPARING_REBALANCE, now_ms)
        if not is_initial:
            if group.all_members_joined:
                self.complete_join(group, now_ms, out)
            else:
                self._await_joins(group, group.rebalance_timeout_ms, now_ms)
            return
        delay_ms = self._config.initial_rebalance_delay_ms
        group.new_member_added = False
        group.initial_delay_left_ms = max(group.rebalance_timeout_ms - delay_ms, 0)
        if delay_ms <= 0:
            self.complete_join(group, now_ms, out)
        else:
            self._await_joins(group, delay_ms, now_ms)

    def complete_if_all_joined(self, group: ClassicGroup, now_ms: int, out: Decision) -> None:
        """Make the generation if nobody is missing; the initial rebalance always waits for its delay to be over."""
        if (
            group.state is GroupState.PREPARING_REBALANCE
            and group.previous_state is not GroupState.EMPTY
            and group.all_members_joined
        ):
            self.complete_join(group, now_ms, out)

    def on_join_timeout(self, group: ClassicGroup, now_ms: int, out: Decision) -> None:
        """The delay or the rebalance timeout is over. Each newcomer prolongs the initial delay."""
        if group.state is not GroupState.PREPARING_REBALANCE:
            return
        left_ms = group.initial_delay_left_ms
        if group.previous_state is GroupState.EMPTY and group.new_member_added and left_ms > 0:
            delay_ms = self._config.initial_rebalance_delay_ms
            group.new_member_added = False
            group.initial_delay_left_ms = max(left_ms - delay_ms, 0)
            self._await_joins(group, min(delay_ms, left_ms), now_ms)
        else:
            self.complete_join(group, now_ms, out)

    def complete_join(self, group: ClassicGroup, now_ms: int, out: Decision) -> None:
        """Make the next generation of those who joined. A static member that did not come keeps its place (KIP-345).

        Without members the group becomes Empty, once the log says so.
        """
        self._timers.cancel((JOIN, group.group_id, ""))
        group.initial_delay_left_ms = 0
        for member in list(group.members.values()):
            if not member.awaits_join and member.group_instance_id is None:
                self.remove_member(group, member, out)
        if not group.members:
            self._await_joins(group, RETRY_EMPTYING_AFTER_MS, now_ms)
            out.record(GroupMetadataKey(group=group.group_id), group.empty_record(now_ms))
            return
        if not group.elect_joined_leader():
            self._await_joins(group, max(group.rebalance_timeout_ms, RETRY_ELECTION_AFTER_MS), now_ms)
            return
        group.begin_generation(now_ms)
        for member in group.members.values():
            key = group.unpark_join(member)
            if key != NO_REPLY_KEY:
                out.reply(key, join_accepted(group, member))
            self.expect_heartbeat(group, member, now_ms)
            member.is_new = False
            group.pending_sync_members.add(member.member_id)
        self._timers.schedule((SYNC, group.group_id, ""), now_ms + group.rebalance_timeout_ms)

    def stop_waiting_for_joins(self, group: ClassicGroup) -> None:
        """The log has the group as Empty."""
        self._timers.cancel((JOIN, group.group_id, ""))

    def _await_joins(self, group: ClassicGroup, timeout_ms: int, now_ms: int) -> None:
        self._timers.schedule((JOIN, group.group_id, ""), now_ms + timeout_ms)

    # The sync phase

    def note_sync(self, group: ClassicGroup, member_id: str) -> None:
        """`member_id` asked for its assignment; with the last one to ask, nobody is waited for."""
        group.pending_sync_members.discard(member_id)
        self.stop_waiting_for_nobody(group)

    def stop_waiting_for_nobody(self, group: ClassicGroup) -> None:
        """Nobody is waited for if everybody has asked, or if those who did not are gone."""
        if not group.pending_sync_members:
            self._timers.cancel((SYNC, group.group_id, ""))

    def on_sync_timeout(self, group: ClassicGroup, now_ms: int, out: Decision) -> None:
        """Members that never asked for their assignment are taken out, and the rest rebalances (KAFKA-10888)."""
        if group.state not in HAS_A_GENERATION or not group.pending_sync_members:
            return
        for member_id in sorted(group.pending_sync_members):
            member = group.members.get(member_id)
            if member is not None:
                self.remove_member(group, member, out)
        self.prepare(group, now_ms, out)
