"""ListGroups at every version."""

from __future__ import annotations

import asyncio

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.list_groups import ListGroupsRequest
from tests.api.group_world import GroupWorld


@pytest.mark.parametrize("version", range(6))
def test_groups_of_all_partitions(version: int) -> None:
    world = GroupWorld()

    async def list_them() -> None:
        assert (await world.call(ListGroupsRequest(), version)).groups == []
        names = [f"group-{index}" for index in range(10)]
        for name in names:
            await world.join(name)
        response = await world.call(ListGroupsRequest(), version)
        assert response.error_code == ErrorCode.NONE
        assert sorted(group.group_id for group in response.groups) == names
        assert {group.protocol_type for group in response.groups} == {"consumer"}
        assert {group.group_state for group in response.groups} == {"Stable" if version >= 4 else ""}
        assert {group.group_type for group in response.groups} == {"classic" if version >= 5 else ""}

    asyncio.run(list_them())


@pytest.mark.parametrize(
    ("states", "types", "count"),
    [(["stable"], [], 1), (["Empty"], [], 0), (["bogus"], [], 0), ([], ["Classic"], 1), ([], ["bogus"], 0)],
)
def test_filters(states: list[str], types: list[str], count: int) -> None:
    world = GroupWorld()

    async def list_them() -> None:
        await world.join()
        response = await world.call(ListGroupsRequest(states_filter=states, types_filter=types), 5)
        assert (response.error_code, len(response.groups)) == (ErrorCode.NONE, count)

    asyncio.run(list_them())
