"""Members of a consumer group that speak the classic protocol: JoinGroup, SyncGroup and Heartbeat, each for itself.

A JoinGroup is answered at once: its generation is the member's epoch. What the member may have is in the SyncGroup that
follows. A heartbeat tells it to join again when it has something to give back, to get, or to catch up with. Nobody
waits for anybody. (KIP-848; apache/kafka `GroupMetadataManager.classicGroupJoinToConsumerGroup` and its neighbours.)
"""

from __future__ import annotations

from kwire.coord.decision import Decision, ReplyKey
from kwire.coord.group.consumer import deadlines
from kwire.coord.group.consumer.advancing import Advancing, Change
from kwire.coord.group.consumer.config import ConsumerGroupConfig
from kwire.coord.group.consumer.deadlines import Deadlines
from kwire.coord.group.consumer.departures import owner_of_instance
from kwire.coord.group.consumer.group import CONSUMER_GROUP_TYPE, ConsumerGroup
from kwire.coord.group.consumer.member import ClassicProtocols, ConsumerMember, Requester
from kwire.coord.group.consumer.migration import Downgrades
from kwire.coord.group.consumer.static_members import returned_static_member
from kwire.coord.group.members import JoiningClient, protocols_of, rebalance_timeout_of
from kwire.coord.group.modern.assignment import Partitions, without_epochs
from kwire.coord.group.modern.reconciliation import MemberState
from kwire.coord.group.modern.topics import TopicDirectory
from kwire.coord.group.rebalance import join_refused
from kwire.coord.group.subscriptions import encode_assignment, read_subscription
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.consumer_protocol import ConsumerProtocolSubscription
from kwire.wire.messages.heartbeat import HeartbeatRequest
from kwire.wire.messages.join_group import JoinGroupRequest, JoinGroupResponse
from kwire.wire.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from kwire.wire.primitives import WireError


