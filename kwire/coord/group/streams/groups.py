"""The Streams groups of one shard: StreamsGroupHeartbeat and deadlines (KIP-1071).

A pure core like its neighbours. Rules and error precedence: apache/kafka `GroupMetadataManager`.

Invariants, held by the random walks of the tests:
- an active task runs in one process at most, and a process has a task in one role and one member at most: in the
  coordinator's eyes, and in those of the members that it knows;
- a member believes that it has no more than the coordinator does;
- the group's epoch never falls, is never behind the target's, and that one never behind a member's;
- a fresh core that is fed the log, compacted or not, knows what the live one knows;
- once nothing fails any more the group becomes Stable, every task runs, copies are as many as asked for, and nobody
  runs two tasks more than another.
"""

from __future__ import annotations

from typing import NamedTuple

from kwire.coord.decision import Decision
from kwire.coord.group.config import GroupConfig
from kwire.coord.group.kinds import TimerKey
from kwire.coord.group.modern.topics import TopicDirectory
from kwire.coord.group.streams import offset_checks
from kwire.coord.group.streams.advancing import Advanced, Advancing, Change
from kwire.coord.group.streams.config import StreamsGroupConfig
from kwire.coord.group.streams.deadlines import INITIAL, REVOCATION, SESSION
from kwire.coord.group.streams.endpoints import partitions_by_endpoint
from kwire.coord.group.streams.group import StreamsGroup
from kwire.coord.group.streams.heartbeat_checks import check_epoch, reported_tasks
from kwire.coord.group.streams.internal_topics import InternalTopic, Status
from kwire.coord.group.streams.member import JOIN_EPOCH, Description, Requester, StreamsMember
from kwire.coord.group.streams.reconciliation import MemberState
from kwire.coord.group.streams.records import epoch_record, member_tombstones
from kwire.coord.group.streams.tasks import TaskMap
from kwire.coord.group.streams.topology import topology_of
from kwire.coord.records import CoordinatorRecord
from kwire.coord.timers import Timers
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.offset_commit import OffsetCommitRequest
from kwire.wire.messages.offset_fetch import OffsetFetchRequestGroup
from kwire.wire.messages.streams_group_heartbeat import Status as StatusMessage
from kwire.wire.messages.streams_group_heartbeat import (
    StreamsGroupHeartbeatRequest,
    StreamsGroupHeartbeatResponse,
    StreamsGroupHeartbeatResponseTaskIds,
)
from kwire.wire.messages.txn_offset_commit import TxnOffsetCommitRequest


class HeartbeatResult(NamedTuple):
    """A heartbeat's answer, and the internal topics that somebody has to create."""

    response: StreamsGroupHeartbeatResponse
    missing_topics: tuple[InternalTopic, ...] = ()


def open_kind(timers: Timers[TimerKey], config: GroupConfig, topics: TopicDirectory) -> StreamsGroups:
    """The kind of a shard."""
    return StreamsGroups(timers, StreamsGroupConfig(config.get, config.group_overrides), topics)


def heartbeat_refused(error: KafkaError) -> StreamsGroupHeartbeatResponse:
    """A heartbeat's answer without a membership."""
    return StreamsGroupHeartbeatResponse(
        throttle_time_ms=0,
        error_code=error.code,
        error_message=error.message,
        member_id="",
        member_epoch=0,
        heartbeat_interval_ms=0,
        acceptable_recovery_lag=0,
        task_offset_interval_ms=0,
        status=[],
        endpoint_information_epoch=0,
    )


