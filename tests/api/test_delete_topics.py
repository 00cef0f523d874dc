"""DeleteTopics at every version."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from kwire.clock import ManualClock
from kwire.cluster.controller.core import NewTopic
from kwire.cluster.embedded_store import METADATA_FILE_NAME, EmbeddedStore
from kwire.cluster.znodes import DeleteTopicsZnode
from kwire.coord.group.share.coordinator import share_groups
from kwire.errors import ErrorCode
from kwire.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from kwire.wire.messages.find_coordinator import FindCoordinatorRequest
from kwire.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kwire.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from tests.api.cluster_api import Client, versions_of, with_client
from tests.api.served import Served
from tests.api.share_client import joined

VERSIONS = versions_of(20)
ZERO = bytes(16)


def deleting(version: int, *names: str) -> DeleteTopicsRequest:
    if version >= 6:
        return by_state([(name, ZERO) for name in names])
    return DeleteTopicsRequest(topic_names=list(names), timeout_ms=1000)


def by_state(topics: Sequence[tuple[str | None, bytes]]) -> DeleteTopicsRequest:
    states = [DeleteTopicState(name=name, topic_id=topic_id) for name, topic_id in topics]
    return DeleteTopicsRequest(topics=states, timeout_ms=1000)


def test_an_id_never_means_the_next_topic_of_the_name() -> None:
    """The topic is deleted and made anew by others while the deletion waits for its turn."""

    async def scenario(client: Client) -> None:
        (made,) = await client.node.controller.create_topics([NewTopic("t")])
        assert made.topic is not None
        first, anew, late = await asyncio.gather(
            client.ask(deleting(6, "t"), 6),
            client.node.controller.create_topics([NewTopic("t")]),
            client.ask(by_state([(None, made.topic.topic_id)]), 6),
        )
        assert [row.error_code for row in first.responses] == [ErrorCode.NONE]
        assert anew[0].error is None
        assert [(row.name, row.topic_id, row.error_code) for row in late.responses] == [
            (None, made.topic.topic_id, ErrorCode.UNKNOWN_TOPIC_ID)
        ]
        assert client.node.cache.topics["t"].topic_id == anew[0].topic.topic_id

    with_client(None, scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_by_name(version: int) -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t", 2), NewTopic("kept")])
        topic_id = client.node.cache.topics["t"].topic_id
        response = await client.ask(deleting(version, "t", "nix", "b b"), version)
        assert [(row.name, row.error_code) for row in response.responses] == [
            ("t", 0),
            ("nix", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
            ("b b", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ]
        if version >= 6:
            assert response.responses[0].topic_id == topic_id
        assert list(client.node.cache.topics) == ["kept"]
        assert [tuple(name) for name in client.node.leadership.stopped] == [("t", 0), ("t", 1)]
        (again,) = await client.node.controller.create_topics([NewTopic("t")])
        assert again.error is None

    with_client(None, scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_name_given_twice_is_refused_once(version: int) -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t")])
        response = await client.ask(deleting(version, "t", "t"), version)
        assert [(row.name, row.error_code) for row in response.responses] == [("t", ErrorCode.INVALID_REQUEST)]
        assert "t" in client.node.cache.topics

    with_client(None, scenario)


def test_by_topic_id() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t")])
        known, unknown = client.node.cache.topics["t"].topic_id, b"\x55" * 16
        response = await client.ask(by_state([(None, known), (None, unknown)]), 6)
        assert [(row.name, row.topic_id, row.error_code) for row in response.responses] == [
            ("t", known, 0),
            (None, unknown, ErrorCode.UNKNOWN_TOPIC_ID),
        ]
        assert client.node.cache.topics == {}

    with_client(None, scenario)


def test_a_topic_is_named_by_one_thing() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t")])
        topic_id = client.node.cache.topics["t"].topic_id
        refused = ErrorCode.INVALID_REQUEST
        for asked in (
            [(None, ZERO)],
            [("t", topic_id)],
            [("t", ZERO), (None, topic_id)],
            [(None, topic_id), (None, topic_id)],
        ):
            response = await client.ask(by_state(asked), 6)
            assert {row.error_code for row in response.responses} == {refused}
        assert "t" in client.node.cache.topics

    with_client(None, scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_deletion_can_be_forbidden(version: int) -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t")])
        response = await client.ask(deleting(version, "t"), version)
        code = ErrorCode.TOPIC_DELETION_DISABLED if version >= 3 else ErrorCode.INVALID_REQUEST
        assert [(row.name, row.error_code) for row in response.responses] == [("t", code)]
        assert "t" in client.node.cache.topics

    with_client({"delete.topic.enable": "false"}, scenario)


def serve_groups(path: Path) -> None:
    """A broker whose groups have committed an offset of the topic `t`, and share it."""
    served = Served(directories=[path])
    topic_id = served.create_topic("t")
    served.call(FindCoordinatorRequest(key="c", key_type=0), 3)
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=7, committed_metadata="")
    topics = [OffsetCommitRequestTopic(name="t", partitions=[partition])]
    response = served.call(OffsetCommitRequest(group_id="c", topics=topics), 2)
    assert response.topics[0].partitions[0].error_code == ErrorCode.NONE
    joined(served, "t").fetch(topic_id)
    assert what_groups_know(served) == ([7], 1, 1)
    served.close()


def what_groups_know(served: Served) -> tuple[list[int], int, int]:
    """The offsets of group `c`; the topics that share groups have states of; the states."""
    asked = OffsetFetchRequestGroup(group_id="c", topics=None)

    async def look() -> tuple[list[int], int, int]:
        services = served.broker.services
        share, groups = services.share, services.groups
        (group,) = (await served.send(OffsetFetchRequest(groups=[asked]), 8)).groups
        offsets = [partition.committed_offset for topic in group.topics for partition in topic.partitions]
        kinds = [share_groups(slot.shard) for slot in groups.runtime._slots.values()]
        stages = [found.known_stages for kind in kinds for found in kind.groups.values()]
        states = [slot.shard.entries for slot in share.states._runtime._slots.values()]
        return offsets, sum(len(stage.initialized) for stage in stages), sum(map(len, states))

    result: tuple[list[int], int, int] = served.run(look())
    return result


def test_groups_forget_a_topic_that_is_deleted_right_after_a_start(tmp_path: Path) -> None:
    serve_groups(tmp_path)
    served = Served(directories=[tmp_path])
    try:
        (answer,) = served.call(deleting(5, "t"), 5).responses
        assert answer.error_code == ErrorCode.NONE
        served.create_topic("t")
        assert what_groups_know(served) == ([], 0, 0)
    finally:
        served.close()


def test_groups_forget_a_topic_whose_deletion_a_crash_has_interrupted(tmp_path: Path) -> None:
    serve_groups(tmp_path)

    async def begin() -> None:
        store = EmbeddedStore(str(tmp_path / METADATA_FILE_NAME), ManualClock())
        await store.session().create(f"{DeleteTopicsZnode.PATH}/t", b"")
        store.close()

    asyncio.run(begin())
    served = Served(directories=[tmp_path])
    try:
        assert "t" not in served.broker.services.metadata.topics
        served.create_topic("t")
        assert what_groups_know(served) == ([], 0, 0)
    finally:
        served.close()


def test_a_broker_without_groups_makes_none_for_a_deletion(served: Served) -> None:
    served.create_topic("t")
    served.call(deleting(5, "t"), 5)
    services = served.broker.services
    assert (services._groups, services._share) == (None, None)
