"""JoinGroup at every version: what the version changes; the group's own rules are tested in tests/coord."""

from __future__ import annotations

import asyncio

import pytest

from kwire.api.join_group import java_address
from kwire.errors import ErrorCode
from tests.api.group_world import Client, GroupWorld, join_request


@pytest.mark.parametrize("version", range(10))
def test_a_first_member(version: int) -> None:
    world = GroupWorld()

    async def join() -> None:
        response = await world.call(join_request(), version)
        if version >= 4:
            assert response.error_code == ErrorCode.MEMBER_ID_REQUIRED
            assert response.protocol_name == (None if version >= 7 else "")
            response = await world.call(join_request(member_id=response.member_id), version)
        assert response.error_code == ErrorCode.NONE
        assert response.member_id == response.leader == "client-uuid-1"
        assert (response.generation_id, response.protocol_name) == (1, "range")
        assert response.protocol_type == ("consumer" if version >= 7 else None)
        assert [member.member_id for member in response.members] == [response.member_id]

    asyncio.run(join())


@pytest.mark.parametrize("version", [0, 6, 7, 9])
def test_a_second_member_waits_for_the_first(version: int) -> None:
    world = GroupWorld()

    async def join() -> None:
        first = await world.join(version=3)
        second = asyncio.create_task(world.call(join_request("g", instance_id="i" if version > 4 else None), version))
        await asyncio.sleep(0)
        assert not second.done()
        rejoined = await world.call(join_request(member_id=first), version)
        assert (await second).generation_id == rejoined.generation_id == 2
        assert len(rejoined.members) == 2

    asyncio.run(join())


def test_version_0_has_one_timeout_for_everything() -> None:
    world = GroupWorld()

    async def join() -> None:
        await world.call(join_request(), 0)
        shard = world.groups._runtime._slots[world.groups.partition_for("g")].shard
        (member,) = shard.groups["g"].members.values()
        assert member.rebalance_timeout_ms == member.session_timeout_ms == 10_000

    asyncio.run(join())


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"group_id": ""}, ErrorCode.INVALID_GROUP_ID),
        ({"session_timeout_ms": 5_999}, ErrorCode.INVALID_SESSION_TIMEOUT),
        ({"session_timeout_ms": 1_800_001}, ErrorCode.INVALID_SESSION_TIMEOUT),
        ({"member_id": "ghost"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"protocols": []}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocol_type": ""}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ({"group_id": "", "session_timeout_ms": 1}, ErrorCode.INVALID_GROUP_ID),
        ({"member_id": "ghost", "protocols": []}, ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
@pytest.mark.parametrize("version", [0, 9])
def test_refused(change: dict[str, object], code: ErrorCode, version: int) -> None:
    world = GroupWorld()
    request = join_request()
    for name, value in change.items():
        setattr(request, name, value)
    response = asyncio.run(world.call(request, version))
    assert response.error_code == code
    assert response.generation_id == -1


def test_the_topic_does_not_exist() -> None:
    world = GroupWorld(topic_exists=False)
    assert asyncio.run(world.call(join_request(), 9)).error_code == ErrorCode.NOT_COORDINATOR


def test_no_client_id() -> None:
    world = GroupWorld()
    response = asyncio.run(world.call(join_request(), 9, client_id=None))
    assert response.member_id == "-uuid-1"


def test_the_members_host_is_shown_as_java_does() -> None:
    world = GroupWorld()
    world.client = Client("::1")

    async def join() -> None:
        await world.join()
        (described,) = world.groups.describe_groups(["g"])  # type: ignore[misc]  # nothing to wait for
        assert described.members[0].client_host == "/0:0:0:0:0:0:0:1"

    asyncio.run(join())


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("127.0.0.1", "/127.0.0.1"),
        ("::", "/0:0:0:0:0:0:0:0"),
        ("fe80::01:0:2%eth0", "/fe80:0:0:0:0:1:0:2%eth0"),
        ("2001:db8:1:2:3:4:5:6", "/2001:db8:1:2:3:4:5:6"),
        ("2001:db8::", "/2001:db8:0:0:0:0:0:0"),
    ],
)
def test_java_address(host: str, text: str) -> None:
    assert java_address(host) == text
