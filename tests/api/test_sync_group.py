"""SyncGroup at every version."""

from __future__ import annotations

import asyncio

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from tests.api.group_world import GroupWorld, join_request


@pytest.mark.parametrize("version", range(6))
def test_the_leaders_assignment(version: int) -> None:
    world = GroupWorld()

    async def sync() -> None:
        member_id = (await world.call(join_request(), 3)).member_id
        request = SyncGroupRequest(
            group_id="g",
            generation_id=1,
            member_id=member_id,
            protocol_type="consumer" if version >= 5 else None,
            protocol_name="range" if version >= 5 else None,
            assignments=[SyncGroupRequestAssignment(member_id=member_id, assignment=b"mine")],
        )
        response = await world.call(request, version)
        assert (response.error_code, response.assignment) == (ErrorCode.NONE, b"mine")
        assert response.protocol_name == ("range" if version >= 5 else None)

    asyncio.run(sync())


@pytest.mark.parametrize("version", range(6))
@pytest.mark.parametrize(("group_id", "code"), [("", ErrorCode.INVALID_GROUP_ID), ("h", ErrorCode.UNKNOWN_MEMBER_ID)])
def test_refused(group_id: str, code: ErrorCode, version: int) -> None:
    world = GroupWorld()
    request = SyncGroupRequest(group_id=group_id, generation_id=1, member_id="x", assignments=[])
    if version >= 5:
        request.protocol_type, request.protocol_name = "consumer", "range"
    response = asyncio.run(world.call(request, version))
    assert (response.error_code, response.assignment) == (code, b"")


@pytest.mark.parametrize("named", [(None, "range"), ("consumer", None)])
def test_the_protocol_must_be_there_since_version_5(named: tuple[str | None, str | None]) -> None:
    """Whatever else is wrong with the request."""
    request = SyncGroupRequest(group_id="h", generation_id=1, member_id="x", assignments=[])
    request.protocol_type, request.protocol_name = named
    response = asyncio.run(GroupWorld().call(request, 5))
    assert (response.error_code, response.assignment) == (ErrorCode.INCONSISTENT_GROUP_PROTOCOL, b"")
