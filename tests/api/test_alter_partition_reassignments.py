"""AlterPartitionReassignments at every version: error codes as Apache Kafka 4.3.1 gives them on one node."""

from __future__ import annotations

import pytest

from kwire.cluster.controller.core import NewTopic
from kwire.cluster.metadata_cache import PartitionImage
from kwire.errors import ErrorCode
from kwire.wire.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from tests.api.cluster_api import Client, versions_of, with_client

INVALID, UNKNOWN = ErrorCode.INVALID_REPLICA_ASSIGNMENT, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


async def reassigned(client: Client, version: int, topic: str, *asked: tuple[int, list[int] | None]) -> list[int]:
    partitions = [ReassignablePartition(partition_index=index, replicas=replicas) for index, replicas in asked]
    request = AlterPartitionReassignmentsRequest(topics=[ReassignableTopic(name=topic, partitions=partitions)])
    response = await client.ask(request, version)
    assert (response.error_code, response.error_message, response.allow_replication_factor_change) == (0, None, True)
    (result,) = response.responses
    assert [row.partition_index for row in result.partitions] == [index for index, _ in asked]
    assert all(bool(row.error_message) == bool(row.error_code) for row in result.partitions)
    return [row.error_code for row in result.partitions]


@pytest.mark.parametrize("version", versions_of(45))
def test_a_partition_keeps_its_replica(version: int) -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t", 2)])
        assert await reassigned(client, version, "t", (0, [1]), (0, [1]), (1, [1])) == [0, 0, 0]
        assert await reassigned(client, version, "t", (0, None)) == [ErrorCode.NO_REASSIGNMENT_IN_PROGRESS]
        assert await reassigned(client, version, "t", (0, [2]), (0, []), (0, [1, 1]), (0, [1, 2])) == [INVALID] * 4
        assert await reassigned(client, version, "t", (7, [1]), (8, None)) == [UNKNOWN] * 2
        assert await reassigned(client, version, "nope", (0, [1]), (0, None)) == [UNKNOWN] * 2

    with_client(None, scenario)


def test_replicas_do_not_move() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t")])
        client.node.cache.topics["t"].partitions[0] = PartitionImage(0, 1, 0, [1, 2], [1], 0)
        assert await reassigned(client, 1, "t", (0, [1])) == [INVALID]

    with_client(None, scenario)