class StreamsGroups:
    """The Streams groups of one shard, by id; an id in `groups` is in no other kind's."""

    __slots__ = ("_advancing", "_config", "_timers", "_topics", "groups")

    def __init__(self, timers: Timers[TimerKey], config: StreamsGroupConfig, topics: TopicDirectory) -> None:
        self.groups: dict[str, StreamsGroup] = {}
        self._timers = timers
        self._config = config
        self._topics = topics
        self._advancing = Advancing(timers, config, topics)

    # Heartbeats

    def heartbeat(
        self,
        group: StreamsGroup,
        request: StreamsGroupHeartbeatRequest,
        requester: Requester,
        now_ms: int,
        out: Decision,
    ) -> HeartbeatResult:
        """A member's heartbeat: it joins (epoch 0), lives on, or leaves (-1). `group` may be new.

        Raises GROUP_MAX_SIZE_REACHED, UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, INVALID_REQUEST,
        STREAMS_INVALID_TOPOLOGY. What was put into `out` before is void then.
        """
        if request.member_epoch < JOIN_EPOCH:
            return self._leave(group, request, out)
        member_id = request.member_id
        joins = request.member_epoch == JOIN_EPOCH
        if joins and len(group.members) >= self._config.max_size:
            text = f"The streams group has reached its maximum capacity of {self._config.max_size} members."
            raise KafkaError(ErrorCode.GROUP_MAX_SIZE_REACHED, text)
        known = group.members.get(member_id)
        before = StreamsMember(member_id) if known is None and joins else group.member(member_id)
        reported = reported_tasks(request)
        check_epoch(before, request.member_epoch, reported)
        after = _described(before, request, requester)
        topology = None if request.topology is None else topology_of(request.topology)
        advanced = self._advancing.advance(Change(group, before, after, topology, reported), now_ms, out)
        timeout_ms = self._config.session_timeout_of(group.group_id)
        self._timers.schedule((SESSION, group.group_id, member_id), now_ms + timeout_ms)
        if request.shutdown_application:
            _shut_down(group, member_id)
        response = self._response(group, request, before, advanced)
        return HeartbeatResult(response, tuple(advanced.configured.missing))

    def _response(
        self, group: StreamsGroup, request: StreamsGroupHeartbeatRequest, before: StreamsMember, advanced: Advanced
    ) -> StreamsGroupHeartbeatResponse:
        """Tasks are in it if they changed, if the member joins or says what it has; endpoints if it knows others.

        A member says what it has once it has come to its target, and when it has lost an answer. As that may have been
        the one with its new tasks, it gets them again, as a consumer does for a full request.
        """
        after = advanced.member
        response = StreamsGroupHeartbeatResponse(
            throttle_time_ms=0,
            error_code=ErrorCode.NONE,
            member_id=after.member_id,
            member_epoch=after.member_epoch,
            heartbeat_interval_ms=self._config.heartbeat_interval_of(group.group_id),
            acceptable_recovery_lag=0,
            task_offset_interval_ms=0,
            status=[StatusMessage(status_code=part.status, status_detail=part.text) for part in advanced.problems],
            endpoint_information_epoch=0,
        )
        is_changed = request.member_epoch == JOIN_EPOCH or before.has.assigned != after.has.assigned
        if is_changed or request.active_tasks is not None:
            tasks = after.has.assigned.without_epochs()
            response.active_tasks = _messages(tasks.active)
            response.standby_tasks = _messages(tasks.standby)
            response.warmup_tasks = _messages(tasks.warmup)
        if is_changed and after.said.endpoint is not None:
            group.endpoint_epoch += 1
        if group.endpoint_epoch != request.endpoint_information_epoch:
            response.partitions_by_user_endpoint = partitions_by_endpoint(group, after, self._topics)
        if group.group_id in self.groups:
            response.endpoint_information_epoch = group.endpoint_epoch
        if group.shutdown_requested_by is not None:
            assert response.status is not None
            text = (
                f"Streams group member {group.shutdown_requested_by} encountered a fatal error and requested a "
                "shutdown for the entire application."
            )
            response.status.append(StatusMessage(status_code=Status.SHUTDOWN_APPLICATION, status_detail=text))
        return response

    # Departures

    def _leave(self, group: StreamsGroup, request: StreamsGroupHeartbeatRequest, out: Decision) -> HeartbeatResult:
        member = group.member(request.member_id)
        if request.shutdown_application:
            _shut_down(group, member.member_id)
        self._fence(group, member, out)
        return HeartbeatResult(
            StreamsGroupHeartbeatResponse(
                throttle_time_ms=0,
                error_code=ErrorCode.NONE,
                member_id=request.member_id,
                member_epoch=request.member_epoch,
                heartbeat_interval_ms=0,
                acceptable_recovery_lag=0,
                task_offset_interval_ms=0,
                status=[],
                endpoint_information_epoch=0,
            )
        )

    def _fence(self, group: StreamsGroup, member: StreamsMember, out: Decision) -> None:
        """Take a member out: the group's epoch rises."""
        self._forget(group.group_id, member.member_id)
        out.records += member_tombstones(group.group_id, member.member_id)
        out.records.append(
            epoch_record(
                group.group_id,
                group.group_epoch + 1,
                group.metadata_hash,
                group.validated_topology_epoch,
                group.assignment_options,
            )
        )

    def _forget(self, group_id: str, member_id: str) -> None:
        for kind in (SESSION, REVOCATION):
            self._timers.cancel((kind, group_id, member_id))

    # Offsets

    def check_commit(self, request: OffsetCommitRequest, *, knows_member_epochs: bool) -> None:
        """See `offset_checks.check_commit`."""
        offset_checks.check_commit(self.groups[request.group_id], request, knows_member_epochs=knows_member_epochs)

    def check_transactional_commit(self, request: TxnOffsetCommitRequest) -> None:
        """See `offset_checks.check_transactional_commit`."""
        offset_checks.check_transactional_commit(self.groups[request.group_id], request)

    def check_fetch(self, request: OffsetFetchRequestGroup) -> None:
        """See `offset_checks.check_fetch`."""
        offset_checks.check_fetch(self.groups[request.group_id], request)

    def check_offset_delete(self, group_id: str) -> None:
        """Nothing is wrong with it, but for topics that a member consumes."""

    # The shard's side

    def replay(self, record: CoordinatorRecord) -> None:
        """Bring in one record; the group comes with its first one and goes with its tombstone."""
        group_id = record.key.group_id
        group = self.groups.get(group_id)
        if group is None:
            if record.value is None:
                return
            group = self.groups[group_id] = StreamsGroup(group_id)
        if not group.apply(record):
            del self.groups[group_id]
            self._timers.cancel((INITIAL, group_id, ""))

    def on_refused(self, record: CoordinatorRecord, now_ms: int) -> None:
        """A member whose departure the log did not take is expected again."""
        group = self.groups.get(record.key.group_id)
        member = None if group is None else group.members.get(getattr(record.key, "member_id", ""))
        if group is not None and member is not None and record.value is None:
            self._expect_again(group, member, now_ms)

    def on_timer(self, key: TimerKey, now_ms: int) -> Decision:
        """A deadline of one of the groups has come; one that is of no importance any more leads to nothing."""
        kind, group_id, member_id = key
        out = Decision()
        group = self.groups.get(group_id)
        if group is None:
            return out
        if kind == INITIAL:
            return self._advancing.assign_after_delay(group, now_ms)
        member = group.members.get(member_id)
        if member is None or (kind == REVOCATION and member.has.state is not MemberState.UNREVOKED_TASKS):
            return out
        self._fence(group, member, out)
        return out

    def on_loaded(self, now_ms: int) -> None:
        """Every member that the log remembers gets a whole session, and a whole timeout to give back."""
        for group in self.groups.values():
            for member in group.members.values():
                self._expect_again(group, member, now_ms)

    def _expect_again(self, group: StreamsGroup, member: StreamsMember, now_ms: int) -> None:
        timeout_ms = self._config.session_timeout_of(group.group_id)
        self._timers.schedule((SESSION, group.group_id, member.member_id), now_ms + timeout_ms)
        if member.has.state is MemberState.UNREVOKED_TASKS:
            revocation_ms = now_ms + member.said.rebalance_timeout_ms
            self._timers.schedule((REVOCATION, group.group_id, member.member_id), revocation_ms)

    def on_unloaded(self) -> None:
        """Another broker leads the partition."""
        for group in self.groups.values():
            for member_id in group.members:
                self._forget(group.group_id, member_id)
            self._timers.cancel((INITIAL, group.group_id, ""))
        self.groups.clear()


