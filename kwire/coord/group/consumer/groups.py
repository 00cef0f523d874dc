"""The consumer groups of one shard: ConsumerGroupHeartbeat, deadlines, regular expressions (KIP-848).

A pure core like its classic neighbour. Rules and error precedence: apache/kafka `GroupMetadataManager`.

Invariants, held by the random walks of the tests:
- no partition has two owners: neither in the coordinator's eyes nor in those of the members that it knows;
- a member believes that it owns no more than the coordinator does;
- the group's epoch never falls, is never behind the target's, and that one never behind a member's;
- a fresh core that is fed the log, compacted or not, knows what the live one knows;
- once nothing fails any more the group becomes Stable, every partition has an owner, nobody two more than another.
"""

from __future__ import annotations

from kwire.coord.decision import Decision
from kwire.coord.group.config import GroupConfig
from kwire.coord.group.consumer import deadlines
from kwire.coord.group.consumer.advancing import Advancing, Change
from kwire.coord.group.consumer.classic_members import ClassicMembers
from kwire.coord.group.consumer.deadlines import Deadlines, TimerKey
from kwire.coord.group.consumer.departures import Departures, owner_of_instance
from kwire.coord.group.consumer.group import ConsumerGroup
from kwire.coord.group.consumer.idle import is_idle
from kwire.coord.group.consumer.member import (
    JOIN_EPOCH,
    LEAVE_EPOCH,
    LEAVE_STATIC_EPOCH,
    ConsumerMember,
    Requester,
)
from kwire.coord.group.consumer.migration import Downgrades
from kwire.coord.group.consumer.records import ResolvedRegex, epoch_record, regex_record
from kwire.coord.group.consumer.regex import RegexRefresh, refresh_is_due
from kwire.coord.group.consumer.static_members import returned_static_member
from kwire.coord.group.modern.assignment import Partitions, is_subset, partitions_from
from kwire.coord.group.modern.reconciliation import MemberState
from kwire.coord.group.modern.topics import MetadataHashes, TopicDirectory
from kwire.coord.records import CoordinatorRecord
from kwire.coord.timers import Timers
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.consumer_group_heartbeat import (
    Assignment,
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    ConsumerGroupHeartbeatResponseTopicPartitions,
)
from kwire.wire.messages.consumer_group_records import ConsumerGroupRegularExpressionKey

NEXT_SLICE_AFTER_MS = 1


def heartbeat_refused(error: KafkaError) -> ConsumerGroupHeartbeatResponse:
    """A heartbeat's answer without a membership."""
    return ConsumerGroupHeartbeatResponse(
        throttle_time_ms=0,
        error_code=error.code,
        error_message=error.message,
        member_epoch=0,
        heartbeat_interval_ms=0,
    )


