"""IncrementalAlterConfigs at every version."""

from __future__ import annotations

import asyncio

import pytest

from kwire.cluster.controller.core import NewTopic
from kwire.errors import ErrorCode
from kwire.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from tests.api.cluster_api import Client, versions_of, with_client
from tests.cluster.node import Node

VERSIONS = versions_of(44)
TOPIC, BROKER, GROUP = 2, 4, 32
SET, DELETE, APPEND, SUBTRACT = range(4)
Change = tuple[str, int, str | None]


def altering(*resources: tuple[int, str, list[Change]], validate_only: bool = False) -> IncrementalAlterConfigsRequest:
    return IncrementalAlterConfigsRequest(
        resources=[
            AlterConfigsResource(
                resource_type=kind,
                resource_name=name,
                configs=[AlterableConfig(name=key, config_operation=op, value=value) for key, op, value in changes],
            )
            for kind, name, changes in resources
        ],
        validate_only=validate_only,
    )


async def code_of(client: Client, kind: int, name: str, *changes: Change, version: int = 1) -> int:
    (row,) = (await client.ask(altering((kind, name, list(changes))), version)).responses
    assert (row.resource_type, row.resource_name) == (kind, name)
    assert (row.error_message is None) == (row.error_code == 0)
    code: int = row.error_code
    return code


@pytest.mark.parametrize("version", VERSIONS)
def test_a_topics_settings(version: int) -> None:
    async def scenario(client: Client) -> None:
        node = client.node
        await node.controller.create_topics([NewTopic("t", overrides={"retention.ms": "1"})])
        changes: list[Change] = [("retention.ms", SET, "2000"), ("max.message.bytes", SET, "500")]
        assert await code_of(client, TOPIC, "t", *changes, version=version) == 0
        expected = {"retention.ms": "2000", "max.message.bytes": "500"}
        assert node.cache.topics["t"].overrides == node.leadership.settings["t"] == expected
        assert await code_of(client, TOPIC, "t", ("retention.ms", DELETE, None), version=version) == 0
        assert await code_of(client, TOPIC, "t", ("segment.ms", DELETE, None), version=version) == 0
        assert node.leadership.settings["t"] == {"max.message.bytes": "500"}
        stored, _ = await node.session.get("/config/topics/t")
        assert stored == b'{"version":1,"config":{"max.message.bytes":"500"}}'
        notices = await node.session.children("/config/changes")
        assert sorted(notices) == ["config_change_0000000000", "config_change_0000000001"]
        notice, _ = await node.session.get("/config/changes/config_change_0000000000")
        assert notice == b'{"version":2,"entity_path":"topics/t"}'

    with_client(None, scenario)


def test_a_groups_settings() -> None:
    async def scenario(client: Client) -> None:
        cache, session = client.node.cache, client.node.session
        name = "consumer.session.timeout.ms"
        assert await code_of(client, GROUP, "a/b", (name, SET, "50000")) == 0
        assert cache.group_overrides_of("a/b") == {name: "50000"}
        stored, _ = await session.get("/config/groups/a%2Fb")
        assert stored == b'{"version":1,"config":{"consumer.session.timeout.ms":"50000"}}'
        assert await session.children("/config/changes") == []
        for change, code in (
            ((name, SET, "1"), ErrorCode.INVALID_CONFIG),
            ((name, SET, "soon"), ErrorCode.INVALID_CONFIG),
            ((name, APPEND, "50000"), ErrorCode.INVALID_CONFIG),
            (("no.such.option", SET, "1"), ErrorCode.INVALID_CONFIG),
            ((name, SET, None), ErrorCode.INVALID_REQUEST),
        ):
            assert await code_of(client, GROUP, "a/b", change) == code
        assert await code_of(client, GROUP, "", (name, SET, "50000")) == ErrorCode.INVALID_REQUEST
        assert cache.group_overrides_of("a/b") == {name: "50000"}
        assert await code_of(client, GROUP, "a/b", (name, DELETE, None)) == 0
        assert cache.group_overrides_of("a/b") == {}

    with_client(None, scenario)


def test_append_and_subtract() -> None:
    async def scenario(client: Client) -> None:
        cache = client.node.cache
        await client.node.controller.create_topics([NewTopic("t")])

        async def policy(operation: int, value: str) -> str:
            assert await code_of(client, TOPIC, "t", ("cleanup.policy", operation, value)) == 0
            return cache.topics["t"].overrides["cleanup.policy"]

        assert await policy(APPEND, "compact") == "delete,compact"
        assert await policy(APPEND, "compact, delete") == "delete,compact"
        assert await policy(SUBTRACT, "delete") == "compact"
        assert await code_of(client, TOPIC, "t", ("retention.ms", APPEND, "1")) == ErrorCode.INVALID_CONFIG
        assert await code_of(client, TOPIC, "t", ("no.such.key", SUBTRACT, "1")) == ErrorCode.INVALID_CONFIG

    with_client(None, scenario)


