"""OffsetDelete."""

from __future__ import annotations

import asyncio

from kwire.errors import ErrorCode
from kwire.wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from tests.api.group_world import GroupWorld, TopicImage, partition
from tests.api.served import Served
from tests.api.share_client import joined
from tests.api.test_offset_commit import commit, committed, spot


def delete(group_id: str, *indexes: int, topic: str = "t") -> OffsetDeleteRequest:
    partitions = [OffsetDeleteRequestPartition(partition_index=index) for index in indexes]
    return OffsetDeleteRequest(group_id=group_id, topics=[OffsetDeleteRequestTopic(name=topic, partitions=partitions)])


def test_known_and_unknown_partitions() -> None:
    world = GroupWorld()

    async def both() -> None:
        await world.call(commit(spot(0, 10), spot(1, 11)), 8)
        response = await world.call(delete("g", 0, 7), 0)
        assert response.error_code == ErrorCode.NONE
        (topic,) = response.topics
        assert {p.partition_index: p.error_code for p in topic.partitions} == {
            0: ErrorCode.NONE,
            7: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        }
        assert await committed(world) == {1: (11, "")}

    asyncio.run(both())


def test_a_topic_that_the_group_consumes() -> None:
    world = GroupWorld()
    world.metadata.put_topic(TopicImage("u", bytes([2] * 16), [partition(0)]))

    async def subscribed() -> None:
        await world.join()
        response = await world.call(delete("g", 0), 0)
        assert response.topics[0].partitions[0].error_code == ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
        response = await world.call(delete("g", 0, topic="u"), 0)
        assert response.topics[0].partitions[0].error_code == ErrorCode.NONE

    asyncio.run(subscribed())


def test_a_group_that_does_not_exist() -> None:
    world = GroupWorld()

    async def unknown() -> None:
        for request, code in (
            (delete("nowhere", 0), ErrorCode.GROUP_ID_NOT_FOUND),
            (delete("nowhere", 7), ErrorCode.GROUP_ID_NOT_FOUND),
            (delete("", 0), ErrorCode.INVALID_GROUP_ID),
        ):
            response = await world.call(request, 0)
            assert (response.error_code, response.topics) == (code, [])

    asyncio.run(unknown())


def test_a_share_group_has_no_offsets(served: Served) -> None:
    served.create_topic("t")
    served.create_topic("u")
    joined(served, "t")
    for topic in "tu":
        response = served.call(delete("g", 0, topic=topic), 0)
        assert (response.error_code, response.topics) == (ErrorCode.GROUP_ID_NOT_FOUND, [])


def test_waiting_for_replicas() -> None:
    world = GroupWorld()

    async def wait() -> None:
        await world.call(commit(spot(0, 10)), 8)
        world.log.commits_at_once = False
        pending = asyncio.create_task(world.call(delete("g", 0, 7), 0))
        await asyncio.sleep(0)
        assert not pending.done()
        for led in world.log.batches:
            world.log.commit(led)
        assert len((await pending).topics[0].partitions) == 2

    asyncio.run(wait())
