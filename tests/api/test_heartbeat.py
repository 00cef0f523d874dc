"""Heartbeat at every version."""

from __future__ import annotations

import asyncio

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.heartbeat import HeartbeatRequest
from tests.api.group_world import GroupWorld


@pytest.mark.parametrize("version", range(5))
def test_a_member(version: int) -> None:
    world = GroupWorld()

    async def beat() -> None:
        member_id = await world.join()
        request = HeartbeatRequest(group_id="g", generation_id=1, member_id=member_id)
        assert (await world.call(request, version)).error_code == ErrorCode.NONE
        request.generation_id = 2
        assert (await world.call(request, version)).error_code == ErrorCode.ILLEGAL_GENERATION

    asyncio.run(beat())


@pytest.mark.parametrize("version", range(5))
@pytest.mark.parametrize(("group_id", "code"), [("", ErrorCode.INVALID_GROUP_ID), ("h", ErrorCode.UNKNOWN_MEMBER_ID)])
def test_a_stranger(group_id: str, code: ErrorCode, version: int) -> None:
    world = GroupWorld()
    request = HeartbeatRequest(group_id=group_id, generation_id=1, member_id="x")
    assert asyncio.run(world.call(request, version)).error_code == code
