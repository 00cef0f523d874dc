"""Requests about groups of consumers, as functions of a Client."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from kwire.cli.client import Client, RequestFailed, check
from kwire.errors import ErrorCode
from kwire.ids import TopicPartition
from kwire.wire.codec import decode_prefixed
from kwire.wire.messages.consumer_protocol import ConsumerProtocolAssignment
from kwire.wire.messages.delete_groups import DeleteGroupsRequest
from kwire.wire.messages.describe_groups import DescribeGroupsRequest
from kwire.wire.messages.list_groups import ListGroupsRequest
from kwire.wire.primitives import WireError

CONSUMER_PROTOCOL: Final = "consumer"
SHARE_PROTOCOL: Final = "share"


class ListedGroup(NamedTuple):
    """A group as ListGroups shows it; `state` and `type` are empty where the broker is too old to say."""

    group_id: str
    protocol_type: str
    state: str
    type: str
    coordinator: int


class Member(NamedTuple):
    """A member of a group and the partitions it has; `tasks` are those of a member of a Streams group, as a text."""

    member_id: str
    instance_id: str | None
    client_id: str
    host: str
    assignment: list[TopicPartition]
    tasks: str = ""


class DescribedGroup(NamedTuple):
    """A group with its members; `assignor` is the protocol the members agreed on."""

    group_id: str
    state: str
    protocol_type: str
    assignor: str
    coordinator: str
    members: list[Member]


def list_groups(client: Client) -> list[ListedGroup]:
    """The groups of every broker, by id. Raises RequestFailed."""
    found: list[ListedGroup] = []
    for broker_id in client.cluster([]).brokers:
        answer = client.broker(broker_id).call(ListGroupsRequest())
        check(answer.error_code, None, f"the groups of broker {broker_id}")
        found.extend(
            ListedGroup(group.group_id, group.protocol_type, group.group_state, group.group_type, broker_id)
            for group in answer.groups
        )
    return sorted(found)


def describe_group(client: Client, group_id: str) -> DescribedGroup:
    """One group. Raises RequestFailed (GROUP_ID_NOT_FOUND) when nobody knows it.

    Groups of the newer protocols are asked for with their own requests.
    """

    def once() -> DescribedGroup:
        connection = client.coordinator(group_id)
        (group,) = connection.call(DescribeGroupsRequest(groups=[group_id])).groups
        if group.error_code in (ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE):
            client.forget_coordinator(group_id)
        if group.error_code != ErrorCode.GROUP_ID_NOT_FOUND:
            check(group.error_code, group.error_message, f"group {group_id}")
        if group.error_code == ErrorCode.GROUP_ID_NOT_FOUND or group.group_state == "Dead":
            return _describe_other(client, group_id)
        members = [
            Member(m.member_id, m.group_instance_id, m.client_id, m.client_host, _assigned(group, m.member_assignment))
            for m in group.members
        ]
        state, kind, assignor = group.group_state, group.protocol_type, group.protocol_data
        return DescribedGroup(group_id, state, kind, assignor, connection.address, members)

    return client.retrying(once)


def _describe_other(client: Client, group_id: str) -> DescribedGroup:
    from kwire.cli.streams_groups import describe_streams_group

    for describe in (_describe_modern_group, describe_streams_group):
        found = describe(client, group_id)
        if found is not None:
            return found
    raise RequestFailed(ErrorCode.GROUP_ID_NOT_FOUND, f"group {group_id} does not exist")


def _describe_modern_group(client: Client, group_id: str) -> DescribedGroup | None:
    """A group of the newer consumer protocol (KIP-848) or a share group (KIP-932)."""
    from kwire.wire.messages.consumer_group_describe import ConsumerGroupDescribeRequest
    from kwire.wire.messages.share_group_describe import ShareGroupDescribeRequest

    connection = client.coordinator(group_id)
    kinds: tuple[tuple[int, str, Any], ...] = (
        (69, CONSUMER_PROTOCOL, ConsumerGroupDescribeRequest),
        (77, SHARE_PROTOCOL, ShareGroupDescribeRequest),
    )
    for api_key, protocol, request_class in kinds:
        if api_key not in connection.versions:
            continue
        request = request_class(group_ids=[group_id], include_authorized_operations=False)
        (group,) = connection.call(request).groups
        # UNSUPPORTED_VERSION is the answer of a 3.9 broker whose older coordinator knows no such groups.
        if group.error_code in (ErrorCode.GROUP_ID_NOT_FOUND, ErrorCode.UNSUPPORTED_VERSION):
            continue
        check(group.error_code, group.error_message, f"group {group_id}")
        members = [_modern_member(member) for member in group.members]
        state, assignor = group.group_state, group.assignor_name
        return DescribedGroup(group_id, state, protocol, assignor, connection.address, members)
    return None


def _modern_member(member: Any) -> Member:
    partitions = [
        TopicPartition(t.topic_name, number) for t in member.assignment.topic_partitions for number in t.partitions
    ]
    instance_id = getattr(member, "instance_id", None)  # Share groups have no static members.
    return Member(member.member_id, instance_id, member.client_id, member.client_host, partitions)


def delete_group(client: Client, group_id: str) -> None:
    """Delete a group without members, and its offsets. Raises RequestFailed."""

    def once() -> None:
        (result,) = client.coordinator(group_id).call(DeleteGroupsRequest(groups_names=[group_id])).results
        if result.error_code in (ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE):
            client.forget_coordinator(group_id)
        words = {
            ErrorCode.NON_EMPTY_GROUP: "it has members; stop its consumers first",
            ErrorCode.GROUP_ID_NOT_FOUND: "it does not exist",
        }
        check(result.error_code, words.get(result.error_code), f"group {group_id} cannot be deleted")

    client.retrying(once)


def _assigned(group: Any, assignment: bytes) -> list[TopicPartition]:
    """The partitions in a member's assignment; none for a group of another kind than consumers."""
    if group.protocol_type != CONSUMER_PROTOCOL or not assignment:
        return []
    try:
        decoded = decode_prefixed(ConsumerProtocolAssignment, assignment)[0]
    except WireError:
        return []
    return [TopicPartition(t.topic, number) for t in decoded.assigned_partitions for number in t.partitions]