class ClassicMembers:
    """The classic protocol's side of the consumer groups of one shard."""

    __slots__ = ("_advancing", "_config", "_deadlines", "_downgrades", "_topics")

    def __init__(
        self,
        deadlines: Deadlines,
        config: ConsumerGroupConfig,
        topics: TopicDirectory,
        advancing: Advancing,
        downgrades: Downgrades,
    ) -> None:
        self._deadlines = deadlines
        self._config = config
        self._topics = topics
        self._advancing = advancing
        self._downgrades = downgrades

    def join(
        self,
        group: ConsumerGroup,
        request: JoinGroupRequest,
        client: JoiningClient,
        new_member_id: str,
        key: ReplyKey,
        now_ms: int,
    ) -> Decision:
        """Into the group, or further in it.

        Raises GROUP_MAX_SIZE_REACHED, INCONSISTENT_GROUP_PROTOCOL (also where migration is disabled),
        UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, UNKNOWN_SERVER_ERROR for a subscription that does not parse.
        """
        out = Decision()
        member_id = request.member_id or new_member_id
        self._check_join(group, member_id, request)
        if client.needs_member_id and not request.member_id and request.group_instance_id is None:
            out.reply(key, join_refused(ErrorCode.MEMBER_ID_REQUIRED, member_id))
            return out
        try:
            subscription = read_subscription(request.protocols[0].metadata)
        except WireError as error:
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, str(error)) from None
        existing = group.static_member(request.group_instance_id)
        before = self._before(group, request, member_id, out)
        after = _joined(before, request, Requester(client.client_id, client.client_host), subscription)
        reported = _reported(subscription, self._topics)
        change = Change(group, before, after)
        downgrades = existing is not None and self._is_last_of_new_protocol(group, existing, after)
        if downgrades:
            after = self._downgrade(change, reported, now_ms, out)
        else:
            after = self._advancing.advance(change, reported, now_ms, out)
            expect = self._deadlines.expect
            expect(deadlines.SESSION, group.group_id, member_id, now_ms + request.session_timeout_ms)
            expect(deadlines.SYNC, group.group_id, member_id, now_ms + rebalance_timeout_of(request))
        self._deadlines.forget(deadlines.JOIN, group.group_id, member_id)
        out.reply(key, _accepted(after))
        return out

    def _check_join(self, group: ConsumerGroup, member_id: str, request: JoinGroupRequest) -> None:
        if not (self._config.may_upgrade or self._config.may_downgrade):
            raise KafkaError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
        if len(group.members) >= self._config.max_size and member_id not in group.members:
            raise KafkaError(ErrorCode.GROUP_MAX_SIZE_REACHED)
        if not request.protocols or not group.supports_classic(
            request.protocol_type, [protocol.name for protocol in request.protocols]
        ):
            raise KafkaError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)

    def _before(self, group: ConsumerGroup, request: JoinGroupRequest, member_id: str, out: Decision) -> ConsumerMember:
        """The member as it was: new, known, or a static one that comes back without its id."""
        instance_id = request.group_instance_id
        if instance_id is None:
            return group.members.get(member_id) or ConsumerMember(member_id)
        if request.member_id:
            return owner_of_instance(group, instance_id, member_id)
        existing = group.static_member(instance_id)
        if existing is None:
            return ConsumerMember(member_id)
        return returned_static_member(group, existing, member_id, out)

    def _is_last_of_new_protocol(self, group: ConsumerGroup, existing: ConsumerMember, after: ConsumerMember) -> bool:
        """Whether a classic static member takes the place of the only one that spoke the new protocol."""
        if existing.uses_classic_protocol:
            return False
        return self._downgrades.may_follow(
            [after if member is existing else member for member in group.members.values()]
        )

    def _downgrade(self, change: Change, reported: Partitions | None, now_ms: int, out: Decision) -> ConsumerMember:
        """The group becomes classic with this member; it rebalances only if its target is not that of today.

        The subscription may be another one, the topics may have changed, or a new target had to wait.
        """
        group, _, after = change
        rebalance = group.assignment_epoch < self._advancing.raise_epoch(change, out)
        if not rebalance:
            target = group.target_of(after.member_id, after.said.instance_id)
            after = self._advancing.step(change, group.assignment_epoch, target, reported, now_ms, Decision())
        replaced = group.static_members.get(after.said.instance_id or "")
        left = [after if member.member_id == replaced else member for member in group.members.values()]
        out.records.clear()  # The records of the classic group say everything that the replacement's did.
        self._downgrades.downgrade(group, left, now_ms, out, rebalance=rebalance)
        return after

    def sync(self, group: ConsumerGroup, request: SyncGroupRequest, now_ms: int) -> SyncGroupResponse:
        """What the member may have now.

        Raises UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, INCONSISTENT_GROUP_PROTOCOL,
        REBALANCE_IN_PROGRESS.
        """
        member, protocols = self._classic_member(
            group, request.member_id, request.group_instance_id, request.generation_id
        )
        name, metadata = protocols.protocols[0]
        if request.protocol_type not in (None, CONSUMER_GROUP_TYPE) or request.protocol_name not in (None, name):
            raise KafkaError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
        if group.assignment_epoch > member.member_epoch and member.has.state is not MemberState.UNREVOKED_PARTITIONS:
            self._ask_to_rejoin(group, member, now_ms)
            raise KafkaError(ErrorCode.REBALANCE_IN_PROGRESS)
        self._deadlines.forget(deadlines.SYNC, group.group_id, member.member_id)
        self._expect_heartbeat(group, member, protocols, now_ms)
        return SyncGroupResponse(
            error_code=ErrorCode.NONE,
            protocol_type=request.protocol_type,
            protocol_name=request.protocol_name,
            assignment=encode_assignment(without_epochs(member.has.assigned), metadata, self._topics),
        )

    def heartbeat(self, group: ConsumerGroup, request: HeartbeatRequest, now_ms: int) -> ErrorCode:
        """Keep a member alive; REBALANCE_IN_PROGRESS if it is to join again.

        Raises UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION.
        """
        member, protocols = self._classic_member(
            group, request.member_id, request.group_instance_id, request.generation_id
        )
        self._expect_heartbeat(group, member, protocols, now_ms)
        state = member.has.state
        if (
            member.member_epoch < group.assignment_epoch
            or self._nobody_else_assigns(group, now_ms)
            or state is MemberState.UNREVOKED_PARTITIONS
            or (state is MemberState.UNRELEASED_PARTITIONS and not group.waits_for_others(member))
        ):
            self._ask_to_rejoin(group, member, now_ms)
            return ErrorCode.REBALANCE_IN_PROGRESS
        return ErrorCode.NONE

    def _nobody_else_assigns(self, group: ConsumerGroup, now_ms: int) -> bool:
        """Whether a new target may be made, and no member of the new protocol is there whose heartbeat would do it."""
        return (
            group.assignment_epoch < group.group_epoch
            and group.classic_member_count == len(group.members)
            and self._advancing.may_assign(group, now_ms)
        )

    def _classic_member(
        self, group: ConsumerGroup, member_id: str, instance_id: str | None, generation_id: int
    ) -> tuple[ConsumerMember, ClassicProtocols]:
        if instance_id is None:
            member = group.member(member_id)
        else:
            member = owner_of_instance(group, instance_id, member_id)
        if member.said.classic is None:
            raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
        if generation_id != member.member_epoch:
            raise KafkaError(ErrorCode.ILLEGAL_GENERATION)
        return member, member.said.classic

    def _expect_heartbeat(
        self, group: ConsumerGroup, member: ConsumerMember, protocols: ClassicProtocols, now_ms: int
    ) -> None:
        deadline_ms = now_ms + protocols.session_timeout_ms
        self._deadlines.expect(deadlines.SESSION, group.group_id, member.member_id, deadline_ms)

    def _ask_to_rejoin(self, group: ConsumerGroup, member: ConsumerMember, now_ms: int) -> None:
        deadline_ms = now_ms + member.said.rebalance_timeout_ms
        self._deadlines.expect_unless_expected(deadlines.JOIN, group.group_id, member.member_id, deadline_ms)


