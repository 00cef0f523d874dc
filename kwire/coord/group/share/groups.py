"""The share groups of one shard: ShareGroupHeartbeat, sessions, and where the states of their partitions are (KIP-932).

A pure core like its neighbours. A heartbeat goes through the same steps as a consumer's (`consumer.advancing`), but for
the last one: partitions are shared, so that a member gets its whole target at once. What the persister has to do is an
order, and its outcome a decision of its own. Rules and error precedence: apache/kafka `GroupMetadataManager`.

Invariants, held by the random walks of the tests:
- the group's epoch never falls, is never behind the target's, and that one never behind a member's;
- no target has a partition without a state;
- a fresh core that is fed the log, compacted or not, knows what the live one knows;
- once nothing fails any more every member has its target, every partition that somebody subscribes to is in one, and
  where all subscribe to the same nobody has two more than another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from kwire.coord.decision import Decision
from kwire.coord.group.config import GroupConfig
from kwire.coord.group.kinds import TimerKey
from kwire.coord.group.modern.assignment import NOTHING, Partitions
from kwire.coord.group.modern.assignor import GroupSpec, MemberSpec
from kwire.coord.group.modern.topics import MetadataHashes, TopicDirectory, ids_of
from kwire.coord.group.share import initialization
from kwire.coord.group.share.config import ShareGroupConfig
from kwire.coord.group.share.group import ShareGroup
from kwire.coord.group.share.initialization import InitializeOrder
from kwire.coord.group.share.records import (
    ShareMember,
    StateStages,
    current_assignment_record,
    epoch_record,
    member_tombstones,
    stages_record,
    subscription_record,
    target_epoch_record,
    target_record,
)
from kwire.coord.group.share.simple_assignor import assign_simple
from kwire.coord.records import CoordinatorRecord
from kwire.coord.timers import Timers
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.offset_commit import OffsetCommitRequest
from kwire.wire.messages.offset_fetch import OffsetFetchRequestGroup
from kwire.wire.messages.share_group_heartbeat import (
    Assignment,
    ShareGroupHeartbeatRequest,
    ShareGroupHeartbeatResponse,
    TopicPartitions,
)
from kwire.wire.messages.txn_offset_commit import TxnOffsetCommitRequest

JOIN_EPOCH = 0
LEAVE_EPOCH = -1
SESSION = "share-session"

ASSIGNOR_NAME = "simple"


def open_kind(timers: Timers[TimerKey], config: GroupConfig, topics: TopicDirectory) -> ShareGroups:
    """The share groups of a shard (`kinds`)."""
    return ShareGroups(timers, config, topics)


def heartbeat_refused(error: KafkaError) -> ShareGroupHeartbeatResponse:
    """A heartbeat's answer without a membership."""
    return ShareGroupHeartbeatResponse(
        throttle_time_ms=0,
        error_code=error.code,
        error_message=error.message,
        member_epoch=0,
        heartbeat_interval_ms=0,
    )


