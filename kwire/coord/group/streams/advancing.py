"""From what a member says to where it stands: the steps that every StreamsGroupHeartbeat goes through.

1. What the member says is stored if it is new; so is the topology of the group's first member.
2. The topology is laid over the topics there are, if those have changed.
3. If a member, the topics, the verdict on the topology or the assignor's options have changed, the group's epoch rises.
4. If it is ahead of the target assignment's, a new target is made: not while an empty group waits for more members
   (`group.streams.initial.rebalance.delay.ms`), and not more often than `group.streams.assignment.interval.ms` allows.
5. The member takes its next step towards its target.

(apache/kafka `GroupMetadataManager.streamsGroupHeartbeat`, steps as there.)
"""

from __future__ import annotations

from typing import NamedTuple

from kwire.coord.decision import Decision
from kwire.coord.group.kinds import TimerKey
from kwire.coord.group.modern.topics import MetadataHashes, TopicDirectory
from kwire.coord.group.streams.assignor import GroupSpec, MemberSpec, SubtopologySpec, assign_sticky
from kwire.coord.group.streams.config import NUM_STANDBY_REPLICAS, StreamsGroupConfig
from kwire.coord.group.streams.deadlines import INITIAL, REVOCATION
from kwire.coord.group.streams.group import NO_TOPOLOGY_EPOCH, StreamsGroup
from kwire.coord.group.streams.heartbeat_checks import check_tasks_exist
from kwire.coord.group.streams.internal_topics import ConfiguredTopology, Problem, Status, configure
from kwire.coord.group.streams.member import StreamsMember
from kwire.coord.group.streams.reconciliation import MemberState, Reconciliation, reconcile
from kwire.coord.group.streams.records import (
    current_tasks_record,
    description_record,
    epoch_record,
    target_epoch_record,
    target_record,
    topology_record,
)
from kwire.coord.group.streams.tasks import NOTHING, Tasks
from kwire.coord.group.streams.topology import Topology
from kwire.coord.timers import Timers
from kwire.errors import ErrorCode, KafkaError


class Change(NamedTuple):
    """A heartbeat's change: the member before and after it, the topology it brings, the tasks it says it has.

    `before` is an empty member if it is new. `group` knows only what was before.
    """

    group: StreamsGroup
    before: StreamsMember
    after: StreamsMember
    topology: Topology | None
    reported: Tasks | None


class Advanced(NamedTuple):
    """Where the steps led: the member, the topology over the topics, what the member is to be told."""

    member: StreamsMember
    configured: ConfiguredTopology
    problems: list[Problem]


