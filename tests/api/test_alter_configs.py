"""AlterConfigs at every version: the whole set at once."""

from __future__ import annotations

import pytest

from kwire.cluster.controller.core import NewTopic
from kwire.errors import ErrorCode
from kwire.wire.messages.alter_configs import AlterableConfig, AlterConfigsRequest, AlterConfigsResource
from tests.api.cluster_api import Client, versions_of, with_client

VERSIONS = versions_of(33)
TOPIC, BROKER = 2, 4


def replacing(
    kind: int, name: str, settings: dict[str, str | None], validate_only: bool = False
) -> AlterConfigsRequest:
    configs = [AlterableConfig(name=key, value=value) for key, value in settings.items()]
    resource = AlterConfigsResource(resource_type=kind, resource_name=name, configs=configs)
    return AlterConfigsRequest(resources=[resource], validate_only=validate_only)


async def code_of(client: Client, request: AlterConfigsRequest, version: int = 2) -> int:
    (row,) = (await client.ask(request, version)).responses
    code: int = row.error_code
    return code


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_not_named_goes_back_to_its_default(version: int) -> None:
    async def scenario(client: Client) -> None:
        node = client.node
        await node.controller.create_topics([NewTopic("t", overrides={"retention.ms": "1", "segment.ms": "2"})])
        request = replacing(TOPIC, "t", {"retention.ms": "5"})
        request.validate_only = True
        assert await code_of(client, request, version) == 0
        assert len(node.cache.topics["t"].overrides) == 2
        request.validate_only = False
        assert await code_of(client, request, version) == 0
        assert node.cache.topics["t"].overrides == node.leadership.settings["t"] == {"retention.ms": "5"}
        assert await code_of(client, replacing(TOPIC, "t", {}), version) == 0
        assert node.cache.topics["t"].overrides == {}

    with_client(None, scenario)


def test_what_is_refused() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t")])
        assert await code_of(client, replacing(TOPIC, "t", {"nonsense": "1"})) == ErrorCode.INVALID_CONFIG
        assert await code_of(client, replacing(TOPIC, "t", {"retention.ms": None})) == ErrorCode.INVALID_REQUEST
        assert await code_of(client, replacing(TOPIC, "nix", {})) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert await code_of(client, replacing(BROKER, "1", {"num.partitions": "2"})) == ErrorCode.INVALID_REQUEST

    with_client(None, scenario)


def test_a_broker() -> None:
    async def scenario(client: Client) -> None:
        options = client.node.options
        assert await code_of(client, replacing(BROKER, "1", {"log.retention.ms": "7", "log.segment.bytes": "99"})) != 0
        request = replacing(BROKER, "1", {"log.retention.ms": "7", "log.retention.bytes": "8"})
        assert await code_of(client, request) == 0
        assert (options.get("log.retention.ms"), options.get("log.retention.bytes")) == (7, 8)
        assert await code_of(client, replacing(BROKER, "1", {"log.retention.ms": "9"})) == 0
        assert (options.get("log.retention.ms"), options.get("log.retention.bytes")) == (9, -1)

    with_client(None, scenario)