def _shut_down(group: StreamsGroup, member_id: str) -> None:
    """The application is to stop; the first member that says so is the one that all are told of."""
    if group.shutdown_requested_by is None:
        group.shutdown_requested_by = member_id


def _described(before: StreamsMember, request: StreamsGroupHeartbeatRequest, requester: Requester) -> StreamsMember:
    """The member as its heartbeat describes it; what the request leaves out stays."""
    said = before.said
    endpoint, tags = said.endpoint, said.client_tags
    if request.user_endpoint is not None:
        endpoint = (request.user_endpoint.host, request.user_endpoint.port)
    if request.client_tags is not None:
        tags = tuple(sorted({tag.key: tag.value for tag in request.client_tags}.items()))
    new = Description(
        None,
        said.rack_id if request.rack_id is None else request.rack_id,
        requester.client_id,
        requester.client_host,
        said.rebalance_timeout_ms if request.rebalance_timeout_ms == -1 else request.rebalance_timeout_ms,
        said.topology_epoch if request.topology is None else request.topology.epoch,
        said.process_id if request.process_id is None else request.process_id,
        endpoint,
        tags,
    )
    return before if new == said else before._replace(said=new)


def _messages(tasks: TaskMap) -> list[StreamsGroupHeartbeatResponseTaskIds]:
    return [
        StreamsGroupHeartbeatResponseTaskIds(subtopology_id=name, partitions=sorted(numbers))
        for name, numbers in sorted(tasks.items())
    ]
