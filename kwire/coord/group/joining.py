"""JoinGroup: who is let into a classic group, as whom, and whether that starts a rebalance.

Order of the checks as in apache/kafka `GroupMetadataManager.classicGroupJoinToClassicGroup`. A group exists from the
first member (or pending member) on, not from the first request.
"""

from __future__ import annotations

from kwire.coord.decision import Decision, ReplyKey
from kwire.coord.group.classic_group import ClassicGroup
from kwire.coord.group.config import NEW_MEMBER_JOIN_TIMEOUT_MS, GroupConfig
from kwire.coord.group.members import (
    UNKNOWN_MEMBER_ID,
    ClassicMember,
    JoiningClient,
    protocols_of,
    rebalance_timeout_of,
)
from kwire.coord.group.rebalance import Rebalances, join_accepted, join_refused, sync_refused
from kwire.coord.group.states import GroupState
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.group_records import GroupMetadataKey
from kwire.wire.messages.join_group import JoinGroupRequest, JoinGroupResponse


class Joining:
    """The door of the groups of one shard."""

    __slots__ = ("_config", "_groups", "_rebalances")

    def __init__(self, groups: dict[str, ClassicGroup], rebalances: Rebalances, config: GroupConfig) -> None:
        self._groups = groups
        self._rebalances = rebalances
        self._config = config

    def join(
        self, request: JoinGroupRequest, client: JoiningClient, member_uuid: str, key: ReplyKey, now_ms: int
    ) -> Decision:
        """Decide on one JoinGroup; `member_uuid` makes the member id unique if one is given out.

        Answers at once, or parks the request under `key` until the generation is made. Errors in the answer:
        UNKNOWN_MEMBER_ID, MEMBER_ID_REQUIRED, INCONSISTENT_GROUP_PROTOCOL, FENCED_INSTANCE_ID, GROUP_MAX_SIZE_REACHED.
        """
        out = Decision()
        member_id = request.member_id
        group = self._groups.get(request.group_id)
        if group is None:
            if member_id != UNKNOWN_MEMBER_ID:
                out.reply(key, join_refused(ErrorCode.UNKNOWN_MEMBER_ID, member_id))
                return out
            group = ClassicGroup(request.group_id)
        if not self._has_room(group, member_id):
            self._turn_out(group, member_id, out)
            out.reply(key, join_refused(ErrorCode.GROUP_MAX_SIZE_REACHED, UNKNOWN_MEMBER_ID))
        elif not group.supports(request.protocol_type, [protocol.name for protocol in request.protocols]):
            out.reply(key, join_refused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, member_id))
        elif member_id == UNKNOWN_MEMBER_ID:
            self._join_unknown(group, request, client, member_uuid, key, now_ms, out)
        else:
            self._join_known(group, request, client, key, now_ms, out)
        return out

    def _has_room(self, group: ClassicGroup, member_id: str) -> bool:
        """Whether the group may take this member (KIP-389).

        During a rebalance those who have joined are counted, not the members: if the limit was lowered, the last to
        rejoin are turned away.
        """
        limit = self._config.max_size
        member = group.members.get(member_id)
        if group.state is GroupState.EMPTY:
            return True
        if group.state is GroupState.PREPARING_REBALANCE:
            return (member is not None and member.awaits_join) or group.awaiting_join_count < limit
        return member is not None or len(group.members) < limit

    def _turn_out(self, group: ClassicGroup, member_id: str, out: Decision) -> None:
        member = group.members.get(member_id)
        if member is not None:
            self._rebalances.remove_member(group, member, out)
        elif member_id in group.pending_join_members:
            group.remove(member_id)
            self._rebalances.forget_session(group, member_id)

    def _join_unknown(
        self,
        group: ClassicGroup,
        request: JoinGroupRequest,
        client: JoiningClient,
        member_uuid: str,
        key: ReplyKey,
        now_ms: int,
        out: Decision,
    ) -> None:
        """Somebody without a member id: a new member, or a static one that was started again."""
        instance_id = request.group_instance_id
        member_id = f"{client.client_id if instance_id is None else instance_id}-{member_uuid}"
        if instance_id is not None:
            existing = group.static_members.get(instance_id)
            if existing is not None:
                self._rejoin_static(group, request, client, existing, member_id, key, now_ms, out)
                return
        elif client.needs_member_id:
            self._groups[group.group_id] = group
            group.pending_join_members.add(member_id)
            self._rebalances.expect_member(group, member_id, request.session_timeout_ms, now_ms)
            out.reply(key, join_refused(ErrorCode.MEMBER_ID_REQUIRED, member_id))
            return
        self._add(group, request, client, member_id, key, now_ms, out)

    def _join_known(
        self,
        group: ClassicGroup,
        request: JoinGroupRequest,
        client: JoiningClient,
        key: ReplyKey,
        now_ms: int,
        out: Decision,
    ) -> None:
        """Somebody with a member id: one that was given out just now, or a member that rejoins."""
        member_id = request.member_id
        if member_id in group.pending_join_members and request.group_instance_id is None:
            self._add(group, request, client, member_id, key, now_ms, out)
            return
        try:
            group.check_member(member_id, request.group_instance_id)
        except KafkaError as error:
            out.reply(key, join_refused(error.code, member_id))
            return
        member = group.members[member_id]
        if self._needs_rebalance(group, member, request):
            protocols = protocols_of(request.protocols)
            group.update(member, protocols, rebalance_timeout_of(request), request.session_timeout_ms)
            self._park(group, member, key, out)
            self._rebalances.prepare_or_complete(group, now_ms, out)
        else:
            # Its answer may have been lost, or it missed nothing: the current generation stands.
            out.reply(key, join_accepted(group, member))

    def _needs_rebalance(self, group: ClassicGroup, member: ClassicMember, request: JoinGroupRequest) -> bool:
        """A rejoin changes something: metadata did, or the leader asks for a new assignment (its topics changed)."""
        if group.state is GroupState.PREPARING_REBALANCE or not member.offers(request.protocols):
            return True
        return group.state is GroupState.STABLE and group.leader_id == member.member_id

    def _add(
        self,
        group: ClassicGroup,
        request: JoinGroupRequest,
        client: JoiningClient,
        member_id: str,
        key: ReplyKey,
        now_ms: int,
        out: Decision,
    ) -> None:
        if group.state is GroupState.PREPARING_REBALANCE and group.previous_state is GroupState.EMPTY:
            group.new_member_added = True
        if not group.members:
            group.protocol_type = request.protocol_type
        member = ClassicMember.from_request(member_id, request, client)
        group.add(member)
        self._groups[group.group_id] = group
        self._park(group, member, key, out)
        self._rebalances.expect_member(group, member_id, NEW_MEMBER_JOIN_TIMEOUT_MS, now_ms)
        self._rebalances.prepare_or_complete(group, now_ms, out)

    def _park(self, group: ClassicGroup, member: ClassicMember, key: ReplyKey, out: Decision) -> None:
        superseded = group.park_join(member, key)
        out.reply(superseded, join_refused(ErrorCode.REBALANCE_IN_PROGRESS, member.member_id))

    def _rejoin_static(
        self,
        group: ClassicGroup,
        request: JoinGroupRequest,
        client: JoiningClient,
        old_member_id: str,
        member_id: str,
        key: ReplyKey,
        now_ms: int,
        out: Decision,
    ) -> None:
        """A static member without its id takes the place of the one that had its instance id, and fences it (KIP-345).

        In a stable group nothing has to move: the new id is stored and the assignment stands.
        """
        old = group.members[old_member_id]
        member = ClassicMember.from_request(member_id, request, client)
        member.is_new = False
        member.client_id, member.client_host = old.client_id, old.client_host
        member.assignment = old.assignment
        self._rebalances.expect_heartbeat(group, member, now_ms)
        if group.state is GroupState.STABLE and group.protocol_if(old, member.protocols) == group.protocol_name:
            self._store_static(group, old, member, client, key, now_ms, out)
            return
        out.reply(group.unpark_join(old), join_refused(ErrorCode.FENCED_INSTANCE_ID, old_member_id))
        self._rebalances.answer_sync(old, sync_refused(ErrorCode.FENCED_INSTANCE_ID), out)
        self._rebalances.forget_session(group, old_member_id)
        group.replace_static(old_member_id, member)
        self._park(group, member, key, out)
        self._rebalances.prepare_or_complete(group, now_ms, out)

    def _store_static(
        self,
        group: ClassicGroup,
        old: ClassicMember,
        member: ClassicMember,
        client: JoiningClient,
        key: ReplyKey,
        now_ms: int,
        out: Decision,
    ) -> None:
        was_leader = group.leader_id == old.member_id
        leader_id = member.member_id if was_leader else group.leader_id
        members = [other for other in group.members.values() if other is not old] + [member]
        group.replacement = (old.member_id, member)
        record = group.to_record(members, leader_id, None, now_ms)
        out.record(GroupMetadataKey(group=group.group_id), record)
        response = JoinGroupResponse(
            error_code=ErrorCode.NONE,
            generation_id=group.generation_id,
            protocol_type=group.protocol_type,
            protocol_name=group.protocol_name,
            leader=leader_id or "",
            member_id=member.member_id,
            members=[],
        )
        if was_leader and client.may_skip_assignment:
            response.skip_assignment = True
            response.members = group.members_for_leader(members)
        elif was_leader:
            # An older client would assign as soon as it saw itself as the leader; it is shown the old id (KIP-814).
            response.leader = old.member_id
        out.reply(key, response)
