"""ShareGroupDescribe: groups with their members, groups of other kinds, groups that do not exist."""

from __future__ import annotations

from kwire.errors import ErrorCode
from kwire.wire.messages.share_group_describe import ShareGroupDescribeRequest
from tests.api.served import Served
from tests.api.share_client import ShareClient, joined
from tests.api.test_share_group_heartbeat import consumer


def test_groups_are_described(served: Served) -> None:
    topic_id = served.create_topic("t", 2)
    client = joined(served, "t")
    request = ShareGroupDescribeRequest(group_ids=["g", "nobody"], include_authorized_operations=True)
    known, unknown = sorted(served.call(request, 1).groups, key=lambda group: group.group_id)
    assert (known.error_code, known.group_state, known.assignor_name) == (ErrorCode.NONE, "Stable", "simple")
    assert (known.group_epoch, known.assignment_epoch) == (3, 3)
    (member,) = known.members
    assert (member.member_id, member.member_epoch, member.client_id, member.client_host) == (
        "m",
        3,
        "test",
        "/127.0.0.1",
    )
    assert member.subscribed_topic_names == ["t"]
    (part,) = member.assignment.topic_partitions
    assert (part.topic_id, part.topic_name, part.partitions) == (topic_id, "t", [0, 1])
    assert known.authorized_operations > 0
    assert (unknown.error_code, unknown.error_message) == (ErrorCode.GROUP_ID_NOT_FOUND, "Group nobody not found.")
    client.beat(epoch=-1)
    (empty,) = served.call(ShareGroupDescribeRequest(group_ids=["g"], include_authorized_operations=False), 1).groups
    assert (empty.group_state, empty.members) == ("Empty", [])


def test_a_group_of_another_kind(served: Served) -> None:
    ShareClient(served)
    served.call(consumer("c"), 1)
    request = ShareGroupDescribeRequest(group_ids=["c", ""], include_authorized_operations=False)
    nameless, other = sorted(served.call(request, 1).groups, key=lambda group: group.group_id)
    assert nameless.error_code == ErrorCode.INVALID_GROUP_ID
    assert (other.error_code, other.error_message) == (
        ErrorCode.GROUP_ID_NOT_FOUND,
        "Group c is not a share group.",
    )
