"""LeaveGroup at every version."""

from __future__ import annotations

import asyncio

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.leave_group import LeaveGroupRequest, MemberIdentity
from tests.api.group_world import GroupWorld


@pytest.mark.parametrize("version", range(3))
def test_one_member(version: int) -> None:
    world = GroupWorld()

    async def leave() -> None:
        member_id = await world.join()
        request = LeaveGroupRequest(group_id="g", member_id=member_id)
        assert (await world.call(request, version)).error_code == ErrorCode.NONE
        assert (await world.call(request, version)).error_code == ErrorCode.UNKNOWN_MEMBER_ID
        request.group_id = ""
        assert (await world.call(request, version)).error_code == ErrorCode.INVALID_GROUP_ID

    asyncio.run(leave())


@pytest.mark.parametrize("version", [3, 4, 5])
def test_several_members(version: int) -> None:
    world = GroupWorld()

    async def leave() -> None:
        await world.join(instance_id="i")
        members = [
            MemberIdentity(member_id="", group_instance_id="i"),
            MemberIdentity(member_id="", group_instance_id="other"),
            MemberIdentity(member_id="ghost", group_instance_id=None),
        ]
        response = await world.call(LeaveGroupRequest(group_id="g", members=members), version)
        assert response.error_code == ErrorCode.NONE
        assert [member.error_code for member in response.members] == [
            ErrorCode.NONE,
            ErrorCode.UNKNOWN_MEMBER_ID,
            ErrorCode.UNKNOWN_MEMBER_ID,
        ]
        response = await world.call(LeaveGroupRequest(group_id="nowhere", members=members), version)
        assert (response.error_code, len(response.members)) == (ErrorCode.NONE, 3)
        assert {member.error_code for member in response.members} == {ErrorCode.UNKNOWN_MEMBER_ID}

    asyncio.run(leave())


@pytest.mark.parametrize("version", [0, 2, 5])
def test_while_the_last_record_is_not_committed(version: int) -> None:
    world = GroupWorld()

    async def leave() -> None:
        member_id = await world.join()
        world.log.commits_at_once = False
        request = LeaveGroupRequest(group_id="g")
        if version < 3:
            request.member_id = member_id
        else:
            request.members = [MemberIdentity(member_id=member_id, group_instance_id=None)]
        pending = asyncio.create_task(world.call(request, version))
        await asyncio.sleep(0)
        assert not pending.done()
        for partition in world.log.batches:
            world.log.commit(partition)
        assert (await pending).error_code == ErrorCode.NONE

    asyncio.run(leave())
