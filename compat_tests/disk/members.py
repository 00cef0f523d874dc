"""A member of a classic group by raw requests: it stays in the group while brokers are stopped, killed and swapped."""

from __future__ import annotations

from typing import NamedTuple

from compat_tests.disk.client import Client, check
from kwire.wire.codec import encode
from kwire.wire.messages.consumer_protocol import ConsumerProtocolAssignment, ConsumerProtocolSubscription
from kwire.wire.messages.consumer_protocol import TopicPartition as AssignedTopic
from kwire.wire.messages.heartbeat import HeartbeatRequest
from kwire.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from kwire.wire.messages.leave_group import LeaveGroupRequest
from kwire.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

SESSION_MS = 1_200_000
_VERSION = b"\x00\x00"


class Member(NamedTuple):
    """A member that leads its group, and is alone in it."""

    group: str
    member_id: str
    generation: int


def join(client: Client, group: str, topic: str) -> Member:
    """Join, and take partition 0 of the topic."""
    client.await_coordinator(group)
    wanted = _VERSION + encode(ConsumerProtocolSubscription(topics=[topic], user_data=None), 0)
    request = JoinGroupRequest(
        group_id=group,
        session_timeout_ms=SESSION_MS,
        rebalance_timeout_ms=60_000,
        member_id="",
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=wanted)],
    )

    def ask_to_join() -> Member:
        answer = client.call(request, 3)
        check(answer.error_code, f"join {group}")
        return Member(group, answer.member_id, answer.generation_id)

    member = client.retrying(ask_to_join)
    assigned = [AssignedTopic(topic=topic, partitions=[0])]
    assignment = _VERSION + encode(ConsumerProtocolAssignment(assigned_partitions=assigned, user_data=None), 0)
    sync = SyncGroupRequest(
        group_id=group,
        generation_id=member.generation,
        member_id=member.member_id,
        assignments=[SyncGroupRequestAssignment(member_id=member.member_id, assignment=assignment)],
    )
    check(client.call(sync, 2).error_code, f"sync {group}")
    return member


def heartbeat(client: Client, member: Member) -> int:
    """The error code of the member's heartbeat; 0: the group knows it still."""
    client.await_coordinator(member.group)
    request = HeartbeatRequest(group_id=member.group, generation_id=member.generation, member_id=member.member_id)
    return int(client.call(request, 2).error_code)


def leave(client: Client, member: Member) -> None:
    answer = client.call(LeaveGroupRequest(group_id=member.group, member_id=member.member_id), 2)
    check(answer.error_code, f"leave {member.group}")
