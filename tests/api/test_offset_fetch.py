"""OffsetFetch at every version."""

from __future__ import annotations

import asyncio

import pytest

from kwire.api.offset_fetch import error_response
from kwire.errors import ErrorCode
from kwire.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from tests.api.group_world import TOPIC_ID, GroupWorld
from tests.api.test_offset_commit import commit, spot


def old(*indexes: int, topic: str = "t") -> OffsetFetchRequest:
    return OffsetFetchRequest(
        group_id="g", topics=[OffsetFetchRequestTopic(name=topic, partition_indexes=list(indexes))]
    )


def new(*indexes: int, group_id: str = "g", topic: str = "t", topic_id: bytes = TOPIC_ID) -> OffsetFetchRequestGroup:
    topics = [OffsetFetchRequestTopics(name=topic, topic_id=topic_id, partition_indexes=list(indexes))]
    return OffsetFetchRequestGroup(group_id=group_id, topics=topics)


@pytest.mark.parametrize("version", range(8))
def test_one_group(version: int) -> None:
    world = GroupWorld()

    async def fetch() -> None:
        await world.call(commit(spot(1, 11, "m")), 8)
        response = await world.call(old(1, 0), version)
        assert response.error_code == ErrorCode.NONE
        (topic,) = response.topics
        assert topic.name == "t"
        assert [(p.partition_index, p.committed_offset, p.metadata, p.error_code) for p in topic.partitions] == [
            (1, 11, "m", ErrorCode.NONE),
            (0, -1, "", ErrorCode.NONE),
        ]
        if version >= 2:
            everything = await world.call(OffsetFetchRequest(group_id="g", topics=None), version)
            assert [[p.partition_index for p in t.partitions] for t in everything.topics] == [[1]]

    asyncio.run(fetch())


@pytest.mark.parametrize("version", [8, 9, 10])
def test_several_groups(version: int) -> None:
    world = GroupWorld()

    async def fetch() -> None:
        await world.call(commit(spot(1, 11)), 8)
        request = OffsetFetchRequest(
            groups=[new(1), new(0, group_id="nowhere"), OffsetFetchRequestGroup(group_id="g", topics=None)]
        )
        response = await world.call(request, version)
        assert [group.group_id for group in response.groups] == ["g", "nowhere", "g"]
        assert [group.topics[0].partitions[0].committed_offset for group in response.groups] == [11, -1, 11]
        for group in response.groups:
            assert group.topics[0].name == ("t" if version < 10 else "")
            assert group.topics[0].topic_id == (TOPIC_ID if version >= 10 else bytes(16))

    asyncio.run(fetch())


def test_an_unknown_topic_by_name_and_by_id() -> None:
    world = GroupWorld()

    async def fetch() -> None:
        response = await world.call(OffsetFetchRequest(groups=[new(0, topic="nowhere")]), 9)
        (partition,) = response.groups[0].topics[0].partitions
        assert (partition.committed_offset, partition.error_code) == (-1, ErrorCode.NONE)
        response = await world.call(OffsetFetchRequest(groups=[new(0, topic_id=b"?" * 16)]), 10)
        assert response.groups[0].topics[0].topic_id == b"?" * 16
        (partition,) = response.groups[0].topics[0].partitions
        assert (partition.committed_offset, partition.error_code) == (-1, ErrorCode.UNKNOWN_TOPIC_ID)

    asyncio.run(fetch())


def test_all_topics_by_id_leaves_out_what_is_gone() -> None:
    world = GroupWorld()

    async def fetch() -> None:
        await world.call(commit(spot(1, 11)), 8)
        world.metadata.remove_topic("t")
        request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=None)])
        assert (await world.call(request, 10)).groups[0].topics == []
        assert (await world.call(request, 9)).groups[0].topics[0].name == "t"

    asyncio.run(fetch())


@pytest.mark.parametrize("version", range(11))
def test_no_coordinator_here(version: int) -> None:
    world = GroupWorld(topic_exists=False)
    if version >= 8:
        response = asyncio.run(world.call(OffsetFetchRequest(groups=[new(0)]), version))
        assert (response.groups[0].error_code, response.groups[0].topics) == (ErrorCode.NOT_COORDINATOR, [])
        return
    response = asyncio.run(world.call(old(0), version))
    assert response.topics[0].partitions[0].error_code == ErrorCode.NOT_COORDINATOR
    assert response.error_code == (ErrorCode.NOT_COORDINATOR if version >= 2 else ErrorCode.NONE)


@pytest.mark.parametrize("version", [0, 7, 8])
def test_error_response(version: int) -> None:
    request = OffsetFetchRequest(groups=[new(0)]) if version >= 8 else old(0)
    response = error_response(request, ErrorCode.UNKNOWN_SERVER_ERROR, None)
    codes = [group.error_code for group in response.groups] if version >= 8 else [response.error_code]
    assert codes == [ErrorCode.UNKNOWN_SERVER_ERROR]
