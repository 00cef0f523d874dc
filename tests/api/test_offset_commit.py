"""OffsetCommit at every version."""

from __future__ import annotations

import asyncio

import pytest

from kwire.api.offset_commit import error_response
from kwire.errors import ErrorCode
from kwire.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kwire.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from tests.api.group_world import TOPIC_ID, GroupWorld


def spot(index: int, offset: int, metadata: str | None = None) -> OffsetCommitRequestPartition:
    return OffsetCommitRequestPartition(partition_index=index, committed_offset=offset, committed_metadata=metadata)


def commit(
    *partitions: OffsetCommitRequestPartition, topic: str = "t", topic_id: bytes = TOPIC_ID
) -> OffsetCommitRequest:
    topics = [OffsetCommitRequestTopic(name=topic, topic_id=topic_id, partitions=list(partitions))]
    return OffsetCommitRequest(group_id="g", topics=topics)


async def committed(world: GroupWorld) -> dict[int, tuple[int, str]]:
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=None)])
    response = await world.call(request, 8)
    return {
        partition.partition_index: (partition.committed_offset, partition.metadata)
        for topic in response.groups[0].topics
        for partition in topic.partitions
    }


@pytest.mark.parametrize("version", range(11))
def test_known_and_unknown_partitions(version: int) -> None:
    world = GroupWorld()

    async def both() -> None:
        response = await world.call(commit(spot(0, 10), spot(2, 5), spot(1, 11, "m"), spot(-1, 5)), version)
        (topic,) = response.topics
        assert topic.name == ("t" if version < 10 else "")
        assert topic.topic_id == (TOPIC_ID if version >= 10 else bytes(16))
        assert {partition.partition_index: partition.error_code for partition in topic.partitions} == {
            0: ErrorCode.NONE,
            1: ErrorCode.NONE,
            2: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            -1: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        }
        assert await committed(world) == {0: (10, ""), 1: (11, "m")}

    asyncio.run(both())


@pytest.mark.parametrize(
    ("version", "code"), [(9, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION), (10, ErrorCode.UNKNOWN_TOPIC_ID)]
)
def test_an_unknown_topic(version: int, code: ErrorCode) -> None:
    world = GroupWorld()

    async def unknown() -> None:
        request = commit(spot(0, 1), topic="nowhere", topic_id=b"?" * 16)
        (topic,) = (await world.call(request, version)).topics
        assert [partition.error_code for partition in topic.partitions] == [code]
        request.topics += commit(spot(0, 1)).topics
        response = await world.call(request, version)
        assert sorted(topic.partitions[0].error_code for topic in response.topics) == [ErrorCode.NONE, code]

    asyncio.run(unknown())
    assert world.log.appends == 1


@pytest.mark.parametrize(("version", "code"), [(8, ErrorCode.ILLEGAL_GENERATION), (9, ErrorCode.GROUP_ID_NOT_FOUND)])
def test_a_generation_of_an_unknown_group(version: int, code: ErrorCode) -> None:
    world = GroupWorld()
    request = commit(spot(0, 1), spot(1, 1))
    request.generation_id_or_member_epoch = 3
    response = asyncio.run(world.call(request, version))
    assert [partition.error_code for partition in response.topics[0].partitions] == [code, code]


def test_version_1_brings_its_timestamp_and_versions_2_to_4_their_retention() -> None:
    world = GroupWorld()

    async def commits() -> None:
        request = commit(spot(0, 1))
        request.topics[0].partitions[0].commit_timestamp = 77
        await world.call(request, 1)
        request = commit(spot(1, 1))
        request.retention_time_ms = 1000
        await world.call(request, 3)
        shard = world.groups._runtime._slots[world.groups.partition_for("g")].shard
        first, second = (shard.offsets.by_group["g"]["t"][index] for index in (0, 1))
        assert (first.commit_timestamp_ms, first.expire_timestamp_ms) == (77, -1)
        assert second.expire_timestamp_ms == world.clock.now_ms() + 1000

    asyncio.run(commits())


def test_a_retention_without_an_end_is_kept_without_an_end() -> None:
    world = GroupWorld()

    async def commits() -> None:
        request = commit(spot(0, 1))
        request.retention_time_ms = 2**63 - 1
        response = await world.call(request, 2)
        assert [partition.error_code for partition in response.topics[0].partitions] == [ErrorCode.NONE]
        shard = world.groups._runtime._slots[world.groups.partition_for("g")].shard
        assert shard.offsets.by_group["g"]["t"][0].expire_timestamp_ms == 2**63 - 1

    asyncio.run(commits())


def test_a_hundred_partitions_are_one_append() -> None:
    world = GroupWorld()
    from tests.api.group_world import TopicImage, partition

    world.metadata.put_topic(TopicImage("t", TOPIC_ID, [partition(index) for index in range(100)]))
    response = asyncio.run(world.call(commit(*(spot(index, index) for index in range(100))), 9))
    assert {partition.error_code for partition in response.topics[0].partitions} == {0}
    assert world.log.appends == 1


def test_waiting_for_replicas_with_an_unknown_partition() -> None:
    world = GroupWorld()
    world.log.commits_at_once = False

    async def wait() -> None:
        pending = asyncio.create_task(world.call(commit(spot(0, 1), spot(7, 1)), 9))
        await asyncio.sleep(0)
        assert not pending.done()
        for partition in world.log.batches:
            world.log.commit(partition)
        (topic,) = (await pending).topics
        assert [partition.error_code for partition in topic.partitions] == [0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]

    asyncio.run(wait())


def test_nothing_to_commit() -> None:
    world = GroupWorld()
    assert asyncio.run(world.call(OffsetCommitRequest(group_id="g", topics=[]), 9)).topics == []
    assert world.log.appends == 0


def test_error_response() -> None:
    response = error_response(commit(spot(0, 1), spot(1, 1)), ErrorCode.UNKNOWN_SERVER_ERROR, None)
    assert [partition.error_code for partition in response.topics[0].partitions] == [-1, -1]