class ShareGroups:
    """Share groups by id; an id in `groups` is in no other kind's."""

    __slots__ = ("_config", "_hashes", "_timers", "_topics", "groups")

    def __init__(self, timers: Timers[TimerKey], config: GroupConfig, topics: TopicDirectory) -> None:
        self.groups: dict[str, ShareGroup] = {}
        self._config = ShareGroupConfig(config)
        self._topics = topics
        self._hashes = MetadataHashes(topics)
        self._timers = timers

    @property
    def config(self) -> ShareGroupConfig:
        """The options."""
        return self._config

    # Heartbeats

    def heartbeat(
        self,
        group: ShareGroup,
        request: ShareGroupHeartbeatRequest,
        client: tuple[str, str],
        now_ms: int,
        out: Decision,
    ) -> ShareGroupHeartbeatResponse:
        """A member's heartbeat: it joins (epoch 0), lives on, or leaves (-1). `group` may be new.

        `client` is its id and its host. Raises GROUP_MAX_SIZE_REACHED, UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH.
        """
        member_id = request.member_id
        if request.member_epoch == LEAVE_EPOCH:
            self._leave(group, group.member(member_id), out)
            return ShareGroupHeartbeatResponse(
                throttle_time_ms=0,
                error_code=ErrorCode.NONE,
                member_id=member_id,
                member_epoch=LEAVE_EPOCH,
                heartbeat_interval_ms=0,
            )
        if len(group.members) >= self._config.max_size and member_id not in group.members:
            text = f"The share group has reached its maximum capacity of {self._config.max_size} members."
            raise KafkaError(ErrorCode.GROUP_MAX_SIZE_REACHED, text)
        before = _before(group, request)
        after = _described(before, request, client)
        if member_id not in group.members or not after.says_the_same(before):
            out.records.append(subscription_record(group.group_id, after))
        names = group.names_with(before if member_id in group.members else None, after)
        group_epoch, raised = self._raise_epoch(group, before, after, names, out)
        target_epoch, target = self._target(group, group_epoch, after, now_ms, out)
        after = self._step(group, after, target_epoch, target, raised, out)
        self._timers.schedule((SESSION, group.group_id, member_id), now_ms + self._session_ms(group))
        self._begin_states(group, group_epoch, names, now_ms, out)
        return self._response(group, request, before, after)

    def _raise_epoch(
        self, group: ShareGroup, before: ShareMember, after: ShareMember, names: set[str], out: Decision
    ) -> tuple[int, bool]:
        """The group's epoch, and whether it has risen: subscriptions or topics have changed, states have come to be."""
        must_rise = before.topic_names != after.topic_names
        if group.assignment_epoch >= group.group_epoch:
            must_rise = must_rise or self._lacks_assignment(group)
        if not must_rise and group.metadata_version_seen == self._topics.topics_version:
            return group.group_epoch, False
        new_hash = self._hashes.of(names)
        if not must_rise and new_hash == group.metadata_hash:
            group.metadata_version_seen = self._topics.topics_version
            return group.group_epoch, False
        out.records.append(epoch_record(group.group_id, group.group_epoch + 1, new_hash))
        return group.group_epoch + 1, True

    def _lacks_assignment(self, group: ShareGroup) -> bool:
        """Whether there are states of subscribed partitions that nobody was assigned to yet."""
        return group.lacks_assignment(lambda topic_id: self._topics.topic_by_id(topic_id) is not None)

    def _target(
        self, group: ShareGroup, group_epoch: int, after: ShareMember, now_ms: int, out: Decision
    ) -> tuple[int, Partitions]:
        """The epoch of the target assignment, and the member's target; a new one if it is time."""
        last_ms, interval_ms = group.assignment_timestamp_ms, self._config.assignment_interval_of(group.group_id)
        if group_epoch <= group.assignment_epoch or last_ms <= now_ms < last_ms + interval_ms:
            return group.assignment_epoch, group.targets.get(after.member_id, NOTHING)
        spec = self._specify(group, after)
        assignable = {topic_id: topic.partitions for topic_id, topic in group.known_stages.initialized.items()}
        targets = assign_simple(spec, assignable)
        for member_id in spec.members:
            target = targets.get(member_id, NOTHING)
            if group.targets.get(member_id) != target:
                out.records.append(target_record(group.group_id, member_id, target))
        out.records.append(target_epoch_record(group.group_id, group_epoch, now_ms))
        return group_epoch, targets.get(after.member_id, NOTHING)

    def _specify(self, group: ShareGroup, after: ShareMember) -> GroupSpec:
        ids: dict[frozenset[str], frozenset[bytes]] = {}
        members = {}
        for member in {**group.members, after.member_id: after}.values():
            if member.topic_names not in ids:
                ids[member.topic_names] = ids_of(member.topic_names, self._topics)
            target = group.targets.get(member.member_id, NOTHING)
            members[member.member_id] = MemberSpec(None, ids[member.topic_names], target)
        return GroupSpec(members, {}, len(set(ids.values())) <= 1)

    def _step(
        self,
        group: ShareGroup,
        member: ShareMember,
        target_epoch: int,
        target: Partitions,
        group_has_changed: bool,
        out: Decision,
    ) -> ShareMember:
        """The member with what it has from now on: its target, as far as it subscribes to that."""
        if member.member_epoch == target_epoch and not group_has_changed:
            return member
        subscribed = ids_of(member.topic_names, self._topics)
        assigned = {topic_id: partitions for topic_id, partitions in target.items() if topic_id in subscribed}
        moved = member._replace(assigned=assigned)
        if member.member_epoch != target_epoch:
            moved = moved._replace(member_epoch=target_epoch, previous_member_epoch=member.member_epoch)
        if moved != member:
            out.records.append(current_assignment_record(group.group_id, moved))
        return moved

    def _begin_states(self, group: ShareGroup, epoch: int, names: Iterable[str], now_ms: int, out: Decision) -> None:
        """Have the persister make the states that the group's partitions lack."""
        waits_until_ms = group.states_begun_ms + self._config.initialize_retry_interval_ms
        tries_again = not group.states_begun_ms <= now_ms < waits_until_ms
        stages = group.known_stages
        missing = initialization.missing_states(stages, names, self._topics, tries_again=tries_again)
        if missing:
            group.states_begun_ms = now_ms
            out.records.append(stages_record(group.group_id, initialization.with_initializing(stages, missing)))
            offsets = {topic_id: dict.fromkeys(topic.partitions, -1) for topic_id, topic in missing.items()}
            out.orders.append(InitializeOrder(group.group_id, epoch, offsets))

    def _response(
        self, group: ShareGroup, request: ShareGroupHeartbeatRequest, before: ShareMember, after: ShareMember
    ) -> ShareGroupHeartbeatResponse:
        """The assignment is in it if it changed, and for a full request: the last answer may have been lost."""
        response = ShareGroupHeartbeatResponse(
            throttle_time_ms=0,
            error_code=ErrorCode.NONE,
            member_id=after.member_id,
            member_epoch=after.member_epoch,
            heartbeat_interval_ms=self._config.heartbeat_interval_of(group.group_id),
        )
        is_full = request.subscribed_topic_names is not None
        if request.member_epoch == JOIN_EPOCH or is_full or before.assigned != after.assigned:
            response.assignment = Assignment(
                topic_partitions=[
                    TopicPartitions(topic_id=topic_id, partitions=sorted(partitions))
                    for topic_id, partitions in after.assigned.items()
                ]
            )
        return response

    def _leave(self, group: ShareGroup, member: ShareMember, out: Decision) -> None:
        """Take a member out; the group's epoch rises."""
        out.records += member_tombstones(group.group_id, member.member_id)
        new_hash = self._hashes.of(group.names_with(member, None))
        out.records.append(epoch_record(group.group_id, group.group_epoch + 1, new_hash))
        self._timers.cancel((SESSION, group.group_id, member.member_id))

    # States

    def on_initialized(self, group_id: str, made: Mapping[bytes, Iterable[int]], *, succeeded: bool) -> Decision:
        """The persister has made these states, or could not."""
        out = Decision()
        group = self.groups.get(group_id)
        if group is None:
            return out
        stages = group.known_stages
        if succeeded:
            changed = initialization.with_initialized(stages, made, self._topics)
        else:
            changed = initialization.without_initializing(stages, made)
        if changed != stages:
            out.records.append(stages_record(group_id, changed))
        return out

    def set_stages(self, group_id: str, change: Callable[[StateStages], StateStages]) -> Decision:
        """Store other stages of a group, if it is there and they are others."""
        out = Decision()
        group = self.groups.get(group_id)
        if group is not None and (changed := change(group.known_stages)) != group.known_stages:
            out.records.append(stages_record(group_id, changed))
        return out

    def forget_gone_topics(self) -> Decision:
        """Topics were deleted: nothing is left of their partitions' states."""
        out = Decision(atomic=False)
        for group_id, group in self.groups.items():
            stages = group.known_stages
            known = {*stages.initializing, *stages.initialized, *stages.deleting}
            gone = [topic_id for topic_id in known if self._topics.topic_by_id(topic_id) is None]
            if gone:
                out.records.append(stages_record(group_id, initialization.without_topics(stages, gone)))
        return out

    # The shard's side (`GroupKind`)

    def check_commit(self, request: OffsetCommitRequest, *, knows_member_epochs: bool) -> None:
        """Share groups commit no offsets: GROUP_ID_NOT_FOUND."""
        raise not_a_consumer_group(request.group_id)

    def check_transactional_commit(self, request: TxnOffsetCommitRequest) -> None:
        """As `check_commit`."""
        raise not_a_consumer_group(request.group_id)

    def check_fetch(self, request: OffsetFetchRequestGroup) -> None:
        """Nothing is wrong with asking: there are no offsets."""

    def check_offset_delete(self, group_id: str) -> None:
        """As `check_commit`; an administrator moves a share group by APIs of its own (`ShareGroupOffsets`)."""
        raise not_a_consumer_group(group_id)

    def replay(self, record: CoordinatorRecord) -> None:
        """Bring in one record; a group comes with its first one and goes with its tombstone."""
        group_id = record.key.group_id
        group = self.groups.get(group_id)
        if group is None:
            if record.value is None:
                return
            group = self.groups[group_id] = ShareGroup(group_id)
        if not group.apply(record):
            del self.groups[group_id]

    def on_refused(self, record: CoordinatorRecord, now_ms: int) -> None:
        """The log did not take a record: who was to leave stays, and is heard again."""
        group = self.groups.get(record.key.group_id)
        member_id = getattr(record.key, "member_id", "")
        if record.value is None and group is not None and member_id in group.members:
            self._expect_again(group, member_id, now_ms)

    def on_timer(self, key: TimerKey, now_ms: int) -> Decision:
        """A member was not heard of for its session timeout: it is out."""
        out = Decision()
        _, group_id, member_id = key
        group = self.groups.get(group_id)
        member = None if group is None else group.members.get(member_id)
        if group is not None and member is not None:
            self._leave(group, member, out)
        return out

    def on_loaded(self, now_ms: int) -> None:
        """Every member that the log remembers gets a whole session."""
        for group in self.groups.values():
            for member_id in group.members:
                self._expect_again(group, member_id, now_ms)

    def on_unloaded(self) -> None:
        """Another broker leads the partition."""
        for group in self.groups.values():
            for member_id in group.members:
                self._timers.cancel((SESSION, group.group_id, member_id))
        self.groups.clear()

    def _expect_again(self, group: ShareGroup, member_id: str, now_ms: int) -> None:
        self._timers.schedule((SESSION, group.group_id, member_id), now_ms + self._session_ms(group))

    def _session_ms(self, group: ShareGroup) -> int:
        return self._config.session_timeout_of(group.group_id)


