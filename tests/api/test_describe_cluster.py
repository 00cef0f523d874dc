"""DescribeCluster at every version."""

from __future__ import annotations

import asyncio

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.describe_cluster import DescribeClusterRequest
from tests.api.cluster_api import Client, versions_of, with_client
from tests.cluster.node import CLUSTER_ID, Node

VERSIONS = versions_of(60)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("asked", [False, True])
def test_the_cluster(version: int, asked: bool) -> None:
    async def scenario(client: Client) -> None:
        response = await client.ask(DescribeClusterRequest(include_cluster_authorized_operations=asked), version)
        assert (response.error_code, response.error_message, response.endpoint_type) == (0, None, 1)
        assert (response.cluster_id, response.controller_id) == (CLUSTER_ID, 1)
        assert [(row.broker_id, row.host, row.port, row.rack, row.is_fenced) for row in response.brokers] == [
            (1, "192.0.2.7", 9092, None, False)
        ]
        assert response.cluster_authorized_operations == (8096 if asked else -2147483648)

    with_client(None, scenario)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("endpoint_type", "code"),
    [(2, ErrorCode.MISMATCHED_ENDPOINT_TYPE), (7, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE)],
)
def test_controllers_are_not_described(version: int, endpoint_type: int, code: ErrorCode) -> None:
    async def scenario(client: Client) -> None:
        request = DescribeClusterRequest(include_cluster_authorized_operations=False, endpoint_type=endpoint_type)
        response = await client.ask(request, version)
        assert (response.error_code, response.endpoint_type, response.brokers) == (code, endpoint_type, [])
        assert response.error_message

    with_client(None, scenario)


def test_racks_and_neighbours() -> None:
    async def scenario() -> None:
        first = await Node().start(rack="r1")
        await Node(broker_id=2, store=first.store).start(rack="r2")
        await asyncio.sleep(0.01)  # The watch on /brokers/ids fires, and the controller reads them.
        response = await Client(first).ask(DescribeClusterRequest(include_cluster_authorized_operations=False), 0)
        assert [(row.broker_id, row.host, row.port, row.rack) for row in response.brokers] == [
            (1, "192.0.2.7", 9092, "r1"),
            (2, "host2", 9092, "r2"),
        ]

    asyncio.run(scenario())
