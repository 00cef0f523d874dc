"""Share groups as the API handlers see them: heartbeats, descriptions, and the states that members make necessary.

It works on the shards of the group coordinator and on the persister, this broker's share coordinator. No method
raises for what a client did: errors are in the response. (KIP-932; apache/kafka `GroupCoordinatorService`.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Protocol, TypeVar, cast

from kwire.coord.answers import Answer, OnDemand, settled, when_all
from kwire.coord.decision import Decision, ReplyKey
from kwire.coord.group.coordinator import GroupCoordinator
from kwire.coord.group.modern.topics import TopicDirectory
from kwire.coord.group.shard import GroupShard
from kwire.coord.group.share.group import ShareGroup
from kwire.coord.group.share.groups import JOIN_EPOCH, LEAVE_EPOCH, ShareGroups, heartbeat_refused
from kwire.coord.group.share.initialization import InitializeOrder, StartOffsets, under_way
from kwire.coord.group.share.inspection import describe_failure, describe_share_group
from kwire.coord.partitioning import partitions_of
from kwire.coord.share.shard import Outcome
from kwire.coord.share.state import ShareKey
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.share_group_describe import DescribedGroup
from kwire.wire.messages.share_group_heartbeat import ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse

KIND = "share"

R = TypeVar("R")


class StatePersister(Protocol):
    """Where the states of share partitions are kept; see `PatientPersister`."""

    async def ensure_topic(self) -> None: ...

    def initialize_one(self, key: ShareKey, state_epoch: int, start_offset: int) -> Answer[Outcome]: ...

    def delete_one(self, key: ShareKey) -> Answer[Outcome]: ...

    def summary_of(self, key: ShareKey) -> Answer[Outcome]: ...


def check_heartbeat(request: ShareGroupHeartbeatRequest) -> None:
    """What a ShareGroupHeartbeat must look like, whatever group it is for. Raises INVALID_REQUEST."""
    text = None
    if not request.member_id.strip():
        text = "MemberId can't be empty."
    elif not request.group_id.strip():
        text = "GroupId can't be empty."
    elif request.rack_id is not None and not request.rack_id.strip():
        text = "RackId can't be empty."
    elif request.member_epoch == JOIN_EPOCH and not request.subscribed_topic_names:
        text = "SubscribedTopicNames must be set in first request."
    elif request.member_epoch < LEAVE_EPOCH:
        text = "MemberEpoch is invalid."
    if text is not None:
        raise KafkaError(ErrorCode.INVALID_REQUEST, text)


class ShareGroupCoordinator:
    """The share groups among the groups of a coordinator."""

    def __init__(self, groups: GroupCoordinator, persister: StatePersister, topics: TopicDirectory) -> None:
        self.groups = groups
        self.persister = persister
        self.topics = topics
        self._orders: dict[str, list[InitializeOrder]] = {}
        self._makers: dict[str, OnDemand] = {}
        groups.take_order = self._take_order

    # Heartbeats

    def heartbeat(
        self, request: ShareGroupHeartbeatRequest, client: tuple[str, str]
    ) -> Answer[ShareGroupHeartbeatResponse]:
        """ShareGroupHeartbeat of the client with this id and host.

        What `check_heartbeat` and `ShareGroups.heartbeat` name; GROUP_ID_NOT_FOUND for a group of another kind, and for
        one that does not exist unless the member joins.
        """
        try:
            check_heartbeat(request)
        except KafkaError as error:
            return heartbeat_refused(error)

        def decide(shard: GroupShard, key: ReplyKey, now_ms: int) -> Decision:
            out = Decision()
            try:
                group = share_group(shard, request.group_id, may_be_new=request.member_epoch == JOIN_EPOCH)
                out.reply(key, share_groups(shard).heartbeat(group, request, client, now_ms, out))
            except KafkaError as error:
                out = Decision()
                out.reply(key, heartbeat_refused(error))
            return out

        return self.perform(request.group_id, decide, lambda code: heartbeat_refused(KafkaError(code)))

    def has_orders(self, group_id: str) -> bool:
        """Whether states have to be made for the group, or are being made."""
        return group_id in self._orders or group_id in self._makers

    def _take_order(self, order: InitializeOrder) -> None:
        self._orders.setdefault(order.group_id, []).append(order)

    async def after_heartbeat(
        self,
        answer: Answer[ShareGroupHeartbeatResponse],
        request: ShareGroupHeartbeatRequest,
        client: tuple[str, str],
    ) -> ShareGroupHeartbeatResponse:
        """The heartbeat's answer once the states are made that it has asked for.

        Apache Kafka answers before that, and the member gets its partitions with its next heartbeat, five seconds
        later. Here that heartbeat is played at once, so that a group begins without this wait.
        """
        response = await settled(answer)
        if not self.has_orders(request.group_id):
            return response
        await self._make_for_everybody(request.group_id)
        if response.error_code != ErrorCode.NONE or request.member_epoch == LEAVE_EPOCH:
            return response
        following = ShareGroupHeartbeatRequest(
            group_id=request.group_id, member_id=request.member_id, member_epoch=response.member_epoch
        )
        later = await settled(self.heartbeat(following, client))
        if later.error_code != ErrorCode.NONE:
            return response
        if later.assignment is None:
            later.assignment = response.assignment
        return later

    async def _make_for_everybody(self, group_id: str) -> None:
        """Have the persister make what is ordered for the group, once for all members that wait for it.

        What is ordered while an earlier order is made belongs to it: nobody else would see to that.
        """
        maker = self._makers.get(group_id)
        if maker is None:

            async def make() -> None:
                try:
                    while orders := self._orders.pop(group_id, None):
                        for order in orders:
                            await self._make(order)
                finally:
                    del self._makers[group_id]

            maker = self._makers[group_id] = OnDemand(make)
        await maker()

    async def _make(self, order: InitializeOrder) -> None:
        """Make what the group still waits for: it may have been deleted since, and begun again at a lower epoch."""

        def ask(shard: GroupShard, now_ms: int) -> StartOffsets:
            group = share_groups(shard).groups.get(order.group_id)
            if group is None or group.group_epoch < order.state_epoch:
                return {}
            return under_way(group.known_stages, order.start_offsets)

        with suppress(KafkaError):  # Who makes the states meets the same trouble, and notes it.
            await self.persister.ensure_topic()
        partition = self.groups.partition_for(order.group_id)
        nothing: StartOffsets = {}
        wanted = await settled(self.groups.runtime.read(partition, ask, lambda code: nothing))
        if wanted:
            await self.make_states(order._replace(start_offsets=wanted))

    async def make_states(self, order: InitializeOrder) -> KafkaError | None:
        """Have the persister make these states, and note the outcome; the first thing that failed."""
        failure: KafkaError | None = None
        try:
            await self.persister.ensure_topic()
            answers = [
                self.persister.initialize_one(
                    ShareKey(order.group_id, topic_id, partition), order.state_epoch, start_offset
                )
                for topic_id, offsets in order.start_offsets.items()
                for partition, start_offset in offsets.items()
            ]
            for answer in answers:
                outcome = await settled(answer)
                failure = failure or outcome.error
        except KafkaError as error:
            failure = error
        made: Mapping[bytes, Iterable[int]] = order.start_offsets
        self.act(order.group_id, lambda shares: shares.on_initialized(order.group_id, made, succeeded=failure is None))
        return failure

    # Looking on

    def describe(self, group_ids: list[str]) -> Answer[list[DescribedGroup]]:
        """ShareGroupDescribe: each group once; INVALID_GROUP_ID, GROUP_ID_NOT_FOUND."""

        def describe(partition: int, ids: list[str]) -> Answer[list[DescribedGroup]]:
            def ask(shard: GroupShard, now_ms: int) -> list[DescribedGroup]:
                return [self._described(shard, group_id) for group_id in ids]

            return self.groups.runtime.read(
                partition, ask, lambda code: [describe_failure(group_id, code) for group_id in ids]
            )

        nameless = [describe_failure(name, ErrorCode.INVALID_GROUP_ID) for name in group_ids if not name]
        named = partitions_of((name for name in group_ids if name), self.groups.partition_for)
        answers = [describe(partition, ids) for partition, ids in named.items()]
        return when_all(answers, lambda parts: nameless[:1] + [group for part in parts for group in part])

    def _described(self, shard: GroupShard, group_id: str) -> DescribedGroup:
        found = shard.kinds.met(KIND)
        group = None if found is None else cast(ShareGroups, found).groups.get(group_id)
        is_other = group is None and has_group(shard, group_id)
        return describe_share_group(group_id, group, is_other_kind=is_other, topics=self.topics)

    # Shards

    def perform(
        self,
        group_id: str,
        decide: Callable[[GroupShard, ReplyKey, int], Decision],
        refuse: Callable[[ErrorCode], R],
    ) -> Answer[R]:
        """A decision of the group's shard; see `CoordinatorRuntime.perform`."""
        return self.groups.runtime.perform(self.groups.partition_for(group_id), decide, refuse)

    def act(self, group_id: str, decide: Callable[[ShareGroups], Decision]) -> None:
        """A decision that nobody waits for."""
        partition = self.groups.partition_for(group_id)
        self.groups.runtime.act(partition, lambda shard, now_ms: decide(share_groups(shard)))

    def on_topics_deleted(self, deleted: Any = None) -> None:
        """Topics were deleted: groups forget the states of their partitions."""
        for partition in self.groups.runtime.partitions():
            self.groups.runtime.act(partition, lambda shard, now_ms: share_groups(shard).forget_gone_topics())


def share_groups(shard: GroupShard) -> ShareGroups:
    """The shard's share groups."""
    return cast(ShareGroups, shard.kinds.kind(KIND))


def has_group(shard: GroupShard, group_id: str) -> bool:
    """Whether there is a group of this id, of whatever kind."""
    return group_id in shard.groups or group_id in shard.consumer.groups or shard.kinds.group(group_id) is not None


def share_group(shard: GroupShard, group_id: str, *, may_be_new: bool) -> ShareGroup:
    """The group, or a new one. Raises GROUP_ID_NOT_FOUND."""
    group = share_groups(shard).groups.get(group_id)
    if group is not None:
        return group
    if has_group(shard, group_id):
        raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} is not a share group.")
    if not may_be_new:
        raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, f"Share group {group_id} not found.")
    return ShareGroup(group_id)
