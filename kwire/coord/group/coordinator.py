"""The group coordinator as the API handlers see it: one method per API, a request message in, a response message out.

A method returns the response, or a future of it when it has to wait (for other members, for replicas). No method raises
for what a client did: errors are in the response. API versions stay above; what they change here is an argument.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from kwire.clock import Clock
from kwire.coord.coordinator_log import CoordinatorLog
from kwire.coord.group.config import GroupConfig
from kwire.coord.group.consumer.groups import heartbeat_refused
from kwire.coord.group.consumer.heartbeat_checks import check_heartbeat
from kwire.coord.group.consumer.inspection import describe_failure as describe_consumer_failure
from kwire.coord.group.consumer.member import Requester
from kwire.coord.group.inspection import describe_failure
from kwire.coord.group.members import JoiningClient
from kwire.coord.group.modern.topics import TopicDirectory
from kwire.coord.group.rebalance import join_refused, sync_refused
from kwire.coord.group.shard import GroupShard
from kwire.coord.partitioning import partition_for, partitions_of
from kwire.coord.runtime import Answer, CoordinatorRuntime, OnDemand, when_all
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.wire.messages.consumer_group_describe import DescribedGroup as ConsumerGroupDescription
from kwire.wire.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)
from kwire.wire.messages.delete_groups import DeletableGroupResult, DeleteGroupsResponse
from kwire.wire.messages.describe_groups import DescribedGroup
from kwire.wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from kwire.wire.messages.join_group import JoinGroupRequest, JoinGroupResponse
from kwire.wire.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse
from kwire.wire.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from kwire.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from kwire.wire.messages.offset_delete import OffsetDeleteRequest, OffsetDeleteResponse
from kwire.wire.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchResponseGroup
from kwire.wire.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from kwire.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)

GROUP_METADATA_TOPIC = "__consumer_offsets"


class GroupCoordinator:
    """The groups whose partition of `__consumer_offsets` this broker leads.

    `partition_count()` is that topic's number of partitions as the metadata has it, 0 while it does not exist;
    `ensure_internal_topic()` creates it if need be and returns when its partitions are led; `new_uuid()` is fresh
    randomness for member ids; `topics` are the cluster's, for groups that the coordinator assigns (none without it).
    """

    def __init__(
        self,
        config: GroupConfig,
        log: CoordinatorLog,
        clock: Clock,
        *,
        partition_count: Callable[[], int],
        ensure_internal_topic: Callable[[], Awaitable[None]],
        new_uuid: Callable[[], str],
        topics: TopicDirectory | None = None,
        commit_timeout_ms: int = 5000,
        compression: int = 0,
    ) -> None:
        self._config = config
        self._partition_count = partition_count
        self._new_uuid = new_uuid
        self._ensure_internal_topic = OnDemand(ensure_internal_topic)
        self.take_order: Callable[[Any], None] = _nobody_takes_orders
        self._runtime: CoordinatorRuntime[GroupShard] = CoordinatorRuntime(
            GROUP_METADATA_TOPIC,
            lambda: GroupShard(config, topics),
            log,
            clock,
            commit_timeout_ms=commit_timeout_ms,
            compression=compression,
            on_order=lambda partition, leader_epoch, order: self.take_order(order),
        )

    # Where groups live

    @property
    def topic_exists(self) -> bool:
        """Whether `__consumer_offsets` has been created."""
        return self._partition_count() > 0

    @property
    def runtime(self) -> CoordinatorRuntime[GroupShard]:
        """The shards, for the requests of groups of further kinds (`<kind>/coordinator.py`)."""
        return self._runtime

    async def ensure_topic(self) -> None:
        """Create `__consumer_offsets` unless it exists; whoever asks meanwhile waits for the same creation."""
        if not self.topic_exists:
            await self._ensure_internal_topic()

    def partition_for(self, group_id: str) -> int:
        """The partition that coordinates this group; -1 while there are none."""
        count = self._partition_count()
        return partition_for(group_id, count) if count else -1

    def on_elected(self, partition: int, leader_epoch: int) -> None:
        """This broker leads the partition from now on."""
        self._runtime.on_elected(partition, leader_epoch)

    def on_resigned(self, partition: int) -> None:
        """This broker leads the partition no more."""
        self._runtime.on_resigned(partition)

    def on_partitions_deleted(self, deleted: Iterable[TopicPartition]) -> None:
        """Topics were deleted: forget what groups committed for them."""
        doomed = frozenset(deleted)
        for partition in self._runtime.partitions():
            self._runtime.act(partition, lambda shard, now_ms: shard.delete_partitions(doomed))

    def stop(self) -> None:
        """Tell everybody who waits to look for another coordinator. The log holds everything that counts."""
        self._runtime.stop()

    # Membership

    def join_group(self, request: JoinGroupRequest, client: JoiningClient) -> Answer[JoinGroupResponse]:
        """JoinGroup: INVALID_GROUP_ID, INVALID_SESSION_TIMEOUT, and what `Joining.join` names."""
        config = self._config
        if not request.group_id:
            return join_refused(ErrorCode.INVALID_GROUP_ID, request.member_id)
        if not config.min_session_timeout_ms <= request.session_timeout_ms <= config.max_session_timeout_ms:
            return join_refused(ErrorCode.INVALID_SESSION_TIMEOUT, request.member_id)
        member_uuid = self._new_uuid()
        return self._runtime.perform(
            self.partition_for(request.group_id),
            lambda shard, key, now_ms: shard.join(request, client, member_uuid, key, now_ms),
            lambda code: join_refused(code, request.member_id),
        )

    def sync_group(self, request: SyncGroupRequest) -> Answer[SyncGroupResponse]:
        """SyncGroup: INVALID_GROUP_ID, and what `ClassicGroups.sync` names."""
        if not request.group_id:
            return sync_refused(ErrorCode.INVALID_GROUP_ID)
        return self._runtime.perform(
            self.partition_for(request.group_id),
            lambda shard, key, now_ms: shard.sync(request, key, now_ms),
            sync_refused,
        )

    def heartbeat(self, request: HeartbeatRequest) -> Answer[HeartbeatResponse]:
        """Heartbeat: INVALID_GROUP_ID, and what `ClassicGroups.heartbeat` names.

        While the group is loading the answer is NONE: its members get a whole new session afterwards anyway.
        """
        if not request.group_id:
            return HeartbeatResponse(error_code=ErrorCode.INVALID_GROUP_ID)

        def ask(shard: GroupShard, now_ms: int) -> HeartbeatResponse:
            return HeartbeatResponse(error_code=shard.heartbeat(request, now_ms))

        return self._runtime.read(self.partition_for(request.group_id), ask, _heartbeat_refused)

    def leave_group(self, request: LeaveGroupRequest) -> Answer[LeaveGroupResponse]:
        """LeaveGroup of `request.members` (a single member of v0-2 is put there by the handler)."""
        if not request.group_id:
            return LeaveGroupResponse(error_code=ErrorCode.INVALID_GROUP_ID, members=[])
        return self._runtime.perform(
            self.partition_for(request.group_id),
            lambda shard, key, now_ms: shard.leave(request, key, now_ms),
            lambda code: LeaveGroupResponse(error_code=code, members=[]),
        )

    def consumer_group_heartbeat(
        self, request: ConsumerGroupHeartbeatRequest, requester: Requester, *, makes_member_id: bool
    ) -> Answer[ConsumerGroupHeartbeatResponse]:
        """ConsumerGroupHeartbeat: what `check_heartbeat` and `GroupShard.consumer_heartbeat` name.

        `makes_member_id`: the client has none of its own (v0).
        """
        try:
            check_heartbeat(request, self._config.consumer, makes_member_id=makes_member_id)
        except KafkaError as error:
            return heartbeat_refused(error)
        partition = self.partition_for(request.group_id)
        idle: Any = self._runtime.read(
            partition, lambda shard, now_ms: shard.consumer.idle_heartbeat(request, requester, now_ms), _not_a_member
        )
        if idle is not None:
            return idle  # type: ignore[no-any-return]  # what is left of its type
        new_member_id = "" if request.member_id else self._new_uuid()
        return self._runtime.perform(
            partition,
            lambda shard, key, now_ms: shard.consumer_heartbeat(request, requester, new_member_id, key, now_ms),
            _not_a_member,
        )

    # Offsets

    def commit_offsets(
        self,
        request: OffsetCommitRequest,
        *,
        unknown_group: ErrorCode = ErrorCode.ILLEGAL_GENERATION,
        knows_member_epochs: bool = True,
    ) -> Answer[OffsetCommitResponse]:
        """OffsetCommit by topic names. A request-level error stands on every partition of the answer."""
        return self._runtime.perform(
            self.partition_for(request.group_id),
            lambda shard, key, now_ms: shard.commit_offsets(
                request,
                unknown_group=unknown_group,
                knows_member_epochs=knows_member_epochs,
                key=key,
                now_ms=now_ms,
            ),
            lambda code: commit_refused(request, code),
        )

    def fetch_offsets(self, group: OffsetFetchRequestGroup, require_stable: bool) -> Answer[OffsetFetchResponseGroup]:
        """One group of an OffsetFetch, by topic names; null topics mean all."""
        return self._runtime.read(
            self.partition_for(group.group_id),
            lambda shard, now_ms: shard.fetch_offsets(group, require_stable),
            lambda code: OffsetFetchResponseGroup(group_id=group.group_id, topics=[], error_code=code),
        )

    def commit_transactional_offsets(self, request: TxnOffsetCommitRequest) -> Answer[TxnOffsetCommitResponse]:
        """TxnOffsetCommit by a producer that the transaction coordinator has let through.

        INVALID_GROUP_ID, and what `GroupShard.commit_transactional_offsets` names, on every partition.
        """
        if not request.group_id:
            return txn_commit_refused(request, ErrorCode.INVALID_GROUP_ID)
        return self._runtime.perform(
            self.partition_for(request.group_id),
            lambda shard, key, now_ms: shard.commit_transactional_offsets(request, key, now_ms),
            lambda code: txn_commit_refused(request, code),
        )

    def end_transaction(self, partition: int, batch: bytearray, producer_id: int, committed: bool) -> None:
        """Append a marker to a partition of `__consumer_offsets`: the producer's offsets there count now, or never.

        Raises KafkaError as `CoordinatorRuntime.end_transaction`.
        """
        self._runtime.end_transaction(partition, batch, producer_id=producer_id, committed=committed)

    def delete_offsets(self, request: OffsetDeleteRequest) -> Answer[OffsetDeleteResponse]:
        """OffsetDelete: INVALID_GROUP_ID, and what `GroupShard.delete_offsets` names."""

        def refuse(code: ErrorCode) -> OffsetDeleteResponse:
            return OffsetDeleteResponse(error_code=code, throttle_time_ms=0, topics=[])

        if not request.group_id:
            return refuse(ErrorCode.INVALID_GROUP_ID)
        return self._runtime.perform(
            self.partition_for(request.group_id),
            lambda shard, key, now_ms: shard.delete_offsets(request, key),
            refuse,
        )

    # Groups as a whole

    def describe_groups(self, group_ids: list[str]) -> Answer[list[DescribedGroup]]:
        """DescribeGroups: each group once; an unknown one is Dead."""

        def describe(partition: int, ids: list[str]) -> Answer[list[DescribedGroup]]:
            return self._runtime.read(
                partition,
                lambda shard, now_ms: shard.describe(ids),
                lambda code: [describe_failure(group_id, code) for group_id in ids],
            )

        answers = [describe(partition, ids) for partition, ids in self._by_partition(group_ids)]
        return when_all(answers, lambda parts: [group for part in parts for group in part])

    def describe_consumer_groups(self, group_ids: list[str]) -> Answer[list[ConsumerGroupDescription]]:
        """ConsumerGroupDescribe: each group once; INVALID_GROUP_ID, GROUP_ID_NOT_FOUND."""

        def describe(partition: int, ids: list[str]) -> Answer[list[ConsumerGroupDescription]]:
            return self._runtime.read(
                partition,
                lambda shard, now_ms: shard.describe_consumer_groups(ids),
                lambda code: [describe_consumer_failure(group_id, code) for group_id in ids],
            )

        nameless = [describe_consumer_failure(name, ErrorCode.INVALID_GROUP_ID) for name in group_ids if not name]
        named = self._by_partition(group_id for group_id in group_ids if group_id)
        answers = [describe(partition, ids) for partition, ids in named]
        return when_all(answers, lambda parts: nameless[:1] + [group for part in parts for group in part])

    def list_groups(self, request: ListGroupsRequest) -> Answer[ListGroupsResponse]:
        """ListGroups of every partition led here; one that is still loading fails the whole."""

        def ask(shard: GroupShard, now_ms: int) -> ListGroupsResponse:
            groups = shard.list_groups(request.states_filter, request.types_filter)
            return ListGroupsResponse(error_code=ErrorCode.NONE, groups=groups)

        def finish(parts: list[ListGroupsResponse]) -> ListGroupsResponse:
            for part in parts:
                if part.error_code != ErrorCode.NONE:
                    return part
            return ListGroupsResponse(
                error_code=ErrorCode.NONE, groups=[group for part in parts for group in part.groups]
            )

        return when_all(
            [self._runtime.read(partition, ask, _listing_refused) for partition in self._runtime.partitions()], finish
        )

    def delete_groups(self, group_ids: list[str]) -> Answer[DeleteGroupsResponse]:
        """DeleteGroups: per group GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP."""

        def delete(partition: int, ids: list[str]) -> Answer[DeleteGroupsResponse]:
            return self._runtime.perform(
                partition,
                lambda shard, key, now_ms: shard.delete_groups(ids, key),
                lambda code: DeleteGroupsResponse(
                    throttle_time_ms=0,
                    results=[DeletableGroupResult(group_id=group_id, error_code=code) for group_id in ids],
                ),
            )

        answers = [delete(partition, ids) for partition, ids in self._by_partition(group_ids)]
        return when_all(
            answers,
            lambda parts: DeleteGroupsResponse(
                throttle_time_ms=0, results=[result for part in parts for result in part.results]
            ),
        )

    def _by_partition(self, group_ids: Iterable[str]) -> Iterable[tuple[int, list[str]]]:
        return partitions_of(group_ids, self.partition_for).items()


def commit_refused(request: OffsetCommitRequest, code: ErrorCode) -> OffsetCommitResponse:
    """An OffsetCommit's answer with `code` on every partition: the API has no other place for it."""
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name=topic.name,
                topic_id=topic.topic_id,
                partitions=[
                    OffsetCommitResponsePartition(partition_index=partition.partition_index, error_code=code)
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


def txn_commit_refused(request: TxnOffsetCommitRequest, code: ErrorCode) -> TxnOffsetCommitResponse:
    """A TxnOffsetCommit's answer with `code` on every partition."""
    return TxnOffsetCommitResponse(
        throttle_time_ms=0,
        topics=[
            TxnOffsetCommitResponseTopic(
                name=topic.name,
                partitions=[
                    TxnOffsetCommitResponsePartition(partition_index=partition.partition_index, error_code=code)
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ],
    )


def _nobody_takes_orders(order: Any) -> None:
    raise AssertionError(f"nobody is there for {order}")


def _not_a_member(code: ErrorCode) -> ConsumerGroupHeartbeatResponse:
    return heartbeat_refused(KafkaError(code))


def _heartbeat_refused(code: ErrorCode) -> HeartbeatResponse:
    if code is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
        code = ErrorCode.NONE
    return HeartbeatResponse(error_code=code)


def _listing_refused(code: ErrorCode) -> ListGroupsResponse:
    """A partition that could not be loaded has no groups here; one that is loading may have some."""
    if code is ErrorCode.NOT_COORDINATOR:
        code = ErrorCode.NONE
    return ListGroupsResponse(error_code=code, groups=[])
