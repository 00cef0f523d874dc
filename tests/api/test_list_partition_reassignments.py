"""ListPartitionReassignments: nothing moves between brokers."""

from __future__ import annotations

from kwire.cluster.controller.core import NewTopic
from kwire.wire.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsTopics,
)
from tests.api.cluster_api import Client, with_client


def test_nothing_moves() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t")])
        some = [ListPartitionReassignmentsTopics(name=name, partition_indexes=[0, 9]) for name in ("t", "nope")]
        for topics in (None, some):
            response = await client.ask(ListPartitionReassignmentsRequest(topics=topics), 0)
            assert (response.error_code, response.error_message, response.topics) == (0, None, [])

    with_client(None, scenario)
