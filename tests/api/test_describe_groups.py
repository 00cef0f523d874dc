"""DescribeGroups at every version."""

from __future__ import annotations

import asyncio

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.describe_groups import DescribeGroupsRequest
from tests.api.group_world import GroupWorld

OPERATIONS_NOT_ASKED = -(2**31)


@pytest.mark.parametrize("version", range(7))
def test_a_group_and_an_unknown_one(version: int) -> None:
    world = GroupWorld()

    async def describe() -> None:
        member_id = await world.join()
        request = DescribeGroupsRequest(groups=["g", "nowhere"], include_authorized_operations=version >= 3)
        response = await world.call(request, version)
        groups = {group.group_id: group for group in response.groups}
        known, unknown = groups["g"], groups["nowhere"]
        assert (known.error_code, known.group_state, known.protocol_type, known.protocol_data) == (
            ErrorCode.NONE,
            "Stable",
            "consumer",
            "range",
        )
        (member,) = known.members
        assert (member.member_id, member.client_id, member.client_host) == (member_id, "client", "/127.0.0.1")
        assert member.member_assignment == b"mine"
        assert known.authorized_operations == (3400 if version >= 3 else OPERATIONS_NOT_ASKED)
        assert (unknown.group_state, unknown.members) == ("Dead", [])
        assert unknown.error_code == (ErrorCode.GROUP_ID_NOT_FOUND if version >= 6 else ErrorCode.NONE)
        assert unknown.error_message == ("Group nowhere not found." if version >= 6 else None)

    asyncio.run(describe())


def test_while_records_are_not_committed() -> None:
    world = GroupWorld()

    async def describe() -> None:
        member_id = await world.join()
        world.log.commits_at_once = False
        from kwire.wire.messages.leave_group import LeaveGroupRequest, MemberIdentity

        members = [MemberIdentity(member_id=member_id, group_instance_id=None)]
        leaving = asyncio.create_task(world.call(LeaveGroupRequest(group_id="g", members=members), 5))
        await asyncio.sleep(0)
        described = asyncio.create_task(world.call(DescribeGroupsRequest(groups=["g", "h"]), 5))
        await asyncio.sleep(0)
        assert not described.done()
        for partition in world.log.batches:
            world.log.commit(partition)
        assert [group.group_state for group in (await described).groups] == ["Empty", "Dead"]
        assert (await leaving).error_code == ErrorCode.NONE

    asyncio.run(describe())