class ConsumerGroups:
    """The consumer groups of one shard, by id; an id in `groups` is in no other kind's."""

    __slots__ = (
        "_advancing",
        "_config",
        "_deadlines",
        "_hashes",
        "_refreshes",
        "_topics",
        "classic_members",
        "departures",
        "downgrades",
        "groups",
    )

    def __init__(self, timers: Timers[TimerKey], config: GroupConfig, topics: TopicDirectory) -> None:
        self.groups: dict[str, ConsumerGroup] = {}
        self._config = config.consumer
        self._topics = topics
        self._hashes = MetadataHashes(topics)
        self._deadlines = Deadlines(timers)
        self._refreshes: dict[str, RegexRefresh] = {}
        self._advancing = Advancing(self._deadlines, config.consumer, topics, self._hashes)
        self.downgrades = Downgrades(self._deadlines, config, topics)
        self.departures = Departures(self._deadlines, self._hashes, self.downgrades)
        self.classic_members = ClassicMembers(
            self._deadlines, config.consumer, topics, self._advancing, self.downgrades
        )

    # Heartbeats

    def idle_heartbeat(
        self, request: ConsumerGroupHeartbeatRequest, requester: Requester, now_ms: int
    ) -> ConsumerGroupHeartbeatResponse | None:
        """The answer of `heartbeat` to a member that goes on as it is (`is_idle`), None for any other heartbeat."""
        group_id, member_id = request.group_id, request.member_id
        group = self.groups.get(group_id)
        member = None if group is None else group.members.get(member_id)
        if (
            group is None
            or member is None
            or not is_idle(group, member, request, requester, self._topics.topics_version)
        ):
            return None
        timeout_ms = self._config.session_timeout_of(group_id)
        self._deadlines.expect(deadlines.SESSION, group_id, member_id, now_ms + timeout_ms)
        return ConsumerGroupHeartbeatResponse(
            throttle_time_ms=0,
            error_code=ErrorCode.NONE,
            member_id=member_id,
            member_epoch=request.member_epoch,
            heartbeat_interval_ms=self._config.heartbeat_interval_of(group_id),
        )

    def heartbeat(
        self,
        group: ConsumerGroup,
        request: ConsumerGroupHeartbeatRequest,
        requester: Requester,
        new_member_id: str,
        now_ms: int,
        out: Decision,
    ) -> ConsumerGroupHeartbeatResponse:
        """A member's heartbeat: it joins (epoch 0), lives on, or leaves (-1, -2). `group` may be new.

        Raises GROUP_MAX_SIZE_REACHED, UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, FENCED_INSTANCE_ID,
        UNRELEASED_INSTANCE_ID, INVALID_REGULAR_EXPRESSION. What was put into `out` before is void then.
        """
        if request.member_epoch in (LEAVE_EPOCH, LEAVE_STATIC_EPOCH):
            self.departures.leave(group, request, now_ms, out)
            return ConsumerGroupHeartbeatResponse(
                throttle_time_ms=0,
                error_code=ErrorCode.NONE,
                member_id=request.member_id,
                member_epoch=request.member_epoch,
                heartbeat_interval_ms=0,
            )
        member_id = request.member_id or new_member_id
        if len(group.members) >= self._config.max_size and member_id not in group.members:
            text = f"The consumer group has reached its maximum capacity of {self._config.max_size} members."
            raise KafkaError(ErrorCode.GROUP_MAX_SIZE_REACHED, text)
        reported = None if request.topic_partitions is None else partitions_from(request.topic_partitions)
        before = self._before(group, request, member_id, reported, out)
        change = Change(group, before, _described(before, request, requester))
        after = self._advancing.advance(change, reported, now_ms, out)
        self._refresh_regexes(change, now_ms)
        timeout_ms = self._config.session_timeout_of(group.group_id)
        self._deadlines.expect(deadlines.SESSION, group.group_id, member_id, now_ms + timeout_ms)
        return self._response(group, request, before, after)

    def _before(
        self,
        group: ConsumerGroup,
        request: ConsumerGroupHeartbeatRequest,
        member_id: str,
        reported: Partitions | None,
        out: Decision,
    ) -> ConsumerMember:
        """The member as it was: new, known at this epoch, or a static one that has come back."""
        epoch, instance_id = request.member_epoch, request.instance_id
        if instance_id is None:
            member = group.members.get(member_id)
            if member is None and epoch == JOIN_EPOCH:
                return ConsumerMember(member_id)
            member = member or group.member(member_id)
        elif epoch == JOIN_EPOCH:
            existing = group.static_member(instance_id)
            if existing is None:
                return group.members.get(member_id) or ConsumerMember(member_id)
            if existing.member_epoch != LEAVE_STATIC_EPOCH and not existing.uses_classic_protocol:
                raise KafkaError(
                    ErrorCode.UNRELEASED_INSTANCE_ID,
                    f"Static member {member_id} with instance id {instance_id} cannot join the group because the "
                    f"instance id is owned by {existing.member_id} member.",
                )
            return returned_static_member(group, existing, member_id, out)
        else:
            member = owner_of_instance(group, instance_id, member_id)
        _check_epoch(member, epoch, reported)
        return member

    def _response(
        self,
        group: ConsumerGroup,
        request: ConsumerGroupHeartbeatRequest,
        before: ConsumerMember,
        after: ConsumerMember,
    ) -> ConsumerGroupHeartbeatResponse:
        """The assignment is in it if it changed, and for a full request: the last answer may have been lost."""
        response = ConsumerGroupHeartbeatResponse(
            throttle_time_ms=0,
            error_code=ErrorCode.NONE,
            member_id=after.member_id,
            member_epoch=after.member_epoch,
            heartbeat_interval_ms=self._config.heartbeat_interval_of(group.group_id),
        )
        is_full = (
            request.rebalance_timeout_ms != -1
            and (request.subscribed_topic_names is not None or request.subscribed_topic_regex is not None)
            and request.topic_partitions is not None
        )
        if request.member_epoch == JOIN_EPOCH or is_full or before.has.assigned != after.has.assigned:
            response.assignment = Assignment(
                topic_partitions=[
                    ConsumerGroupHeartbeatResponseTopicPartitions(topic_id=topic_id, partitions=sorted(partitions))
                    for topic_id, partitions in after.has.assigned.items()
                ]
            )
        return response

    # Regular expressions

    def _refresh_regexes(self, change: Change, now_ms: int) -> None:
        """Begin to resolve the group's expressions if it is time; nothing of it delays this request."""
        group_id = change.group.group_id
        if not (change.group.regex_counts or change.after.said.topic_regex) or group_id in self._refreshes:
            return
        regexes = frozenset(change.regex_counts())
        if refresh_is_due(change.group, regexes, self._topics, self._config, now_ms):
            self._refreshes[group_id] = RegexRefresh(regexes, self._topics, now_ms)
            self._deadlines.expect(deadlines.REGEX, group_id, "", now_ms)

    def _go_on_resolving(self, group_id: str, now_ms: int) -> Decision:
        refresh = self._refreshes[group_id]
        group = self.groups.get(group_id)
        if group is not None and not refresh.step():
            self._deadlines.expect(deadlines.REGEX, group_id, "", now_ms + NEXT_SLICE_AFTER_MS)
            return Decision()
        del self._refreshes[group_id]
        return Decision() if group is None else self._resolved(group, refresh)

    def _resolved(self, group: ConsumerGroup, refresh: RegexRefresh) -> Decision:
        """Store what was found; other topics mean another epoch.

        The epoch goes first: should the log take only a part, the next refresh finds the rest changed.
        """
        out = Decision(atomic=False)
        found = {
            regex: ResolvedRegex(frozenset(topics), refresh.version, refresh.started_ms)
            for regex, topics in refresh.resolved.items()
            if regex in group.regex_counts
        }
        names = set(group.name_counts).union(*(resolved.topics for resolved in {**group.resolved, **found}.values()))
        known = {regex: resolved.topics for regex, resolved in group.resolved.items()}
        changed = any(known.get(regex, frozenset()) != resolved.topics for regex, resolved in found.items())
        new_hash = self._hashes.of(names)
        if changed or new_hash != group.metadata_hash:
            out.records.append(epoch_record(group.group_id, group.group_epoch + 1, new_hash))
        out.records += [regex_record(group.group_id, regex, resolved) for regex, resolved in found.items()]
        group.regex_version_seen = refresh.version
        return out

    # The shard's side

    def replay(self, group_id: str, record: CoordinatorRecord) -> None:
        """Bring in one record; the group comes with its first one and goes with its tombstone."""
        group = self.groups.get(group_id)
        if group is None:
            if record.value is None:
                return
            group = self.groups[group_id] = ConsumerGroup(group_id)
        if not group.apply(record):
            del self.groups[group_id]

    def on_refused(self, record: CoordinatorRecord, now_ms: int) -> None:
        """The log did not take a record: who was to leave is expected again, topics that were found are looked for."""
        group = self.groups.get(record.key.group_id)
        if group is None:
            return
        if isinstance(record.key, ConsumerGroupRegularExpressionKey):
            group.regex_version_seen = -1
        member = group.members.get(getattr(record.key, "member_id", ""))
        if record.value is None and member is not None:
            self.expect_again(group, member, now_ms)

    def on_timer(self, key: TimerKey, now_ms: int) -> Decision:
        """A deadline of one of the groups has come; one that is of no importance any more leads to nothing."""
        kind, group_id, member_id = key
        if kind == deadlines.REGEX:
            return self._go_on_resolving(group_id, now_ms) if group_id in self._refreshes else Decision()
        out = Decision()
        group = self.groups.get(group_id)
        member = None if group is None else group.members.get(member_id)
        if group is None or member is None:
            return out
        if kind == deadlines.REVOCATION and not _is_to_give_back(member):
            return out
        self.departures.fence(group, [member], now_ms, out)
        return out

    def on_loaded(self, now_ms: int) -> None:
        """Every member that the log remembers gets a whole session, and a whole timeout to give back."""
        for group in self.groups.values():
            for member in group.members.values():
                self.expect_again(group, member, now_ms)

    def expect_again(self, group: ConsumerGroup, member: ConsumerMember, now_ms: int) -> None:
        """Set the deadlines of a member anew: after loading, or when the log refused its departure."""
        classic = member.said.classic
        timeout_ms = self._config.session_timeout_of(group.group_id)
        if classic is not None:
            timeout_ms = classic.session_timeout_ms
        elif member.has.state is MemberState.UNREVOKED_PARTITIONS:
            revocation_ms = now_ms + member.said.rebalance_timeout_ms
            self._deadlines.expect(deadlines.REVOCATION, group.group_id, member.member_id, revocation_ms)
        self._deadlines.expect(deadlines.SESSION, group.group_id, member.member_id, now_ms + timeout_ms)

    def on_unloaded(self) -> None:
        """Another broker leads the partition."""
        for group in self.groups.values():
            for member_id in group.members:
                self._deadlines.forget_member(group.group_id, member_id)
            self._deadlines.forget(deadlines.REGEX, group.group_id, "")
        self._refreshes.clear()
        self.groups.clear()