def not_a_consumer_group(group_id: str) -> KafkaError:
    """What is said to consumers of a share group."""
    return KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} is not a consumer group.")


def _before(group: ShareGroup, request: ShareGroupHeartbeatRequest) -> ShareMember:
    """The member as it was: new, or known at this epoch.

    Raises UNKNOWN_MEMBER_ID; FENCED_MEMBER_EPOCH for an epoch that is neither the member's nor the one before, whose
    answer may have been lost. An epoch of 0 joins again.
    """
    epoch = request.member_epoch
    if epoch == JOIN_EPOCH and request.member_id not in group.members:
        return ShareMember(request.member_id)
    member = group.member(request.member_id)
    if epoch > member.member_epoch:
        size = "greater"
    elif epoch not in (JOIN_EPOCH, member.member_epoch, member.previous_member_epoch):
        size = "smaller"
    else:
        return member
    raise KafkaError(
        ErrorCode.FENCED_MEMBER_EPOCH,
        f"The share group member has a {size} member epoch ({epoch}) than the one known by the group coordinator "
        f"({member.member_epoch}). The member must abandon all its partitions and rejoin.",
    )


def _described(before: ShareMember, request: ShareGroupHeartbeatRequest, client: tuple[str, str]) -> ShareMember:
    """The member as its heartbeat describes it; what the request leaves out stays."""
    names = request.subscribed_topic_names
    return before._replace(
        rack_id=before.rack_id if request.rack_id is None else request.rack_id,
        client_id=client[0],
        client_host=client[1],
        topic_names=before.topic_names if names is None else frozenset(names),
    )