class Advancing:
    """The steps, over the topics there are. What is to be stored goes to `out`."""

    __slots__ = ("_config", "_hashes", "_timers", "_topics")

    def __init__(self, timers: Timers[TimerKey], config: StreamsGroupConfig, topics: TopicDirectory) -> None:
        self._timers = timers
        self._config = config
        self._topics = topics
        self._hashes = MetadataHashes(topics)

    def advance(self, change: Change, now_ms: int, out: Decision) -> Advanced:
        """All steps. Raises INVALID_REQUEST, STREAMS_INVALID_TOPOLOGY, FENCED_MEMBER_EPOCH."""
        group, before, after = change.group, change.before, change.after
        is_changed = before.said != after.said or after.member_id not in group.members
        if is_changed:
            out.records.append(description_record(group.group_id, after))
        problems: list[Problem] = []
        topology = self._topology(change, problems, out)
        configured, metadata_hash = self._configured(group, topology)
        check_tasks_exist(change.reported, configured)
        epoch = self._raise_epoch(group, configured, metadata_hash, is_changed, out)
        self._begin_to_wait(group, now_ms)
        target_epoch, target = self._target(change, epoch, configured, problems, now_ms, out)
        member = self._step(change, target_epoch, target, now_ms, out)
        if configured.problem is not None:
            problems.append(configured.problem)
        return Advanced(member, configured, problems)

    def _topology(self, change: Change, problems: list[Problem], out: Decision) -> Topology:
        """Step 1, the topology. One of another epoch or form than the group's is not taken over."""
        group, after, new = change.group, change.after, change.topology
        known = group.topology
        if known is None:
            if new is None:
                raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, "The group has no topology.")
            out.records.append(topology_record(group.group_id, new))
            return new
        if new is not None and new.epoch >= known.epoch and new != known:
            raise KafkaError(ErrorCode.INVALID_REQUEST, "Topology updates are not supported yet.")
        if after.said.topology_epoch < known.epoch:
            text = (
                f"The member's topology epoch {after.said.topology_epoch} is behind the group's topology epoch "
                f"{known.epoch}."
            )
            problems.append(Problem(Status.STALE_TOPOLOGY, text))
        return known

    def _configured(self, group: StreamsGroup, topology: Topology) -> tuple[ConfiguredTopology, int]:
        """Step 2: the topology over today's topics, and their hash."""
        version = self._topics.topics_version
        known = group.configured
        if group.topology is not None and known is not None and group.metadata_version_seen == version:
            return known, group.metadata_hash
        metadata_hash = self._hashes.of(topology.required_topics())
        if group.topology is None or known is None or metadata_hash != group.metadata_hash:
            known = configure(topology, self._topics)
            group.configured = known
        else:
            group.metadata_version_seen = version
        return known, metadata_hash

    def _raise_epoch(
        self,
        group: StreamsGroup,
        configured: ConfiguredTopology,
        metadata_hash: int,
        is_changed: bool,
        out: Decision,
    ) -> int:
        """Step 3; the group's epoch."""
        validated = configured.epoch if configured.is_ready else NO_TOPOLOGY_EPOCH
        options = self._config.assignment_options_of(group.group_id)
        if not (
            is_changed
            or metadata_hash != group.metadata_hash
            or validated != group.validated_topology_epoch
            or options != group.assignment_options
        ):
            return group.group_epoch
        epoch = group.group_epoch + 1
        out.records.append(epoch_record(group.group_id, epoch, metadata_hash, validated, options))
        return epoch

    # The target

    def _begin_to_wait(self, group: StreamsGroup, now_ms: int) -> None:
        delay_ms = self._config.initial_delay_of(group.group_id) if group.is_empty else 0
        key = (INITIAL, group.group_id, "")
        if delay_ms > 0 and key not in self._timers:
            self._timers.schedule(key, now_ms + delay_ms)

    def _target(
        self,
        change: Change,
        group_epoch: int,
        configured: ConfiguredTopology,
        problems: list[Problem],
        now_ms: int,
        out: Decision,
    ) -> tuple[int, Tasks]:
        """Step 4; the epoch of the target assignment, and the member's target."""
        group, after = change.group, change.after
        if (INITIAL, group.group_id, "") in self._timers:
            text = "Assignment delayed due to the configured initial rebalance delay."
            problems.append(Problem(Status.ASSIGNMENT_DELAYED, text))
            return group.assignment_epoch, NOTHING
        if group_epoch <= group.assignment_epoch:
            return group.assignment_epoch, group.target_of(after.member_id)
        if not self._may_assign(group, now_ms):
            text = "Assignment delayed due to the configured assignment interval."
            problems.append(Problem(Status.ASSIGNMENT_DELAYED, text))
            return group.assignment_epoch, group.target_of(after.member_id)
        members = {**group.members, after.member_id: after}
        options = self._config.assignment_options_of(group.group_id)
        targets = _assign(group, members, group_epoch, configured, options, now_ms, out)
        return group_epoch, targets.get(after.member_id, NOTHING)

    def _may_assign(self, group: StreamsGroup, now_ms: int) -> bool:
        """Whether the last target is old enough. A clock that was set back does not hold a group up."""
        last_ms = group.assignment_timestamp_ms
        return not last_ms <= now_ms < last_ms + self._config.assignment_interval_of(group.group_id)

    def assign_after_delay(self, group: StreamsGroup, now_ms: int) -> Decision:
        """The time of waiting for more members is over: the first target, for all that have come."""
        out = Decision()
        if group.is_empty or group.topology is None or group.group_epoch <= group.assignment_epoch:
            return out
        configured = group.configured or configure(group.topology, self._topics)
        _assign(group, group.members, group.group_epoch, configured, group.assignment_options, now_ms, out)
        return out

    # The member

    def _step(self, change: Change, target_epoch: int, target: Tasks, now_ms: int, out: Decision) -> StreamsMember:
        """Step 5; the member with what it has then."""
        group, member = change.group, change.after
        if member.has.is_reconciled_to(target_epoch):
            return member

        def is_free(role: str, subtopology: str, partition: int) -> bool:
            return group.is_free(role, subtopology, partition, member.said.process_id)

        has = reconcile(member.has, Reconciliation(target_epoch, target, change.reported, is_free))
        if has == member.has:
            return member
        moved = member._replace(has=has)
        out.records.append(current_tasks_record(group.group_id, moved))
        key = (REVOCATION, group.group_id, member.member_id)
        if has.state is MemberState.UNREVOKED_TASKS:
            self._timers.schedule(key, now_ms + member.said.rebalance_timeout_ms)
        else:
            self._timers.cancel(key)
        return moved


def _assign(
    group: StreamsGroup,
    members: dict[str, StreamsMember],
    epoch: int,
    configured: ConfiguredTopology,
    options: dict[str, str],
    now_ms: int,
    out: Decision,
) -> dict[str, Tasks]:
    """A new target for everybody: nothing while the topics are not ready. What changes is stored."""
    targets: dict[str, Tasks] = {}
    if configured.is_ready:
        spec = GroupSpec(
            {
                member_id: MemberSpec(member.said.process_id, group.target_of(member_id))
                for member_id, member in members.items()
            },
            {
                name: SubtopologySpec(part.task_count, part.is_stateful)
                for name, part in configured.subtopologies.items()
            },
            int(options.get(NUM_STANDBY_REPLICAS, "0")),
        )
        targets = assign_sticky(spec)
    for member_id in members:
        target = targets.get(member_id, NOTHING)
        if group.targets.get(member_id) != target:
            out.records.append(target_record(group.group_id, member_id, target))
    out.records.append(target_epoch_record(group.group_id, epoch, now_ms))
    return targets