def _joined(
    before: ConsumerMember, request: JoinGroupRequest, requester: Requester, subscription: ConsumerProtocolSubscription
) -> ConsumerMember:
    """The member as its JoinGroup describes it; a classic member has no regular expression and no assignor."""
    said = before.said._replace(
        instance_id=request.group_instance_id or before.said.instance_id,
        rack_id=subscription.rack_id or before.said.rack_id,
        client_id=requester.client_id,
        client_host=requester.client_host,
        topic_names=frozenset(subscription.topics),
        topic_regex="",
        rebalance_timeout_ms=rebalance_timeout_of(request),
        classic=ClassicProtocols(request.session_timeout_ms, tuple(protocols_of(request.protocols).items())),
    )
    return before._replace(said=said)


def _reported(subscription: ConsumerProtocolSubscription, topics: TopicDirectory) -> Partitions:
    """What the member owns: it has given back everything else. Before version 1 of its protocol that is all."""
    return {
        topic.topic_id: frozenset(part.partitions)
        for part in subscription.owned_partitions
        if part.partitions and (topic := topics.topics.get(part.topic)) is not None
    }


def _accepted(member: ConsumerMember) -> JoinGroupResponse:
    assert member.said.classic is not None
    return JoinGroupResponse(
        error_code=ErrorCode.NONE,
        generation_id=member.member_epoch,
        protocol_type=CONSUMER_GROUP_TYPE,
        protocol_name=member.said.classic.names[0],
        leader="",
        member_id=member.member_id,
        members=[],
    )
