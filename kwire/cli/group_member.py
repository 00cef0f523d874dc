"""A member of a classic consumer group: joins, shares out partitions if it leads, heartbeats, commits, leaves.

The protocol is that of Kafka 0.9 (JoinGroup, SyncGroup, Heartbeat), the assignor `range` with Java's rule, so that this
member can be in one group with any other client.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from kwire.cli.client import Client, RequestFailed, check
from kwire.cli.connection import Connection
from kwire.cli.group_offsets import committed_offsets
from kwire.cli.offsets import EARLIEST, LATEST, list_offsets
from kwire.errors import ErrorCode
from kwire.ids import TopicPartition
from kwire.wire.codec import decode_prefixed, encode_prefixed
from kwire.wire.messages.consumer_protocol import ConsumerProtocolAssignment, ConsumerProtocolSubscription
from kwire.wire.messages.consumer_protocol import TopicPartition as AssignedTopic
from kwire.wire.messages.heartbeat import HeartbeatRequest
from kwire.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from kwire.wire.messages.leave_group import LeaveGroupRequest, MemberIdentity
from kwire.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kwire.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

SESSION_TIMEOUT_MS: Final = 45_000
REBALANCE_TIMEOUT_MS: Final = 60_000
HEARTBEAT_S: Final = 3.0
COMMIT_S: Final = 5.0
ASSIGNOR: Final = "range"

_PROTOCOL_TYPE: Final = "consumer"
_MEMBERS_SINCE: Final = 3
_NEWEST_BY_NAME: Final = 9
_JOIN_AGAIN: Final = (ErrorCode.REBALANCE_IN_PROGRESS, ErrorCode.ILLEGAL_GENERATION, ErrorCode.UNKNOWN_MEMBER_ID)
_ELSEWHERE: Final = (ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE)


class GroupMember:
    """Membership of one group for some topics.

    `assignment` is None until `poll` has joined. Blocking; every request goes to the group's coordinator.
    """

    def __init__(self, client: Client, group_id: str, topics: Sequence[str], *, from_beginning: bool) -> None:
        self._client = client
        self._group_id = group_id
        self._topics = list(topics)
        self._from_beginning = from_beginning
        self._member_id = ""
        self._generation_id = -1
        self._heartbeat_due = 0.0
        self._commit_due = 0.0
        self._committed: dict[TopicPartition, int] = {}
        self.assignment: list[TopicPartition] | None = None

    def poll(self, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, int] | None:
        """Do what is due at this instant: join, heartbeat, commit `positions` (the offsets to be read next).

        Returns where to read from after an assignment that may be new, None when nothing has changed.
        """
        now = time.monotonic()
        if self.assignment is None:
            return self._join()
        if now >= self._commit_due:
            self.commit(positions)
            self._commit_due = now + COMMIT_S
        if now >= self._heartbeat_due:
            self._heartbeat_due = now + HEARTBEAT_S
            request = HeartbeatRequest(
                group_id=self._group_id, generation_id=self._generation_id, member_id=self._member_id
            )
            if not self._still_member(self._coordinator().call(request).error_code):
                self.commit(positions)
                return self._join()
        return None

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Commit the positions that have moved. A rebalance under way is no failure: the next owner reads again."""
        moved = {tp: offset for tp, offset in positions.items() if self._committed.get(tp) != offset}
        if not moved or self.assignment is None:
            return
        topics: dict[str, list[OffsetCommitRequestPartition]] = defaultdict(list)
        for tp, offset in moved.items():
            topics[tp.topic].append(
                OffsetCommitRequestPartition(
                    partition_index=tp.partition, committed_offset=offset, committed_metadata=""
                )
            )
        request = OffsetCommitRequest(
            group_id=self._group_id,
            generation_id_or_member_epoch=self._generation_id,
            member_id=self._member_id,
            topics=[OffsetCommitRequestTopic(name=name, partitions=entries) for name, entries in topics.items()],
        )
        connection = self._coordinator()
        answer = connection.call(request, version=connection.version(OffsetCommitRequest, _NEWEST_BY_NAME))
        for topic in answer.topics:
            for partition in topic.partitions:
                code = partition.error_code
                if code in _ELSEWHERE:
                    self._client.forget_coordinator(self._group_id)
                if code in _JOIN_AGAIN or code in _ELSEWHERE or code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
                    continue  # Not committed: the next commit carries it, or the next owner reads it again.
                check(code, None, f"the offset of {topic.name}-{partition.partition_index}")
                tp = TopicPartition(topic.name, partition.partition_index)
                self._committed[tp] = moved[tp]

    def leave(self, positions: Mapping[TopicPartition, int]) -> None:
        """Commit and leave, so that the others need not wait for the session to end."""
        if self.assignment is None:
            return
        self.commit(positions)
        connection = self._coordinator()
        version = connection.version(LeaveGroupRequest)
        if version >= _MEMBERS_SINCE:
            members = [MemberIdentity(member_id=self._member_id, reason="the command ends")]
            request = LeaveGroupRequest(group_id=self._group_id, members=members)
        else:
            request = LeaveGroupRequest(group_id=self._group_id, member_id=self._member_id)
        connection.call(request, version=version)
        self.assignment = None

    def _join(self) -> dict[TopicPartition, int]:
        deadline = time.monotonic() + self._client.timeout_s + REBALANCE_TIMEOUT_MS / 1000
        while True:
            try:
                self._join_and_sync()
                break
            except RequestFailed as error:
                if error.code == ErrorCode.UNKNOWN_MEMBER_ID:
                    self._member_id = ""
                elif error.code in _ELSEWHERE or error.code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
                    self._client.forget_coordinator(self._group_id)
                    time.sleep(0.1)
                elif error.code not in _JOIN_AGAIN:
                    raise
                if time.monotonic() > deadline:
                    raise
        now = time.monotonic()
        self._heartbeat_due, self._commit_due = now + HEARTBEAT_S, now + COMMIT_S
        return self._starting_positions()

    def _join_and_sync(self) -> None:
        connection = self._coordinator()
        subscription = ConsumerProtocolSubscription(topics=sorted(self._topics))
        request = JoinGroupRequest(
            group_id=self._group_id,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            member_id=self._member_id,
            protocol_type=_PROTOCOL_TYPE,
            protocols=[JoinGroupRequestProtocol(name=ASSIGNOR, metadata=encode_prefixed(subscription, 1))],
        )
        wait_s = self._client.timeout_s + REBALANCE_TIMEOUT_MS / 1000
        joined = connection.call(request, timeout_s=wait_s)
        if joined.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            # KIP-394: the coordinator gives an id first, so that a client that gives up leaves no member behind.
            request.member_id = self._member_id = joined.member_id
            joined = connection.call(request, timeout_s=wait_s)
        check(joined.error_code, None, f"group {self._group_id} cannot be joined")
        self._member_id, self._generation_id = joined.member_id, joined.generation_id
        sync = SyncGroupRequest(
            group_id=self._group_id,
            generation_id=self._generation_id,
            member_id=self._member_id,
            protocol_type=_PROTOCOL_TYPE,
            protocol_name=ASSIGNOR,
            assignments=self._share_out(joined) if joined.leader == joined.member_id else [],
        )
        synced = connection.call(sync, timeout_s=wait_s)
        check(synced.error_code, None, f"group {self._group_id} gives no assignment")
        assigned = decode_prefixed(ConsumerProtocolAssignment, synced.assignment)[0] if synced.assignment else None
        self.assignment = [
            TopicPartition(topic.topic, partition)
            for topic in (assigned.assigned_partitions if assigned is not None else [])
            for partition in topic.partitions
        ]

    def _share_out(self, joined: Any) -> list[SyncGroupRequestAssignment]:
        """The leader's work: what each member gets."""
        subscriptions = {
            member.member_id: decode_prefixed(ConsumerProtocolSubscription, member.metadata)[0].topics
            for member in joined.members
        }
        wanted = {name for topics in subscriptions.values() for name in topics}
        known = self._client.cluster(wanted).topics
        counts = {name: len(topic.partitions) for name, topic in known.items()}
        return [
            SyncGroupRequestAssignment(member_id=member_id, assignment=_assignment_bytes(partitions))
            for member_id, partitions in range_assignment(subscriptions, counts).items()
        ]

    def _starting_positions(self) -> dict[TopicPartition, int]:
        """Committed offsets, and for partitions without one the beginning or the end."""
        assert self.assignment is not None
        committed = committed_offsets(self._client, self._group_id, self.assignment)
        positions = {tp: offset for tp, offset in committed.items() if offset >= 0}
        self._committed = dict(positions)
        missing = [tp for tp in self.assignment if tp not in positions]
        if missing:
            start = EARLIEST if self._from_beginning else LATEST
            positions |= list_offsets(self._client, dict.fromkeys(missing, start))
        return positions

    def _still_member(self, code: int) -> bool:
        if code in _ELSEWHERE:
            self._client.forget_coordinator(self._group_id)
            return True
        if code in _JOIN_AGAIN:
            return False
        check(code, None, f"group {self._group_id}")
        return True

    def _coordinator(self) -> Connection:
        return self._client.coordinator(self._group_id)


def range_assignment(
    subscriptions: Mapping[str, Iterable[str]], partition_counts: Mapping[str, int]
) -> dict[str, list[TopicPartition]]:
    """Member id -> partitions: of each topic a run of neighbours, longer by one for the first members.

    Members are taken in the order of their ids (apache/kafka `RangeAssignor`).
    """
    shares: dict[str, list[TopicPartition]] = {member_id: [] for member_id in subscriptions}
    for topic, count in sorted(partition_counts.items()):
        members = sorted(member_id for member_id, topics in subscriptions.items() if topic in topics)
        if not members:
            continue
        each, extra = divmod(count, len(members))
        first = 0
        for index, member_id in enumerate(members):
            size = each + (index < extra)
            shares[member_id].extend(TopicPartition(topic, partition) for partition in range(first, first + size))
            first += size
    return shares


def _assignment_bytes(partitions: Iterable[TopicPartition]) -> bytes:
    topics: dict[str, list[int]] = defaultdict(list)
    for tp in partitions:
        topics[tp.topic].append(tp.partition)
    assigned = [AssignedTopic(topic=name, partitions=numbers) for name, numbers in topics.items()]
    return encode_prefixed(ConsumerProtocolAssignment(assigned_partitions=assigned), 1)
