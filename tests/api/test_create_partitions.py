"""CreatePartitions at every version; the checks are in tests/scripts/controller_grow_and_delete.txt."""

from __future__ import annotations

import asyncio

import pytest

from kwire.cluster.controller.core import NewTopic
from kwire.errors import ErrorCode
from kwire.wire.messages.create_partitions import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from tests.api.cluster_api import Client, versions_of, with_client
from tests.cluster.node import Node

VERSIONS = versions_of(37)


def growing(*topics: tuple[str, int, list[list[int]] | None], validate_only: bool = False) -> CreatePartitionsRequest:
    return CreatePartitionsRequest(
        topics=[
            CreatePartitionsTopic(
                name=name,
                count=count,
                assignments=None
                if assigned is None
                else [CreatePartitionsAssignment(broker_ids=brokers) for brokers in assigned],
            )
            for name, count, assigned in topics
        ],
        timeout_ms=1000,
        validate_only=validate_only,
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_partitions_are_there_when_the_answer_is(version: int) -> None:
    async def scenario(client: Client) -> None:
        node = client.node
        await node.controller.create_topics([NewTopic("t"), NewTopic("u")])
        request = growing(("t", 3, None), ("u", 2, [[1]]), ("nix", 2, None))
        response = await client.ask(request, version)
        assert [(row.name, row.error_code) for row in response.results] == [
            ("t", 0),
            ("u", 0),
            ("nix", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ]
        assert [row.error_message is None for row in response.results] == [True, True, False]
        assert [len(node.cache.topics[name].partitions) for name in ("t", "u")] == [3, 2]
        assert [(order.topic, order.partition, order.is_new) for order in node.leadership.applied[2:]] == [
            ("t", 1, True),
            ("t", 2, True),
            ("u", 1, True),
        ]

    with_client(None, scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_validate_only_adds_nothing(version: int) -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t", 2)])
        request = growing(("t", 3, None), validate_only=True)
        assert (await client.ask(request, version)).results[0].error_code == 0
        request = growing(("t", 2, None), validate_only=True)
        assert (await client.ask(request, version)).results[0].error_code == ErrorCode.INVALID_PARTITIONS
        assert len(client.node.cache.topics["t"].partitions) == 2

    with_client(None, scenario)


def test_a_broker_that_is_not_the_controller_says_so() -> None:
    async def scenario() -> None:
        first = await Node().start()
        second = await Node(broker_id=2, store=first.store).start()
        response = await Client(second).ask(growing(("t", 3, None)), 0)
        assert [(row.name, row.error_code) for row in response.results] == [("t", ErrorCode.NOT_CONTROLLER)]

    asyncio.run(scenario())
