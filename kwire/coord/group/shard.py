"""The pure core of one partition of `__consumer_offsets`: its groups and their offsets.

Every method takes the instant and returns what to do (`Decision`) or what is known; the runtime does the rest. `replay`
is the only writer of what the log holds, live and while loading. There are classic groups and consumer groups (KIP-848)
over the same offsets, and `kinds` that few brokers meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kwire.coord.decision import Decision, ReplyKey
from kwire.coord.formats import GROUP_FORMATS, RecordFormat
from kwire.coord.group import inspection, retention
from kwire.coord.group.classic_group import ClassicGroup
from kwire.coord.group.consumer import deadlines
from kwire.coord.group.consumer.inspection import describe_consumer_group, list_consumer_groups
from kwire.coord.group.consumer.offset_checks import check_commit, check_fetch, check_transactional_commit
from kwire.coord.group.kinds import ModernGroup
from kwire.coord.group.membership import Membership
from kwire.coord.group.rebalance import SESSION, TimerKey
from kwire.coord.group.states import GroupState
from kwire.coord.records import CoordinatorRecord
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.wire.messages.consumer_group_describe import DescribedGroup as ConsumerGroupDescription
from kwire.wire.messages.delete_groups import DeletableGroupResult, DeleteGroupsResponse
from kwire.wire.messages.describe_groups import DescribedGroup
from kwire.wire.messages.group_records import GroupMetadataKey, GroupMetadataValue, OffsetCommitKey
from kwire.wire.messages.list_groups import ListedGroup
from kwire.wire.messages.offset_commit import OffsetCommitRequest
from kwire.wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)
from kwire.wire.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchResponseGroup
from kwire.wire.messages.txn_offset_commit import TxnOffsetCommitRequest

CLEAN_UP_KEY: TimerKey = ("clean-up", "", "")


class GroupShard(Membership):
    """All groups whose id hashes to one partition."""

    __slots__ = ()

    formats: Mapping[int, RecordFormat] = GROUP_FORMATS

    # Offsets

    def commit_offsets(
        self,
        request: OffsetCommitRequest,
        *,
        unknown_group: ErrorCode,
        knows_member_epochs: bool = True,
        key: ReplyKey,
        now_ms: int,
    ) -> Decision:
        """Store offsets of a member, or by hand for a group without members.

        Raises KafkaError: `unknown_group` (a generation of a group that does not exist), UNKNOWN_MEMBER_ID,
        FENCED_INSTANCE_ID, ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS (the assignment is not known yet), and what
        `check_commit` of a consumer group, or of another kind, names.
        """
        consumer_group = self.consumer.groups.get(request.group_id)
        group = self.groups.get(request.group_id)
        kind = self.kinds.of_group(request.group_id)
        if consumer_group is not None:
            check_commit(consumer_group, request, self._topics, knows_member_epochs=knows_member_epochs)
        elif kind is not None:
            kind.check_commit(request, knows_member_epochs=knows_member_epochs)
        elif group is None:
            if request.generation_id_or_member_epoch >= 0:
                raise KafkaError(unknown_group)
        else:
            _check_commit(group, request)
            self.classic.keep_session(group, request.member_id, now_ms)
        return self.offsets.commit(request, key, now_ms)

    def commit_transactional_offsets(self, request: TxnOffsetCommitRequest, key: ReplyKey, now_ms: int) -> Decision:
        """Store offsets that count once the producer's transaction commits (KIP-98, KIP-447).

        Raises KafkaError: ILLEGAL_GENERATION (also for a generation of a group that does not exist), UNKNOWN_MEMBER_ID,
        FENCED_INSTANCE_ID. Older clients name neither member nor generation: theirs are stored unchecked.
        """
        consumer_group = self.consumer.groups.get(request.group_id)
        group = self.groups.get(request.group_id)
        kind = self.kinds.of_group(request.group_id)
        if consumer_group is not None or kind is not None:
            try:
                if kind is not None:
                    kind.check_transactional_commit(request)
                elif consumer_group is not None:
                    check_transactional_commit(consumer_group, request, self._topics)
            except KafkaError as error:
                # This request has no version that knows of member epochs (apache/kafka `OffsetMetadataManager`).
                is_stale = error.code is ErrorCode.STALE_MEMBER_EPOCH
                raise KafkaError(ErrorCode.ILLEGAL_GENERATION if is_stale else error.code) from None
        elif group is None:
            if request.generation_id >= 0:
                raise KafkaError(ErrorCode.ILLEGAL_GENERATION)
        else:
            _check_transactional_commit(group, request)
        return self.offsets.commit_in_transaction(request, key, now_ms)

    def fetch_offsets(self, request: OffsetFetchRequestGroup, require_stable: bool) -> OffsetFetchResponseGroup:
        """See `GroupOffsets.fetch`. An unknown group has no offsets; a classic member is not looked at.

        Raises UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH, ILLEGAL_GENERATION for members of other groups.
        """
        group = self.consumer.groups.get(request.group_id)
        kind = self.kinds.of_group(request.group_id)
        if group is not None:
            check_fetch(group, request)
        elif kind is not None:
            kind.check_fetch(request)
        return self.offsets.fetch(request, require_stable)

    def delete_offsets(self, request: OffsetDeleteRequest, key: ReplyKey) -> Decision:
        """Forget offsets, except of topics that a member consumes (GROUP_SUBSCRIBED_TO_TOPIC, KIP-496).

        Raises GROUP_ID_NOT_FOUND, also for share groups, which commit none; NON_EMPTY_GROUP for members that are no
        consumers: their topics are unknown.
        """
        kind = self.kinds.of_group(request.group_id)
        if kind is not None:
            kind.check_offset_delete(request.group_id)
        group: ClassicGroup | ModernGroup | None = self.groups.get(request.group_id)
        if isinstance(group, ClassicGroup):
            if group.state is not GroupState.EMPTY and not group.uses_consumer_protocol:
                raise KafkaError(ErrorCode.NON_EMPTY_GROUP)
        else:
            group = self._modern_group(request.group_id)
        if group is None:
            raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND)
        out = Decision()
        topics = []
        for topic in request.topics:
            code = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC if group.is_subscribed_to(topic.name) else ErrorCode.NONE
            answers = []
            for partition in topic.partitions:
                index = partition.partition_index
                if code is ErrorCode.NONE:
                    self.offsets.delete(request.group_id, topic.name, index, out)
                answers.append(OffsetDeleteResponsePartition(partition_index=index, error_code=code))
            topics.append(OffsetDeleteResponseTopic(name=topic.name, partitions=answers))
        out.reply(key, OffsetDeleteResponse(error_code=ErrorCode.NONE, throttle_time_ms=0, topics=topics))
        return out

    def delete_partitions(self, deleted: frozenset[TopicPartition]) -> Decision:
        """Forget the offsets of partitions that exist no more."""
        out = Decision(atomic=False)
        self.offsets.delete_partitions(deleted, out)
        return out

    # Groups as a whole

    def describe(self, group_ids: Iterable[str]) -> list[DescribedGroup]:
        """See `inspection.describe`. Of a group of another kind it shows nothing."""
        return [
            inspection.describe_other_kind(group_id)
            if self._modern_group(group_id) is not None
            else inspection.describe(group_id, self.groups.get(group_id))
            for group_id in group_ids
        ]

    def describe_consumer_groups(self, group_ids: Iterable[str]) -> list[ConsumerGroupDescription]:
        """See `describe_consumer_group`; GROUP_ID_NOT_FOUND for groups of another kind, too."""
        found = []
        for group_id in group_ids:
            group = self.consumer.groups.get(group_id)
            is_other = group_id in self.groups or self.kinds.of_group(group_id) is not None
            reason = f"Group {group_id} is not a consumer group." if is_other else None
            found.append(describe_consumer_group(group_id, group, reason, self._config.consumer, self._topics))
        return found

    def list_groups(self, states: list[str], types: list[str]) -> list[ListedGroup]:
        """See `inspection.list_groups`."""
        return [
            *inspection.list_groups(self.groups.values(), states, types),
            *list_consumer_groups(self.consumer.groups.values(), states, types),
            *self.kinds.list_groups(states, types),
        ]

    def delete_groups(self, group_ids: Iterable[str], key: ReplyKey) -> Decision:
        """Forget groups with all their offsets; per group GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP."""
        out = Decision()
        results = []
        for group_id in group_ids:
            group = self.groups.get(group_id)
            modern_group = self._modern_group(group_id)
            code = ErrorCode.NONE
            if modern_group is not None and modern_group.is_empty:
                self.offsets.delete_all(group_id, out)
                out.records += modern_group.tombstones()
            elif group is not None and group.state is GroupState.EMPTY:
                self.offsets.delete_all(group_id, out)
                out.record(GroupMetadataKey(group=group_id), None)
            else:
                is_unknown = group is None and modern_group is None
                code = ErrorCode.GROUP_ID_NOT_FOUND if is_unknown else ErrorCode.NON_EMPTY_GROUP
            results.append(DeletableGroupResult(group_id=group_id, error_code=code))
        out.reply(key, DeleteGroupsResponse(throttle_time_ms=0, results=results))
        return out

    # The runtime's side

    def replay(self, record: CoordinatorRecord, producer_id: int, now_ms: int) -> None:
        """Make one record of the log true; `producer_id` is that of its transaction, -1 outside of one."""
        key, value = record
        if isinstance(key, OffsetCommitKey):
            if value is not None and self._modern_group(key.group) is None:
                self._remember_simple(key.group)
            self.offsets.replay(key, value, producer_id)
        elif isinstance(key, GroupMetadataKey):
            self._replay_classic(key.group, value, now_ms)
        else:
            self._replay_modern(key.group_id, record, now_ms)

    def _replay_classic(self, group_id: str, value: GroupMetadataValue | None, now_ms: int) -> None:
        group = self.groups.get(group_id)
        downgraded = self.consumer.downgrades.pending.pop(group_id, None) if value is not None else None
        if value is None:
            if group is not None:
                self.classic.remove_group(group, ErrorCode.UNKNOWN_MEMBER_ID, now_ms, Decision())
        elif self._loading or group is None or downgraded is not None:
            self.groups[group_id] = ClassicGroup.restore(group_id, value)
            if downgraded is not None:
                self.classic.on_downgraded(self.groups[group_id], downgraded, now_ms)
        else:
            group.persist(value)
            self.classic.on_stored(group)

    def _replay_modern(self, group_id: str, record: CoordinatorRecord, now_ms: int) -> None:
        simple = self.groups.get(group_id)
        if record.value is not None and simple is not None:
            # Offsets came first. (A group that was stored as a classic one was taken back before.)
            self.classic.remove_group(simple, ErrorCode.UNKNOWN_MEMBER_ID, now_ms, Decision())
        kind = self.kinds.of_record(record.key)
        if kind is not None:
            kind.replay(record)
        else:
            self.consumer.replay(group_id, record)
        if record.value is None and self._modern_group(group_id) is None and self.offsets.has_offsets(group_id):
            self._remember_simple(group_id)

    def _modern_group(self, group_id: str) -> ModernGroup | None:
        """The group, if the coordinator assigns its members."""
        return self.consumer.groups.get(group_id) or self.kinds.group(group_id)

    def _remember_simple(self, group_id: str) -> None:
        """The log knows of the group by its offsets: it stays until the clean-up, even if they go before."""
        group = self.groups.get(group_id)
        if group is None:
            group = self.groups[group_id] = ClassicGroup(group_id)
        group.is_persisted = True

    def on_refused(self, decision: Decision, code: ErrorCode, now_ms: int) -> Decision:
        """The log did not take the records: a generation that waited for them is given up, and nobody has left."""
        out = Decision()
        for key, value in decision.records:
            if isinstance(key, OffsetCommitKey):
                continue
            if isinstance(key, GroupMetadataKey):
                self.consumer.downgrades.pending.pop(key.group, None)
                group = self.groups.get(key.group)
                if group is not None:
                    self.classic.on_refused(group, code, now_ms, out)
                continue
            if self._modern_group(key.group_id) is not None and key.group_id in self.groups:
                # It was to take the empty group's place.
                self.classic.remove_group(self.groups[key.group_id], code, now_ms, out)
            kind = self.kinds.of_record(key)
            if kind is not None:
                kind.on_refused(CoordinatorRecord(key, value), now_ms)
            else:
                self.consumer.on_refused(CoordinatorRecord(key, value), now_ms)
        return out

    def replay_marker(self, producer_id: int, committed: bool) -> None:
        """A transaction that committed offsets here has ended."""
        self.offsets.replay_marker(producer_id, committed)

    def on_loaded(self, now_ms: int) -> Decision:
        """The log is read to its end: sessions begin anew, and so does the clean-up's interval."""
        self._loading = False
        out = Decision()
        self.classic.on_loaded(self._config.max_size, now_ms, out)
        self.consumer.on_loaded(now_ms)
        for kind in self.kinds:
            kind.on_loaded(now_ms)
        self._schedule_clean_up(now_ms)
        return out

    def on_unloaded(self, now_ms: int) -> Decision:
        """Another broker leads the partition: everybody who waits has to find it."""
        out = Decision()
        for group in list(self.groups.values()):
            self.classic.remove_group(group, ErrorCode.NOT_COORDINATOR, now_ms, out)
        self.consumer.on_unloaded()
        for kind in self.kinds:
            kind.on_unloaded()
        self.timers.cancel(CLEAN_UP_KEY)
        return out

    def on_timer(self, key: TimerKey, now_ms: int) -> Decision:
        """A deadline of `timers` has come."""
        if key == CLEAN_UP_KEY:
            self._schedule_clean_up(now_ms)
            retention_ms = self._config.offsets_retention_ms
            out = retention.expire(self.groups.values(), self.offsets, retention_ms, now_ms)
            retention.expire_modern_groups(self.consumer.groups.values(), self.offsets, retention_ms, now_ms, out)
            for kind in self.kinds.expiring():
                retention.expire_modern_groups(kind.groups.values(), self.offsets, retention_ms, now_ms, out)
            return out
        if key[0] in deadlines.KINDS:
            return self.consumer.on_timer(key, now_ms)
        owner = self.kinds.of_timer(key)
        if owner is not None:
            return owner.on_timer(key, now_ms)
        decision = self.classic.on_timer(key, now_ms)
        if key[0] == SESSION:
            self._drop_if_vacant(key[1])
        return decision

    def _schedule_clean_up(self, now_ms: int) -> None:
        self.timers.schedule(CLEAN_UP_KEY, now_ms + self._config.offsets_retention_check_interval_ms)


