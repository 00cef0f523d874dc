"""ListConfigResources at every version."""

from __future__ import annotations

import pytest

from kwire.cluster.controller.config_alteration import GROUPS, AlterOperation, EntityAlteration, OptionAlteration
from kwire.cluster.controller.core import NewTopic
from kwire.errors import ErrorCode
from kwire.wire.messages.list_config_resources import ListConfigResourcesRequest
from tests.api.cluster_api import Client, with_client

TOPIC, BROKER, LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32


async def listed(client: Client, types: list[int], version: int = 1) -> list[tuple[int, str]]:
    response = await client.ask(ListConfigResourcesRequest(resource_types=types), version)
    assert response.error_code == 0
    return [(resource.resource_type, resource.resource_name) for resource in response.config_resources]


def test_what_has_settings() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t"), NewTopic("u")])
        setting = OptionAlteration("consumer.session.timeout.ms", AlterOperation.SET, "50000")
        await client.node.controller.alter_configs([EntityAlteration(GROUPS, "g", [setting])])
        assert await listed(client, []) == [(GROUP, "g"), (LOGGER, "1"), (BROKER, "1"), (TOPIC, "t"), (TOPIC, "u")]
        assert await listed(client, [TOPIC, BROKER, TOPIC]) == [(BROKER, "1"), (TOPIC, "t"), (TOPIC, "u")]
        assert await listed(client, [GROUP]) == [(GROUP, "g")]
        assert await listed(client, [CLIENT_METRICS]) == []
        assert await listed(client, [], version=0) == []

    with_client(None, scenario)


@pytest.mark.parametrize("types", [[99], [TOPIC, 99], [0]])
def test_an_unknown_type_is_refused(types: list[int]) -> None:
    async def scenario(client: Client) -> None:
        response = await client.ask(ListConfigResourcesRequest(resource_types=types), 1)
        assert (response.error_code, response.config_resources) == (ErrorCode.UNSUPPORTED_VERSION, [])

    with_client(None, scenario)
