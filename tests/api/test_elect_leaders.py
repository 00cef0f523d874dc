"""ElectLeaders at every version: error codes as Apache Kafka 4.3.1 gives them on one node."""

from __future__ import annotations

import pytest

from kwire.cluster.controller.core import NewTopic
from kwire.cluster.metadata_cache import PartitionImage
from kwire.errors import ErrorCode
from kwire.wire.messages.elect_leaders import ElectLeadersRequest, TopicPartitions
from tests.api.cluster_api import Client, versions_of, with_client

VERSIONS = versions_of(43)


async def elected(
    client: Client, version: int, asked: dict[str, list[int]] | None, election_type: int = 0
) -> tuple[int, list[tuple[str, int, int]]]:
    topics = None if asked is None else [TopicPartitions(topic=t, partitions=p) for t, p in asked.items()]
    response = await client.ask(ElectLeadersRequest(election_type=election_type, topic_partitions=topics), version)
    return response.error_code, [
        (result.topic, partition.partition_id, partition.error_code)
        for result in response.replica_election_results
        for partition in result.partition_result
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_who_should_lead_does(version: int) -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t", 2)])
        assert await elected(client, version, {"t": [0, 0, 7], "nope": [0]}) == (
            0,
            [
                ("t", 0, ErrorCode.ELECTION_NOT_NEEDED),
                ("t", 0, ErrorCode.ELECTION_NOT_NEEDED),
                ("t", 7, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
                ("nope", 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
            ],
        )
        assert await elected(client, version, None) == (0, [])

    with_client(None, scenario)


def test_who_should_lead_is_not_there() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t", 2)])
        partitions = client.node.cache.topics["t"].partitions
        partitions[0] = PartitionImage(0, 1, 0, [2, 1], [1], 0)
        partitions[1] = PartitionImage(1, -1, 0, [2, 1], [2], 0)
        assert await elected(client, 2, None) == (
            0,
            [("t", 0, ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE), ("t", 1, ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE)],
        )
        assert await elected(client, 2, None, 1) == (0, [("t", 1, ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE)])

    with_client(None, scenario)


def test_an_unknown_type_of_election() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t")])
        invalid = ErrorCode.INVALID_REQUEST
        assert await elected(client, 2, {"t": [0, 7]}, 9) == (invalid, [("t", 0, invalid), ("t", 7, invalid)])

    with_client(None, scenario)