def _described(before: ConsumerMember, request: ConsumerGroupHeartbeatRequest, requester: Requester) -> ConsumerMember:
    """The member as its heartbeat describes it; what the request leaves out stays."""
    said = before.said
    new = said._replace(
        instance_id=said.instance_id if request.instance_id is None else request.instance_id,
        rack_id=said.rack_id if request.rack_id is None else request.rack_id,
        rebalance_timeout_ms=(
            said.rebalance_timeout_ms if request.rebalance_timeout_ms == -1 else request.rebalance_timeout_ms
        ),
        server_assignor=said.server_assignor if request.server_assignor is None else request.server_assignor,
        topic_names=(
            said.topic_names if request.subscribed_topic_names is None else frozenset(request.subscribed_topic_names)
        ),
        topic_regex=said.topic_regex if request.subscribed_topic_regex is None else request.subscribed_topic_regex,
        client_id=requester.client_id,
        client_host=requester.client_host,
        classic=None,
    )
    return before if new == said else before._replace(said=new)


def _is_to_give_back(member: ConsumerMember) -> bool:
    """Whether the member owes partitions; a static one that left for a while gave up those when it went."""
    return member.has.state is MemberState.UNREVOKED_PARTITIONS and member.member_epoch != LEAVE_STATIC_EPOCH


def _check_epoch(member: ConsumerMember, epoch: int, reported: Partitions | None) -> None:
    """Raises FENCED_MEMBER_EPOCH for an epoch that is not the member's. Anybody may join again at epoch 0.

    The one before is taken from a member that owns nothing else than it should: the answer with the new epoch may
    have been lost.
    """
    has = member.has
    if epoch in (JOIN_EPOCH, has.member_epoch):
        return
    was_lost = epoch == has.previous_member_epoch and reported is not None and is_subset(reported, has.assigned)
    if epoch > has.member_epoch or not was_lost:
        size = "greater" if epoch > has.member_epoch else "smaller"
        raise KafkaError(
            ErrorCode.FENCED_MEMBER_EPOCH,
            f"The consumer group member has a {size} member epoch ({epoch}) than the one known by the group "
            f"coordinator ({has.member_epoch}). The member must abandon all its partitions and rejoin.",
        )
