"""One Streams group of KIP-1071: hard state, brought in by `apply`, the one place that takes a record in.

The state is not kept but seen from the rest:

| state | when |
|---|---|
| Empty | nobody is in it |
| NotReady | the topics that the topology needs are not as they must be |
| Assigning | the group's epoch is ahead of the target assignment's |
| Reconciling | a member is not at its target yet |
| Stable | everybody is |
| Dead | what clients are told of a group that does not exist |

Invariants: an active task runs in at most one process, and a process has a task in at most one role; the group's epoch
is never behind the target's, and that one never behind a member's. (apache/kafka `StreamsGroup`.)
"""

from __future__ import annotations

from typing import Any

from kwire.coord.group.consumer.group import ASSIGNING, EMPTY, INITIAL_EPOCH, RECONCILING, STABLE
from kwire.coord.group.streams.internal_topics import ConfiguredTopology
from kwire.coord.group.streams.member import StreamsMember
from kwire.coord.group.streams.reconciliation import CurrentTasks
from kwire.coord.group.streams.records import current_tasks_of, description_of, group_tombstones, target_of
from kwire.coord.group.streams.tasks import ACTIVE, NOTHING, STANDBY, WARMUP, Tasks
from kwire.coord.group.streams.topology import Topology
from kwire.coord.records import CoordinatorRecord
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages import streams_records as wire

STREAMS_GROUP_TYPE = "streams"
NOT_READY = "NotReady"
NO_TOPOLOGY_EPOCH = -1
"""The validated epoch while topics are missing or wrong. A new group begins with 0, as if its topology were ready."""


class StreamsGroup:
    """Members, targets, the topology, and which process has what.

    No hard state are: `configured`, the topology over the topics of `metadata_version_seen`; `shutdown_requested_by`,
    the member that wants the whole application to stop; `endpoint_epoch`, which grows when tasks move behind endpoints.
    """

    __slots__ = (
        "assignment_epoch",
        "assignment_options",
        "assignment_timestamp_ms",
        "configured",
        "endpoint_epoch",
        "group_epoch",
        "group_id",
        "members",
        "metadata_hash",
        "metadata_version_seen",
        "owners",
        "shutdown_requested_by",
        "targets",
        "topology",
        "validated_topology_epoch",
    )

    SOFT_STATE = frozenset({"configured", "endpoint_epoch", "metadata_version_seen", "shutdown_requested_by"})

    def __init__(self, group_id: str) -> None:
        self.group_id = group_id
        self.group_epoch = INITIAL_EPOCH
        self.metadata_hash = 0
        self.validated_topology_epoch = 0
        self.assignment_options: dict[str, str] = {}
        self.assignment_epoch = INITIAL_EPOCH
        self.assignment_timestamp_ms = 0
        self.topology: Topology | None = None
        self.members: dict[str, StreamsMember] = {}
        self.targets: dict[str, Tasks] = {}
        self.owners: dict[tuple[str, str, int], dict[str, int]] = {}
        self.configured: ConfiguredTopology | None = None
        self.metadata_version_seen = -1
        self.shutdown_requested_by: str | None = None
        self.endpoint_epoch = 0

    # Records

    def apply(self, record: CoordinatorRecord) -> bool:
        """Make one record true; False if it was the one that ends the group."""
        key, value = record
        if isinstance(key, wire.StreamsGroupMetadataKey):
            if value is None:
                return False
            self.group_epoch, self.metadata_hash = value.epoch, value.metadata_hash
            self.validated_topology_epoch = value.validated_topology_epoch
            self.assignment_options = {row.key: row.value for row in value.last_assignment_configs or ()}
        elif isinstance(key, wire.StreamsGroupTopologyKey):
            self.topology = None if value is None else Topology(value)
        elif isinstance(key, wire.StreamsGroupMemberMetadataKey):
            self._apply_description(key.member_id, value)
        elif isinstance(key, wire.StreamsGroupCurrentMemberAssignmentKey):
            self._apply_current(key.member_id, value)
        elif isinstance(key, wire.StreamsGroupTargetAssignmentMemberKey):
            if value is None:
                self.targets.pop(key.member_id, None)
            else:
                self.targets[key.member_id] = target_of(value)
        else:
            assert isinstance(key, wire.StreamsGroupTargetAssignmentMetadataKey)
            if value is not None:
                self.assignment_epoch = value.assignment_epoch
                self.assignment_timestamp_ms = value.assignment_timestamp
        return True

    def _apply_description(self, member_id: str, value: Any) -> None:
        if value is not None:
            member = self.members.get(member_id) or StreamsMember(member_id)
            self._put(member._replace(said=description_of(value)))
            return
        gone = self.members.pop(member_id, None)
        if gone is not None:
            self._own(gone, -1)
        if not self.members:
            self.shutdown_requested_by = None

    def _apply_current(self, member_id: str, value: Any) -> None:
        member = self.members.get(member_id)
        if value is not None:
            self._put((member or StreamsMember(member_id))._replace(has=current_tasks_of(value)))
        elif member is not None:
            self._put(member._replace(has=CurrentTasks()))

    def _put(self, member: StreamsMember) -> None:
        before = self.members.get(member.member_id)
        if before is not None:
            self._own(before, -1)
        self._own(member, 1)
        self.members[member.member_id] = member

    def _own(self, member: StreamsMember, by: int) -> None:
        """Count the member's tasks as its process's, or (-1) no more."""
        process_id = member.said.process_id
        for owned in (member.has.assigned, member.has.pending_revocation):
            for task in owned.by_role():
                processes = self.owners.setdefault(task, {})
                processes[process_id] = processes.get(process_id, 0) + by
                if not processes[process_id]:
                    del processes[process_id]
                if not processes:
                    del self.owners[task]

    # What the group is now

    @property
    def is_empty(self) -> bool:
        """Whether nobody is in it."""
        return not self.members

    @property
    def state(self) -> str:
        """The name that clients see; looks at every member."""
        if not self.members:
            return EMPTY
        if self.topology is None or self.topology.epoch != self.validated_topology_epoch:
            return NOT_READY
        if self.group_epoch > self.assignment_epoch:
            return ASSIGNING
        epoch = self.assignment_epoch
        return STABLE if all(member.has.is_reconciled_to(epoch) for member in self.members.values()) else RECONCILING

    def member(self, member_id: str) -> StreamsMember:
        """Raises UNKNOWN_MEMBER_ID."""
        member = self.members.get(member_id)
        if member is None:
            raise KafkaError(
                ErrorCode.UNKNOWN_MEMBER_ID, f"Member {member_id} is not a member of group {self.group_id}."
            )
        return member

    def target_of(self, member_id: str) -> Tasks:
        """What the member should have."""
        return self.targets.get(member_id, NOTHING)

    def is_free(self, role: str, subtopology: str, partition: int, process_id: str) -> bool:
        """Whether a member of this process may get the task in this role.

        Nobody must run an active task, and the process must not have the task in any role.
        """
        owners = self.owners
        for other in (ACTIVE, STANDBY, WARMUP):
            processes = owners.get((other, subtopology, partition))
            if processes is not None and (process_id in processes or (role == other == ACTIVE)):
                return False
        return True

    def is_subscribed_to(self, topic: str) -> bool:
        """Whether a member may consume the topic."""
        return not self.is_empty and self.topology is not None and topic in self.topology.readers

    def tombstones(self) -> list[CoordinatorRecord]:
        """The records that take the group back."""
        return group_tombstones(self.group_id, self.members)
