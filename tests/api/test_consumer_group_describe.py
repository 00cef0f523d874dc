"""ConsumerGroupDescribe at both versions."""

from __future__ import annotations

import asyncio

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from kwire.wire.messages.describe_groups import DescribeGroupsRequest
from tests.api.group_world import TOPIC_ID, GroupWorld
from tests.api.test_consumer_group_heartbeat import joining


@pytest.mark.parametrize("version", [0, 1])
def test_groups_of_all_kinds(version: int) -> None:
    world = GroupWorld()

    async def describe() -> None:
        await world.call(joining(instance_id="i", rack_id="r"), 1)
        await world.join("classic")
        request = ConsumerGroupDescribeRequest(
            group_ids=["g", "", "nowhere", "classic", "g"], include_authorized_operations=True
        )
        groups = (await world.call(request, version)).groups
        assert len(groups) == 4
        found = {group.group_id: group for group in groups}
        assert found[""].error_code == ErrorCode.INVALID_GROUP_ID
        assert (found["nowhere"].error_code, found["nowhere"].error_message) == (
            ErrorCode.GROUP_ID_NOT_FOUND,
            "Group nowhere not found.",
        )
        assert found["classic"].error_message == "Group classic is not a consumer group."
        group = found["g"]
        assert (group.error_code, group.group_state, group.assignor_name) == (ErrorCode.NONE, "Stable", "uniform")
        assert (group.group_epoch, group.assignment_epoch, group.authorized_operations) == (2, 2, 3400)
        (member,) = group.members
        assert (member.member_id, member.instance_id, member.rack_id, member.member_epoch) == ("m", "i", "r", 2)
        assert (member.client_id, member.client_host) == ("client", "/127.0.0.1")
        assert (member.subscribed_topic_names, member.subscribed_topic_regex) == (["t"], "")
        assert member.member_type == (1 if version else -1)
        for assignment in (member.assignment, member.target_assignment):
            (part,) = assignment.topic_partitions
            assert (part.topic_id, part.topic_name, part.partitions) == (TOPIC_ID, "t", [0, 1])

    asyncio.run(describe())


@pytest.mark.parametrize("version", [5, 6])
def test_the_older_request_shows_nothing(version: int) -> None:
    world = GroupWorld()

    async def describe() -> None:
        await world.call(joining(), 1)
        (group,) = (await world.call(DescribeGroupsRequest(groups=["g"]), version)).groups
        assert (group.group_state, group.members) == ("Dead", [])
        if version == 6:
            assert group.error_code == ErrorCode.GROUP_ID_NOT_FOUND
            assert group.error_message == "Group g is not a classic group."

    asyncio.run(describe())


def test_while_records_are_not_committed() -> None:
    world = GroupWorld()

    async def describe() -> None:
        await world.call(joining(), 1)
        world.log.commits_at_once = False
        joins = asyncio.create_task(world.call(joining(member_id="n"), 1))
        await asyncio.sleep(0)
        described = asyncio.create_task(world.call(ConsumerGroupDescribeRequest(group_ids=["g"]), 1))
        await asyncio.sleep(0)
        assert not described.done()
        for partition in world.log.batches:
            world.log.commit(partition)
        assert len((await described).groups[0].members) == 2
        assert (await joins).error_code == ErrorCode.NONE

    asyncio.run(describe())
