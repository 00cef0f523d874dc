"""DescribeTopicPartitions: pages and cursors."""

from __future__ import annotations

from typing import Any

from kwire.cluster.controller.core import NewTopic
from kwire.errors import ErrorCode
from kwire.wire.messages.describe_topic_partitions import Cursor, DescribeTopicPartitionsRequest, TopicRequest
from tests.api.cluster_api import Client, with_client


def asking(*names: str, limit: int = 2000, cursor: tuple[str, int] | None = None) -> DescribeTopicPartitionsRequest:
    return DescribeTopicPartitionsRequest(
        topics=[TopicRequest(name=name) for name in names],
        response_partition_limit=limit,
        cursor=None if cursor is None else Cursor(topic_name=cursor[0], partition_index=cursor[1]),
    )


def shown(response: Any) -> list[tuple[str, list[int]]]:
    return [(topic.name, [row.partition_index for row in topic.partitions]) for topic in response.topics]


def next_of(response: Any) -> tuple[str, int] | None:
    cursor = response.next_cursor
    return None if cursor is None else (cursor.topic_name, cursor.partition_index)


def test_a_topic() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t")])
        (topic,) = (await client.ask(asking("t"), 0)).topics
        assert (topic.name, topic.error_code, topic.is_internal) == ("t", 0, False)
        assert topic.topic_id == client.node.cache.topics["t"].topic_id
        assert topic.topic_authorized_operations == 3576
        (row,) = topic.partitions
        assert (row.leader_id, row.leader_epoch, row.replica_nodes, row.isr_nodes) == (1, 0, [1], [1])
        assert (row.eligible_leader_replicas, row.last_known_elr, row.offline_replicas) == ([], [], [])

    with_client(None, scenario)


def test_names_come_in_order_whether_they_exist_or_not() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("b")])
        response = await client.ask(asking("c c", "b", "a", "b", "__consumer_offsets"), 0)
        assert [(topic.name, topic.error_code, topic.is_internal) for topic in response.topics] == [
            ("__consumer_offsets", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, True),
            ("a", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, False),
            ("b", ErrorCode.NONE, False),
            ("c c", ErrorCode.INVALID_TOPIC_EXCEPTION, False),
        ]

    with_client(None, scenario)


def test_page_by_page() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("a", 2), NewTopic("b", 5), NewTopic("c", 1)])
        pages = []
        cursor: tuple[str, int] | None = None
        while True:
            response = await client.ask(asking(limit=3, cursor=cursor), 0)
            pages.append((shown(response), next_of(response)))
            cursor = next_of(response)
            if cursor is None:
                break
        assert pages == [
            ([("a", [0, 1]), ("b", [0])], ("b", 1)),
            ([("b", [1, 2, 3])], ("b", 4)),
            ([("b", [4]), ("c", [0])], None),
        ]
        whole = await client.ask(asking(), 0)
        assert shown(whole) == [("a", [0, 1]), ("b", [0, 1, 2, 3, 4]), ("c", [0])]

    with_client(None, scenario)


def test_a_page_that_ends_with_a_topic() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("a", 2), NewTopic("b", 1)])
        response = await client.ask(asking(limit=2), 0)
        assert (shown(response), next_of(response)) == ([("a", [0, 1])], ("b", 0))
        response = await client.ask(asking("b", "a", cursor=("b", 0)), 0)
        assert (shown(response), next_of(response)) == ([("b", [0])], None)

    with_client(None, scenario)


def test_a_limit_below_one_is_one_and_the_brokers_own_is_the_most() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("a", 5)])
        assert shown(await client.ask(asking(limit=0), 0)) == [("a", [0])]
        response = await client.ask(asking(limit=100), 0)
        assert (shown(response), next_of(response)) == ([("a", [0, 1, 2, 3])], ("a", 4))

    with_client({"max.request.partition.size.limit": "4"}, scenario)


def test_a_cursor_behind_the_end_and_a_bad_one() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("a", 2)])
        response = await client.ask(asking("a", cursor=("a", 9)), 0)
        assert (shown(response), next_of(response)) == ([("a", [])], None)
        response = await client.ask(asking("a", cursor=("a", -1)), 0)
        assert [topic.error_code for topic in response.topics] == [ErrorCode.INVALID_REQUEST]

    with_client(None, scenario)
