"""ConsumerGroupHeartbeat at both versions: what a request must look like, and a life in a group."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, TopicPartitions
from kwire.wire.messages.delete_groups import DeleteGroupsRequest
from kwire.wire.messages.list_groups import ListGroupsRequest
from kwire.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kwire.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from tests.api.group_world import TOPIC_ID, GroupWorld


def joining(**changes: Any) -> ConsumerGroupHeartbeatRequest:
    fields: dict[str, Any] = {
        "group_id": "g",
        "member_id": "m",
        "member_epoch": 0,
        "rebalance_timeout_ms": 60_000,
        "subscribed_topic_names": ["t"],
        "topic_partitions": [],
    }
    return ConsumerGroupHeartbeatRequest(**{**fields, **changes})


@pytest.mark.parametrize("version", [0, 1])
def test_a_life_in_a_group(version: int) -> None:
    world = GroupWorld()

    async def live() -> None:
        joined = await world.call(joining(), version)
        assert (joined.error_code, joined.error_message) == (ErrorCode.NONE, None)
        assert (joined.member_id, joined.member_epoch, joined.heartbeat_interval_ms) == ("m", 2, 5000)
        (part,) = joined.assignment.topic_partitions
        assert (part.topic_id, part.partitions) == (TOPIC_ID, [0, 1])
        beat = ConsumerGroupHeartbeatRequest(group_id="g", member_id="m", member_epoch=2)
        lives = await world.call(beat, version)
        assert (lives.error_code, lives.member_epoch, lives.assignment) == (ErrorCode.NONE, 2, None)
        listed = (await world.call(ListGroupsRequest(states_filter=[], types_filter=[]), 5)).groups
        assert [(g.group_id, g.group_state, g.group_type) for g in listed] == [("g", "Stable", "consumer")]
        leave = ConsumerGroupHeartbeatRequest(group_id="g", member_id="m", member_epoch=-1)
        assert (await world.call(leave, version)).member_epoch == -1
        assert (await world.call(leave, version)).error_code == ErrorCode.UNKNOWN_MEMBER_ID
        deleted = await world.call(DeleteGroupsRequest(groups_names=["g"]), 2)
        assert [result.error_code for result in deleted.results] == [ErrorCode.NONE]

    asyncio.run(live())


def test_version_0_is_given_its_id() -> None:
    world = GroupWorld()

    async def join() -> None:
        assert (await world.call(joining(member_id=""), 0)).member_id == "uuid-1"
        assert (await world.call(joining(member_id=""), 1)).error_message == "MemberId can't be empty."

    asyncio.run(join())


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"group_id": " "}, ErrorCode.INVALID_REQUEST, "GroupId can't be empty."),
        ({"instance_id": ""}, ErrorCode.INVALID_REQUEST, "InstanceId can't be empty."),
        ({"rack_id": ""}, ErrorCode.INVALID_REQUEST, "RackId can't be empty."),
        ({"member_id": "", "member_epoch": 4}, ErrorCode.INVALID_REQUEST, "MemberId can't be empty."),
        ({"rebalance_timeout_ms": -1}, ErrorCode.INVALID_REQUEST, "RebalanceTimeoutMs must be provided"),
        ({"topic_partitions": None}, ErrorCode.INVALID_REQUEST, "TopicPartitions must be empty"),
        (
            {"topic_partitions": [TopicPartitions(topic_id=TOPIC_ID, partitions=[0])]},
            ErrorCode.INVALID_REQUEST,
            "TopicPartitions must be empty",
        ),
        ({"subscribed_topic_names": None}, ErrorCode.INVALID_REQUEST, "Either SubscribedTopicNames or"),
        ({"member_epoch": -2}, ErrorCode.INVALID_REQUEST, "InstanceId can't be null."),
        ({"member_epoch": -3}, ErrorCode.INVALID_REQUEST, "MemberEpoch is invalid."),
        ({"server_assignor": "sticky"}, ErrorCode.UNSUPPORTED_ASSIGNOR, "Supported assignors: uniform, range."),
        ({"subscribed_topic_regex": "t("}, ErrorCode.INVALID_REGULAR_EXPRESSION, "`t(` is not a valid regular"),
        ({"subscribed_topic_regex": "(?<=x)t"}, ErrorCode.INVALID_REGULAR_EXPRESSION, "is not a valid regular"),
        ({"member_epoch": 7}, ErrorCode.GROUP_ID_NOT_FOUND, "Consumer group g not found."),
        ({"member_epoch": -1}, ErrorCode.GROUP_ID_NOT_FOUND, "Consumer group g not found."),
    ],
)
def test_refused(changes: dict[str, Any], code: ErrorCode, text: str) -> None:
    response = asyncio.run(GroupWorld().call(joining(**changes), 1))
    assert response.error_code == code
    assert text in response.error_message
    assert (response.member_id, response.member_epoch, response.assignment) == (None, 0, None)


def test_where_there_is_no_coordinator() -> None:
    world = GroupWorld()

    async def beat() -> None:
        await world.call(joining(), 1)
        for partition in range(4):
            world.groups.on_resigned(partition)
        assert (await world.call(joining(), 1)).error_code == ErrorCode.NOT_COORDINATOR

    asyncio.run(beat())


def test_offsets_go_by_the_members_epoch() -> None:
    world = GroupWorld()

    def commit(epoch: int) -> OffsetCommitRequest:
        partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=5, committed_metadata="")
        topic = OffsetCommitRequestTopic(name="t", topic_id=TOPIC_ID, partitions=[partition])
        return OffsetCommitRequest(group_id="g", generation_id_or_member_epoch=epoch, member_id="m", topics=[topic])

    def fetch(epoch: int) -> OffsetFetchRequest:
        topic = OffsetFetchRequestTopics(name="t", topic_id=TOPIC_ID, partition_indexes=[0])
        group = OffsetFetchRequestGroup(group_id="g", member_id="m", member_epoch=epoch, topics=[topic])
        return OffsetFetchRequest(groups=[group])

    async def work() -> None:
        await world.call(joining(), 1)
        for version in (8, 9, 10):
            for epoch, code in ((2, ErrorCode.NONE), (1, ErrorCode.STALE_MEMBER_EPOCH)):
                response = await world.call(commit(epoch), version)
                (answer,) = response.topics[0].partitions
                assert answer.error_code == (ErrorCode.UNSUPPORTED_VERSION if version == 8 else code)
        for version in (9, 10):
            (group,) = (await world.call(fetch(2), version)).groups
            assert group.topics[0].partitions[0].committed_offset == 5
            (group,) = (await world.call(fetch(3), version)).groups
            assert group.error_code == ErrorCode.STALE_MEMBER_EPOCH

    asyncio.run(work())
