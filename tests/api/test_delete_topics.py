"""DeleteTopics at every version."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kwire.cluster.controller.core import NewTopic
from kwire.errors import ErrorCode
from kwire.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from tests.api.cluster_api import Client, versions_of, with_client

VERSIONS = versions_of(20)
ZERO = bytes(16)


def deleting(version: int, *names: str) -> DeleteTopicsRequest:
    if version >= 6:
        return by_state([(name, ZERO) for name in names])
    return DeleteTopicsRequest(topic_names=list(names), timeout_ms=1000)


def by_state(topics: Sequence[tuple[str | None, bytes]]) -> DeleteTopicsRequest:
    states = [DeleteTopicState(name=name, topic_id=topic_id) for name, topic_id in topics]
    return DeleteTopicsRequest(topics=states, timeout_ms=1000)


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
