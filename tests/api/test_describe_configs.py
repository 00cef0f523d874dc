"""DescribeConfigs at every version."""

from __future__ import annotations

from typing import Any

import pytest

from kwire.cluster.controller.config_alteration import EntityAlteration, OptionAlteration
from kwire.cluster.controller.core import NewTopic
from kwire.config.topic_config import TopicConfig
from kwire.errors import ErrorCode
from kwire.wire.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from tests.api.cluster_api import Client, versions_of, with_client

VERSIONS = versions_of(32)
TOPIC, BROKER, LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32


def asking(kind: int, name: str, keys: list[str] | None = None, **fields: Any) -> DescribeConfigsRequest:
    resource = DescribeConfigsResource(resource_type=kind, resource_name=name, configuration_keys=keys)
    return DescribeConfigsRequest(resources=[resource], **fields)


async def described(client: Client, request: DescribeConfigsRequest, version: int) -> dict[str, Any]:
    (result,) = (await client.ask(request, version)).results
    assert (result.error_code, result.error_message) == (0, None)
    return {config.name: config for config in result.configs}


async def refused(client: Client, kind: int, name: str) -> int:
    (result,) = (await client.ask(asking(kind, name), 4)).results
    assert (result.resource_type, result.resource_name, result.configs) == (kind, name, [])
    code: int = result.error_code
    return code


@pytest.mark.parametrize("version", VERSIONS)
def test_a_topic(version: int) -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t", overrides={"retention.ms": "1000"})])
        settings = await described(client, asking(TOPIC, "t"), version)
        own, default = settings["retention.ms"], settings["cleanup.policy"]
        assert (own.value, own.read_only, own.is_sensitive) == ("1000", False, False)
        assert default.value == "delete"
        if version == 0:
            assert (own.is_default, default.is_default) == (False, True)
        else:
            assert (own.config_source, default.config_source) == (1, 5)
            assert own.synonyms == []
        assert own.config_type == (5 if version >= 3 else 0)
        assert own.documentation == (None if version >= 3 else "")
        assert settings["segment.bytes"].value == "1073741824"

    with_client(None, scenario)


@pytest.mark.parametrize("version", range(1, 5))
def test_synonyms_and_documentation_when_asked(version: int) -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t", overrides={"retention.ms": "1000"})])
        request = asking(TOPIC, "t", ["retention.ms"], include_synonyms=True)
        request.include_documentation = version >= 3
        (setting,) = (await described(client, request, version)).values()
        assert [(synonym.name, synonym.value, synonym.source) for synonym in setting.synonyms] == [
            ("retention.ms", "1000", 1),
            ("log.retention.ms", "3000", 4),
            ("log.retention.hours", "168", 5),
        ]
        if version >= 3:
            assert len(setting.documentation) > 20

    with_client({"log.retention.ms": "3000"}, scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_keys_that_are_asked_for(version: int) -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t")])
        some = asking(TOPIC, "t", ["retention.ms", "no.such.key"])
        assert list(await described(client, some, version)) == ["retention.ms"]
        assert len(await described(client, asking(TOPIC, "t", []), version)) > 30

    with_client(None, scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_this_broker(version: int) -> None:
    async def scenario(client: Client) -> None:
        settings = await described(client, asking(BROKER, "1"), version)
        assert settings["num.partitions"].value == "3"
        assert settings["num.partitions"].read_only
        assert not settings["log.retention.ms"].read_only
        password = settings["ssl.keystore.password"]
        assert (password.value, password.is_sensitive) == (None, True)

    with_client({"num.partitions": "3", "ssl.keystore.password": "secret"}, scenario)


def test_the_clusters_defaults() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.alter_configs(
            [EntityAlteration("brokers", "<default>", [OptionAlteration("log.retention.ms", 0, "5000")])]
        )
        settings = await described(client, asking(BROKER, "", ["log.retention.ms"]), 4)
        assert [(s.value, s.config_source) for s in settings.values()] == [("5000", 3)]
        settings = await described(client, asking(BROKER, "1", ["log.retention.ms"]), 4)
        assert [(s.value, s.config_source) for s in settings.values()] == [("5000", 3)]

    with_client(None, scenario)


def test_a_group_and_the_loggers() -> None:
    async def scenario(client: Client) -> None:
        group = await described(client, asking(GROUP, "g", include_documentation=True), 4)
        assert group["consumer.session.timeout.ms"].value == "45000"
        assert len(group) == 17
        loggers = await described(client, asking(LOGGER, "1"), 4)
        assert loggers["root"].value in ("FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE")
        assert loggers["kwire.controller"].config_source == 6
        some = await described(client, asking(LOGGER, "1", ["kwire.controller"]), 4)
        assert list(some) == ["kwire.controller"]

    with_client(None, scenario)


def test_what_cannot_be_described() -> None:
    async def scenario(client: Client) -> None:
        invalid = ErrorCode.INVALID_REQUEST
        assert await refused(client, TOPIC, "nix") == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert await refused(client, TOPIC, "b b") == ErrorCode.INVALID_TOPIC_EXCEPTION
        for kind, name in (
            (BROKER, "2"),
            (BROKER, "one"),
            (BROKER, "١"),
            (LOGGER, ""),
            (LOGGER, "2"),
            (GROUP, ""),
            (CLIENT_METRICS, "m"),
            (77, "1"),
        ):
            assert await refused(client, kind, name) == invalid, (kind, name)

    with_client(None, scenario)


def test_topics_of_the_same_settings_are_described_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An overview asks for all topics at once: a third of a second for 500 of them."""
    times, describe = 0, TopicConfig.describe

    def counted(config: TopicConfig, keys: Any = None) -> Any:
        nonlocal times
        times += 1
        return describe(config, keys)

    async def scenario(client: Client) -> None:
        own = {"retention.ms": "7"}
        topics = [NewTopic(f"t{index}", overrides=own if index % 2 else {}) for index in range(20)]
        await client.node.controller.create_topics(topics)
        monkeypatch.setattr(TopicConfig, "describe", counted)
        resources = [
            DescribeConfigsResource(resource_type=TOPIC, resource_name=topic.name, configuration_keys=keys)
            for topic in topics
            for keys in (None, ["retention.ms"])
        ]
        results = (await client.ask(DescribeConfigsRequest(resources=resources), 4)).results
        assert [result.resource_name for result in results] == [resource.resource_name for resource in resources]
        assert {len(result.configs) for result in results[1::2]} == {1}
        told = [{row.name: row.value for row in result.configs}["retention.ms"] for result in results]
        assert told == ["604800000", "604800000", "7", "7"] * 10
        assert times == 4

    with_client(None, scenario)


def test_one_result_per_resource() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t")])
        request = asking(TOPIC, "nix")
        request.resources += asking(TOPIC, "t").resources
        results = (await client.ask(request, 4)).results
        assert [result.error_code for result in results] == [3, 0]

    with_client(None, scenario)