def test_what_a_topic_refuses() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t")])
        for change, code in (
            (("no.such.key", SET, "1"), ErrorCode.INVALID_CONFIG),
            (("retention.ms", SET, "soon"), ErrorCode.INVALID_CONFIG),
            (("retention.ms", SET, None), ErrorCode.INVALID_REQUEST),
            (("retention.ms", 9, "1"), ErrorCode.UNKNOWN_SERVER_ERROR),
        ):
            assert await code_of(client, TOPIC, "t", change) == code
        twice: list[Change] = [("retention.ms", SET, "1"), ("retention.ms", DELETE, None)]
        assert await code_of(client, TOPIC, "t", *twice) == ErrorCode.INVALID_REQUEST
        assert await code_of(client, TOPIC, "nix", ("retention.ms", SET, "1")) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert await code_of(client, TOPIC, "b b", ("retention.ms", SET, "1")) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert await code_of(client, TOPIC, "", ("retention.ms", SET, "1")) == ErrorCode.INVALID_REQUEST
        assert client.node.cache.topics["t"].overrides == {}
        assert client.node.leadership.settings == {}

    with_client(None, scenario)


def test_brokers() -> None:
    async def scenario(client: Client) -> None:
        node = client.node
        await node.controller.create_topics([NewTopic("t")])
        assert await code_of(client, BROKER, "", ("log.retention.ms", SET, "5000")) == 0
        assert await code_of(client, BROKER, "1", ("log.retention.ms", SET, "6000")) == 0
        assert node.options.get("log.retention.ms") == 6000
        assert node.leadership.settings == {"t": {}}  # Its logs follow the broker's options.
        stored, _ = await node.session.get("/config/brokers/<default>")
        assert stored == b'{"version":1,"config":{"log.retention.ms":"5000"}}'
        assert await code_of(client, BROKER, "1", ("log.retention.ms", DELETE, None)) == 0
        assert node.options.get("log.retention.ms") == 5000
        assert await code_of(client, BROKER, "01", ("log.segment.bytes", DELETE, None)) == 0
        stored, _ = await node.session.get("/config/brokers/1")
        assert stored == b'{"version":1,"config":{}}'
        assert await code_of(client, BROKER, "1", ("my.plugin.key", SET, "x")) == 0
        refused = ErrorCode.INVALID_REQUEST
        assert await code_of(client, BROKER, "1", ("num.partitions", SET, "3")) == refused
        assert await code_of(client, BROKER, "", ("ssl.keystore.location", SET, "/x")) == refused
        assert await code_of(client, BROKER, "1", ("log.retention.ms", SET, "0")) == refused
        assert await code_of(client, BROKER, "", ("log.retention.ms", SET, "0")) == refused
        assert await code_of(client, BROKER, "2", ("log.retention.ms", SET, "1")) == refused
        assert await code_of(client, BROKER, "x", ("log.retention.ms", SET, "1")) == refused
        assert await code_of(client, 8, "1", ("root", SET, "DEBUG")) == refused
        assert await code_of(client, 77, "1", ("a", SET, "b")) == refused

    with_client(None, scenario)


def test_validate_only_changes_nothing() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t")])
        good: tuple[int, str, list[Change]] = (TOPIC, "t", [("retention.ms", SET, "1")])
        bad: tuple[int, str, list[Change]] = (BROKER, "1", [("num.partitions", SET, "1")])
        response = await client.ask(altering(good, bad, validate_only=True), 1)
        assert [row.error_code for row in response.responses] == [0, ErrorCode.INVALID_REQUEST]
        assert client.node.cache.topics["t"].overrides == {}
        assert await client.node.session.children("/config/changes") == []

    with_client(None, scenario)


def test_a_resource_named_twice_is_refused_each_time() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t"), NewTopic("u")])
        one: tuple[int, str, list[Change]] = (TOPIC, "t", [("retention.ms", SET, "1")])
        other: tuple[int, str, list[Change]] = (TOPIC, "u", [("retention.ms", SET, "1")])
        response = await client.ask(altering(one, other, one), 1)
        assert [row.error_code for row in response.responses] == [42, 0, 42]

    with_client(None, scenario)


def test_a_request_about_many_resources_leaves_turns_to_others() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic(f"t{index}") for index in range(50)])
        names = [f"{kind}{index}" for index in range(50) for kind in "tu"]
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        neighbour = asyncio.ensure_future(others())
        changes: list[Change] = [("retention.ms", SET, "5")]
        rows = (await client.ask(altering(*((TOPIC, name, changes) for name in names)), 1)).responses
        neighbour.cancel()
        assert [row.error_code for row in rows] == [0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION] * 50
        assert turns >= len(names)

    with_client(None, scenario)


def test_old_notices_are_cleared_away() -> None:
    async def scenario(client: Client) -> None:
        node = client.node
        await node.controller.create_topics([NewTopic("t")])
        await code_of(client, TOPIC, "t", ("retention.ms", SET, "1"))
        node.clock.advance(15 * 60 * 1000 + 1)
        await code_of(client, TOPIC, "t", ("retention.ms", SET, "2"))
        assert await node.session.children("/config/changes") == ["config_change_0000000001"]

    with_client(None, scenario)


def test_a_broker_that_is_not_the_controller_says_so() -> None:
    async def scenario() -> None:
        first = await Node().start()
        second = await Node(broker_id=2, store=first.store).start()
        code = await code_of(Client(second), TOPIC, "t", ("retention.ms", SET, "1"))
        assert code == ErrorCode.NOT_CONTROLLER

    asyncio.run(scenario())
