"""ShareGroupHeartbeat: what a request must look like, a life in a group, and other kinds of groups beside it."""

from __future__ import annotations

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from kwire.wire.messages.describe_groups import DescribeGroupsRequest
from kwire.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from kwire.wire.messages.list_groups import ListGroupsRequest
from kwire.wire.messages.offset_commit import OffsetCommitRequest
from kwire.wire.messages.offset_commit import OffsetCommitRequestPartition as CommittedPartition
from kwire.wire.messages.offset_commit import OffsetCommitRequestTopic as CommittedTopic
from kwire.wire.messages.share_group_heartbeat import ShareGroupHeartbeatRequest
from tests.api.served import Served
from tests.api.share_client import ShareClient, advance, configure, joined


def partitions_of(response: object) -> dict[bytes, list[int]]:
    return {part.topic_id: part.partitions for part in response.assignment.topic_partitions}  # type: ignore[attr-defined]


def test_a_life_in_a_group(served: Served) -> None:
    topic_id = served.create_topic("t", 2)
    client = ShareClient(served)
    response = client.beat("t")
    assert (response.error_code, response.member_id, response.heartbeat_interval_ms) == (ErrorCode.NONE, "m", 5000)
    # The states were made within the heartbeat, so that the group went on to its next epoch.
    assert (response.member_epoch, partitions_of(response)) == (3, {topic_id: [0, 1]})
    assert "__share_group_state" in served.broker.services.metadata.topics
    again = client.beat()
    assert (again.member_epoch, again.assignment) == (3, None)
    listed = served.call(ListGroupsRequest(states_filter=[], types_filter=["share"]), 5).groups
    assert [(g.group_id, g.group_state, g.group_type, g.protocol_type) for g in listed] == [
        ("g", "Stable", "share", "share")
    ]
    assert client.beat(epoch=-1).member_epoch == -1
    assert client.beat(epoch=-1).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert client.beat(epoch=3).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    listed = served.call(ListGroupsRequest(states_filter=["empty"], types_filter=["SHARE"]), 5).groups
    assert [group.group_id for group in listed] == ["g"]


def test_members_share_partitions(served: Served) -> None:
    topic_id = served.create_topic("t", 1)
    first, second = ShareClient(served, "a"), ShareClient(served, "b")
    first.beat("t")
    assert partitions_of(second.beat("t")) == {topic_id: [0]}
    first.beat()
    assert second.beat().assignment is None


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"group_id": ""}, "GroupId can't be empty."),
        ({"member_id": " "}, "MemberId can't be empty."),
        ({"rack_id": ""}, "RackId can't be empty."),
        ({"subscribed_topic_names": None}, "SubscribedTopicNames must be set in first request."),
        ({"subscribed_topic_names": []}, "SubscribedTopicNames must be set in first request."),
        ({"member_epoch": -2}, "MemberEpoch is invalid."),
    ],
)
def test_a_request_must_make_sense(served: Served, fields: dict[str, object], text: str) -> None:
    request = {"group_id": "g", "member_id": "m", "member_epoch": 0, "subscribed_topic_names": ["t"], **fields}
    response = served.call(ShareGroupHeartbeatRequest(**request), 1)  # type: ignore[arg-type]
    assert (response.error_code, response.error_message) == (ErrorCode.INVALID_REQUEST, text)


def test_stale_epochs_are_fenced(served: Served) -> None:
    client = joined(served, "t")
    served.create_topic("t")
    client.beat()
    client.beat()
    epoch = client.epoch
    assert epoch > 3
    assert client.beat(epoch=epoch + 1).error_code == ErrorCode.FENCED_MEMBER_EPOCH
    assert client.beat(epoch=1).error_code == ErrorCode.FENCED_MEMBER_EPOCH
    assert client.beat(epoch=epoch - 1).error_code == ErrorCode.NONE  # The answer with the new one may have been lost.
    assert client.beat("t", epoch=0).member_epoch == epoch


def test_who_is_silent_is_out(served: Served) -> None:
    served.create_topic("t")
    configure(served, "g", share_session_timeout_ms="50000")
    client = joined(served, "t")
    advance(served, 49_999)
    assert client.beat().error_code == ErrorCode.NONE
    advance(served, 50_001)
    assert client.beat().error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_a_full_group() -> None:
    served = Served({"group.share.max.size": "1"})
    try:
        served.create_topic("t")
        joined(served, "t")
        assert ShareClient(served, "other").beat("t").error_code == ErrorCode.GROUP_MAX_SIZE_REACHED
        assert ShareClient(served, "m").beat("t", epoch=0).error_code == ErrorCode.NONE
    finally:
        served.close()


def test_a_group_is_of_one_kind(served: Served) -> None:
    served.create_topic("t")
    joined(served, "t")
    assert served.call(consumer("g"), 1).error_code == ErrorCode.GROUP_ID_NOT_FOUND
    join = JoinGroupRequest(
        group_id="g",
        session_timeout_ms=10_000,
        member_id="",
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
    )
    assert served.call(join, 5).error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    commit = OffsetCommitRequest(
        group_id="g",
        generation_id_or_member_epoch=-1,
        topics=[
            CommittedTopic(
                name="t", partitions=[CommittedPartition(partition_index=0, committed_offset=1, committed_metadata="")]
            )
        ],
    )
    assert served.call(commit, 8).topics[0].partitions[0].error_code == ErrorCode.GROUP_ID_NOT_FOUND
    (described,) = served.call(DescribeGroupsRequest(groups=["g"]), 5).groups
    assert described.group_state == "Dead"
    served.call(consumer("c"), 1)
    assert ShareClient(served, "m", "c").beat("t").error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert ShareClient(served, "m", "new").beat("t", epoch=5).error_code == ErrorCode.GROUP_ID_NOT_FOUND


def consumer(group_id: str) -> ConsumerGroupHeartbeatRequest:
    return ConsumerGroupHeartbeatRequest(
        group_id=group_id,
        member_id="c",
        member_epoch=0,
        rebalance_timeout_ms=1000,
        subscribed_topic_names=["t"],
        topic_partitions=[],
    )
