"""CreateTopics at every version; the checks themselves are in tests/scripts/controller_create.txt."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kwire.config.topic_config import TopicConfig
from kwire.errors import ErrorCode
from kwire.wire.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from tests.api.cluster_api import Client, versions_of, with_client
from tests.cluster.node import Node

VERSIONS = versions_of(19)


def topic(name: str, count: int = 1, factor: int = 1, **settings: str | None) -> CreatableTopic:
    return CreatableTopic(
        name=name,
        num_partitions=count,
        replication_factor=factor,
        assignments=[],
        configs=[CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in settings.items()],
    )


def creating(*topics: CreatableTopic, **fields: Any) -> CreateTopicsRequest:
    return CreateTopicsRequest(topics=list(topics), **fields)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_topic_is_there_when_the_answer_is(version: int) -> None:
    async def scenario(client: Client) -> None:
        response = await client.ask(creating(topic("t", 3, retention_ms="1000")), version)
        (result,) = response.topics
        image = client.node.cache.topics["t"]
        assert (result.name, result.error_code, result.error_message) == ("t", 0, None if version >= 1 else "")
        assert (len(image.partitions), image.overrides) == (3, {"retention.ms": "1000"})
        assert [order.partition for order in client.node.leadership.applied] == [0, 1, 2]
        assert all(order.is_new and order.leader == 1 for order in client.node.leadership.applied)
        assert result.topic_id == (image.topic_id if version >= 7 else bytes(16))
        numbers = (result.num_partitions, result.replication_factor)
        assert numbers == ((3, 1) if version >= 5 else (-1, -1))
        settings = {config.name: (config.value, config.config_source) for config in result.configs}
        if version >= 5:
            assert settings["retention.ms"] == ("1000", 1)
            assert settings["cleanup.policy"] == ("delete", 5)
            assert len(settings) > 30
        else:
            assert settings == {}

    with_client(None, scenario)


def test_topics_of_the_same_settings_are_described_once(monkeypatch: pytest.MonkeyPatch) -> None:
    times, describe = 0, TopicConfig.describe

    def counted(config: TopicConfig, keys: Any = None) -> Any:
        nonlocal times
        times += 1
        return describe(config, keys)

    async def scenario(client: Client) -> None:
        monkeypatch.setattr(TopicConfig, "describe", counted)
        asked = [topic(f"t{index}", **({"retention_ms": "7"} if index % 2 else {})) for index in range(20)]
        results = (await client.ask(creating(*asked), 7)).topics
        told = [{config.name: config.value for config in result.configs}["retention.ms"] for result in results]
        assert told == ["604800000", "7"] * 10
        assert times == 2

    with_client(None, scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_each_topic_has_its_own_error(version: int) -> None:
    async def scenario(client: Client) -> None:
        request = creating(
            topic("ok"), topic("b b"), topic("zero", 0), topic("many", 1, 2), topic("bad", nonsense="1"), topic("twice")
        )
        request.topics.append(topic("twice"))
        response = await client.ask(request, version)
        assert [(result.name, result.error_code) for result in response.topics] == [
            ("ok", ErrorCode.NONE),
            ("b b", ErrorCode.INVALID_TOPIC_EXCEPTION),
            ("zero", ErrorCode.INVALID_PARTITIONS),
            ("many", ErrorCode.INVALID_REPLICATION_FACTOR),
            ("bad", ErrorCode.INVALID_CONFIG),
            ("twice", ErrorCode.INVALID_REQUEST),
        ]
        if version >= 1:
            assert all(result.error_message for result in response.topics[1:])
        if version >= 5:
            assert [(r.num_partitions, r.replication_factor, r.configs) for r in response.topics[1:]] == [
                (-1, -1, [])
            ] * 5
        again = await client.ask(creating(topic("ok")), version)
        assert again.topics[0].error_code == ErrorCode.TOPIC_ALREADY_EXISTS

    with_client({"kwire.lower.replication.factor": "false"}, scenario)


@pytest.mark.parametrize("version", range(1, 8))
def test_validate_only_creates_nothing(version: int) -> None:
    async def scenario(client: Client) -> None:
        response = await client.ask(creating(topic("t", 2), topic("", 2), validate_only=True), version)
        assert [result.error_code for result in response.topics] == [0, ErrorCode.INVALID_TOPIC_EXCEPTION]
        assert client.node.cache.topics == {}
        assert client.node.leadership.applied == []
        if version >= 5:
            assert response.topics[0].num_partitions == 2

    with_client(None, scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_counts_of_minus_one_are_the_defaults(version: int) -> None:
    async def scenario(client: Client) -> None:
        await client.ask(creating(topic("t", -1, -1)), version)
        assert len(client.node.cache.topics["t"].partitions) == 4

    with_client({"num.partitions": "4"}, scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_manual_assignment(version: int) -> None:
    async def scenario(client: Client) -> None:
        assigned = topic("t", -1, -1)
        assigned.assignments = [CreatableReplicaAssignment(partition_index=index, broker_ids=[1]) for index in (1, 0)]
        unknown = topic("u", -1, -1)
        unknown.assignments = [CreatableReplicaAssignment(partition_index=0, broker_ids=[9])]
        response = await client.ask(creating(assigned, unknown), version)
        assert [result.error_code for result in response.topics] == [0, ErrorCode.INVALID_REPLICA_ASSIGNMENT]
        assert len(client.node.cache.topics["t"].partitions) == 2

    with_client(None, scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_broker_that_is_not_the_controller_says_so(version: int) -> None:
    async def scenario() -> None:
        first = await Node().start()
        second = await Node(broker_id=2, store=first.store).start()
        response = await Client(second).ask(creating(topic("a"), topic("b"), topic("a")), version)
        assert [(result.name, result.error_code) for result in response.topics] == [
            ("a", ErrorCode.NOT_CONTROLLER),
            ("b", ErrorCode.NOT_CONTROLLER),
        ]

    asyncio.run(scenario())
