"""How members come to the groups of one shard, live there, and go; and which kind of group a request is for.

There are classic groups and consumer groups (KIP-848), and further `kinds`. An id belongs to one kind at a time, and a
classic group of consumers may become a consumer group and back while its members go on.
"""

from __future__ import annotations

from kwire.coord.decision import Decision, ReplyKey
from kwire.coord.group.classic import ClassicGroups
from kwire.coord.group.classic_group import ClassicGroup
from kwire.coord.group.config import GroupConfig
from kwire.coord.group.consumer.group import ConsumerGroup
from kwire.coord.group.consumer.groups import ConsumerGroups, heartbeat_refused
from kwire.coord.group.consumer.member import JOIN_EPOCH, Requester
from kwire.coord.group.consumer.migration import upgrade_records
from kwire.coord.group.kinds import GroupKinds
from kwire.coord.group.members import JoiningClient
from kwire.coord.group.modern.topics import NoTopics, TopicDirectory
from kwire.coord.group.offsets import GroupOffsets
from kwire.coord.group.rebalance import TimerKey, join_refused
from kwire.coord.group.states import GroupState
from kwire.coord.timers import Timers
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from kwire.wire.messages.group_records import GroupMetadataKey
from kwire.wire.messages.heartbeat import HeartbeatRequest
from kwire.wire.messages.join_group import JoinGroupRequest
from kwire.wire.messages.leave_group import LeaveGroupRequest
from kwire.wire.messages.sync_group import SyncGroupRequest


class Membership:
    """The groups of one shard by kind, and the requests of their members."""

    __slots__ = ("_config", "_loading", "_topics", "classic", "consumer", "groups", "kinds", "offsets", "timers")

    def __init__(self, config: GroupConfig, topics: TopicDirectory | None = None) -> None:
        """`topics` are the cluster's; without them nobody is assigned anything by the coordinator."""
        self._config = config
        self._topics: TopicDirectory = NoTopics() if topics is None else topics
        self._loading = True
        self.timers: Timers[TimerKey] = Timers()
        self.groups: dict[str, ClassicGroup] = {}
        self.offsets = GroupOffsets(config)
        self.classic = ClassicGroups(self.groups, self.timers, config)
        self.consumer = ConsumerGroups(self.timers, config, self._topics)
        self.kinds = GroupKinds(self.timers, config, self._topics)

    def join(
        self, request: JoinGroupRequest, client: JoiningClient, member_uuid: str, key: ReplyKey, now_ms: int
    ) -> Decision:
        """See `Joining.join`, and `ClassicMembers.join` for a consumer group, unless it is empty.

        INCONSISTENT_GROUP_PROTOCOL for a group of another kind with members, and for a share group.
        """
        group = self.consumer.groups.get(request.group_id)
        if group is not None and not group.is_empty:
            return self.consumer.classic_members.join(group, request, client, member_uuid, key, now_ms)
        if not self.kinds.lets_classic_in(request.group_id):
            out = Decision()
            out.reply(key, join_refused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, ""))
            return out
        decision = self.classic.join(request, client, member_uuid, key, now_ms)
        other = group or self.kinds.group(request.group_id)
        if other is not None and request.group_id in self.groups:
            decision.records[:0] = other.tombstones()
        return decision

    def sync(self, request: SyncGroupRequest, key: ReplyKey, now_ms: int) -> Decision:
        """See `ClassicGroups.sync`, and `ClassicMembers.sync`, which raises."""
        group = self.consumer.groups.get(request.group_id)
        if group is None:
            return self.classic.sync(request, key, now_ms)
        out = Decision()
        out.reply(key, self.consumer.classic_members.sync(group, request, now_ms))
        return out

    def heartbeat(self, request: HeartbeatRequest, now_ms: int) -> ErrorCode:
        """See `ClassicGroups.heartbeat`, and `ClassicMembers.heartbeat`, which raises."""
        group = self.consumer.groups.get(request.group_id)
        if group is not None:
            return self.consumer.classic_members.heartbeat(group, request, now_ms)
        return self.classic.heartbeat(
            request.group_id, request.generation_id, request.member_id, request.group_instance_id, now_ms
        )

    def leave(self, request: LeaveGroupRequest, key: ReplyKey, now_ms: int) -> Decision:
        """See `ClassicGroups.leave` and `Departures.leave_classic`."""
        group = self.consumer.groups.get(request.group_id)
        if group is not None:
            out = Decision()
            out.reply(key, self.consumer.departures.leave_classic(group, request, now_ms, out))
            return out
        decision = self.classic.leave(request, key, now_ms)
        self._drop_if_vacant(request.group_id)
        return decision

    def consumer_heartbeat(
        self,
        request: ConsumerGroupHeartbeatRequest,
        requester: Requester,
        new_member_id: str,
        key: ReplyKey,
        now_ms: int,
    ) -> Decision:
        """ConsumerGroupHeartbeat; see `ConsumerGroups.heartbeat` for the errors in the answer, and GROUP_ID_NOT_FOUND.

        A group comes to be with its first member; a classic group of consumers is taken over with its members.
        """
        out = Decision()
        upgraded = None
        try:
            group = self.consumer.groups.get(request.group_id)
            if group is None:
                group, upgraded = self._new_consumer_group(request, out)
            response = self.consumer.heartbeat(group, request, requester, new_member_id, now_ms, out)
        except KafkaError as error:
            out = Decision()
            out.reply(key, heartbeat_refused(error))
            return out
        if upgraded is not None:
            for member in group.members.values():
                self.consumer.expect_again(group, member, now_ms)
            self.classic.interrupt(upgraded, now_ms, out)
        out.reply(key, response)
        return out

    def _new_consumer_group(
        self, request: ConsumerGroupHeartbeatRequest, out: Decision
    ) -> tuple[ConsumerGroup, ClassicGroup | None]:
        """A group that is not there yet, and the classic group with members whose place it takes."""
        group_id = request.group_id
        new = ConsumerGroup(group_id)
        classic = self.groups.get(group_id)
        other = self.kinds.group(group_id)
        if request.member_epoch != JOIN_EPOCH or other is not None:
            text = f"Consumer group {group_id} not found."
            if classic is not None or other is not None:
                text = f"Group {group_id} is not a consumer group."
            raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, text)
        if classic is None:
            return new, None
        if classic.state is GroupState.EMPTY:
            out.record(GroupMetadataKey(group=group_id), None)
            return new, None
        out.records += upgrade_records(classic, self._config, self._topics)
        for record in out.records[1:]:
            new.apply(record)
        return new, classic

    def _drop_if_vacant(self, group_id: str) -> None:
        """A group that only a pending member ever came near leaves no trace."""
        group = self.groups.get(group_id)
        if group is not None and self.classic.is_vacant(group) and not self.offsets.has_offsets(group_id):
            del self.groups[group_id]