def _check_commit(group: ClassicGroup, request: OffsetCommitRequest) -> None:
    """Whether this group takes an offset commit of this sender (apache/kafka `ClassicGroup.validateOffsetCommit`)."""
    generation_id, member_id, instance_id = (
        request.generation_id_or_member_epoch,
        request.member_id,
        request.group_instance_id,
    )
    if generation_id < 0 and group.state is GroupState.EMPTY:
        return
    if generation_id >= 0 or member_id or instance_id is not None:
        group.check_member(member_id, instance_id)
        if generation_id != group.generation_id:
            raise KafkaError(ErrorCode.ILLEGAL_GENERATION)
    else:
        raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
    if group.state is GroupState.COMPLETING_REBALANCE:
        raise KafkaError(ErrorCode.REBALANCE_IN_PROGRESS)


def _check_transactional_commit(group: ClassicGroup, request: TxnOffsetCommitRequest) -> None:
    """As `_check_commit`, but that a rebalance stops nobody: the transaction's end has to come in time as well."""
    is_named = request.generation_id >= 0 or request.member_id or request.group_instance_id is not None
    if not is_named or (request.generation_id < 0 and group.state is GroupState.EMPTY):
        return
    group.check_member(request.member_id, request.group_instance_id)
    if request.generation_id != group.generation_id:
        raise KafkaError(ErrorCode.ILLEGAL_GENERATION)
