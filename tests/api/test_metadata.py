"""Metadata at every version."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kwire.cluster.controller.core import NewTopic
from kwire.cluster.metadata_cache import BrokerImage, PartitionImage
from kwire.config.endpoints import Endpoint
from kwire.errors import ErrorCode
from kwire.wire.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from tests.api.cluster_api import Client, versions_of, with_client
from tests.cluster.node import CLUSTER_ID, Node

VERSIONS = versions_of(3)
NOT_ASKED = -2147483648


def asking(*names: str | None, **fields: Any) -> MetadataRequest:
    return MetadataRequest(topics=[MetadataRequestTopic(name=name) for name in names], **fields)


async def metadata(client: Client, request: MetadataRequest, version: int) -> MetadataResponse:
    response = await client.ask(request, version)
    assert isinstance(response, MetadataResponse)
    return response


def codes(response: MetadataResponse) -> dict[str | None, int]:
    return {topic.name: topic.error_code for topic in response.topics}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_topic_and_the_cluster(version: int) -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t", 2), NewTopic("other")])
        response = await metadata(client, asking("t"), version)
        (broker,) = response.brokers
        assert (broker.node_id, broker.host, broker.port) == (1, "192.0.2.7", 9092)
        assert response.cluster_id == (CLUSTER_ID if version >= 2 else None)
        assert response.controller_id == (1 if version >= 1 else -1)
        (topic,) = response.topics
        assert (topic.name, topic.error_code, topic.is_internal) == ("t", 0, False)
        assert topic.topic_id == (client.node.cache.topics["t"].topic_id if version >= 10 else bytes(16))
        assert [
            (row.partition_index, row.leader_id, row.replica_nodes, row.isr_nodes, row.offline_replicas)
            for row in topic.partitions
        ] == [(0, 1, [1], [1], []), (1, 1, [1], [1], [])]
        assert [row.leader_epoch for row in topic.partitions] == ([0, 0] if version >= 7 else [-1, -1])
        assert topic.topic_authorized_operations == response.cluster_authorized_operations == NOT_ASKED

    with_client(None, scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_all_topics_and_no_topics(version: int) -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("a"), NewTopic("b")])
        everything = MetadataRequest(topics=[] if version == 0 else None)
        assert codes(await metadata(client, everything, version)) == {"a": 0, "b": 0}
        if version > 0:
            nothing = await metadata(client, asking(), version)
            assert nothing.topics == []
            assert len(nothing.brokers) == 1

    with_client(None, scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_unknown_topic_is_created_and_led_at_once(version: int) -> None:
    async def scenario(client: Client) -> None:
        (topic,) = (await metadata(client, asking("new"), version)).topics
        assert (topic.name, topic.error_code, len(topic.partitions)) == ("new", 0, 3)
        assert {row.leader_id for row in topic.partitions} == {1}
        assert [order.topic for order in client.node.leadership.applied] == ["new"] * 3

    with_client({"num.partitions": "3"}, scenario)


@pytest.mark.parametrize("version", range(4, 14))
def test_a_client_may_forbid_creation(version: int) -> None:
    async def scenario(client: Client) -> None:
        response = await metadata(client, asking("new", allow_auto_topic_creation=False), version)
        assert codes(response) == {"new": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}
        assert client.node.cache.topics == {}

    with_client(None, scenario)


def test_the_broker_may_forbid_creation() -> None:
    async def scenario(client: Client) -> None:
        assert codes(await metadata(client, asking("new"), 3)) == {"new": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}
        assert client.node.cache.topics == {}

    with_client({"auto.create.topics.enable": "false"}, scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_names_that_no_topic_can_have(version: int) -> None:
    async def scenario(client: Client) -> None:
        response = await metadata(client, asking("b b", "", "x" * 250, "ok"), version)
        refused = ErrorCode.INVALID_TOPIC_EXCEPTION
        assert codes(response) == {"b b": refused, "": refused, "x" * 250: refused, "ok": 0}

    with_client(None, scenario)


def test_a_name_that_collides_is_not_created() -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("a.b")])
        assert codes(await metadata(client, asking("a_b"), 13)) == {"a_b": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}

    with_client(None, scenario)


def test_internal_topics_say_so() -> None:
    async def scenario(client: Client) -> None:
        (topic,) = (await metadata(client, asking("__consumer_offsets"), 9)).topics
        assert (topic.error_code, topic.is_internal, len(topic.partitions)) == (0, True, 50)
        assert client.node.cache.topics["__consumer_offsets"].overrides == {
            "compression.type": "producer",
            "cleanup.policy": "compact",
            "segment.bytes": "104857600",
        }
        request = asking("__transaction_state", allow_auto_topic_creation=False)
        (unknown,) = (await metadata(client, request, 9)).topics
        assert (unknown.error_code, unknown.is_internal) == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, True)

    with_client(None, scenario)


def test_a_name_asked_twice_is_answered_once() -> None:
    async def scenario(client: Client) -> None:
        response = await metadata(client, asking("t", "t"), 12)
        assert [topic.name for topic in response.topics] == ["t"]

    with_client(None, scenario)


@pytest.mark.parametrize("version", [12, 13])
def test_by_topic_id(version: int) -> None:
    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t")])
        known, unknown = client.node.cache.topics["t"].topic_id, b"\x77" * 16
        request = MetadataRequest(
            topics=[
                MetadataRequestTopic(topic_id=known, name=None),
                MetadataRequestTopic(topic_id=unknown, name=None),
            ]
        )
        found, lost = (await metadata(client, request, version)).topics
        assert (found.name, found.error_code, found.topic_id) == ("t", 0, known)
        assert (lost.name, lost.error_code, lost.topic_id) == (None, ErrorCode.UNKNOWN_TOPIC_ID, unknown)

    with_client(None, scenario)


def test_neither_name_nor_id() -> None:
    async def scenario(client: Client) -> None:
        response = await metadata(client, asking(None), 12)
        assert (response.brokers, response.controller_id, response.cluster_id) == ([], -1, None)
        assert codes(response) == {"": ErrorCode.UNKNOWN_SERVER_ERROR}
        response = await metadata(client, asking(None), 13)
        assert response.error_code == ErrorCode.UNKNOWN_SERVER_ERROR

    with_client(None, scenario)


@pytest.mark.parametrize("version", [10, 11])
def test_topic_ids_are_asked_from_version_12_on(version: int) -> None:
    async def scenario(client: Client) -> None:
        request = MetadataRequest(topics=[MetadataRequestTopic(topic_id=b"\x01" * 16, name="t")])
        assert codes(await metadata(client, request, version)) == {"t": ErrorCode.INVALID_REQUEST}
        assert codes(await metadata(client, asking(None), version)) == {"": ErrorCode.INVALID_REQUEST}

    with_client(None, scenario)


@pytest.mark.parametrize("version", range(8, 14))
def test_authorized_operations_when_asked(version: int) -> None:
    async def scenario(client: Client) -> None:
        request = asking("t", include_topic_authorized_operations=True)
        request.include_cluster_authorized_operations = version <= 10
        response = await metadata(client, request, version)
        assert response.topics[0].topic_authorized_operations == 3576
        assert response.cluster_authorized_operations == (8096 if version <= 10 else NOT_ASKED)
        again = await metadata(client, asking("t"), version)
        assert again.topics[0].topic_authorized_operations == NOT_ASKED

    with_client(None, scenario)


def test_a_change_is_seen_at_once() -> None:
    """What is kept of a topic's part of the response must not outlive the topic's image, or the brokers it shows."""

    async def scenario(client: Client) -> None:
        await client.node.controller.create_topics([NewTopic("t")])
        cache = client.node.cache
        assert (await metadata(client, asking("t"), 9)).topics[0].partitions[0].leader_id == 1
        image = cache.topics["t"]
        cache.put_topic(image.with_partitions([PartitionImage(0, -1, 4, [1], [1], 1)]))
        (partition,) = (await metadata(client, asking("t"), 9)).topics[0].partitions
        assert (partition.error_code, partition.leader_id, partition.leader_epoch) == (
            ErrorCode.LEADER_NOT_AVAILABLE,
            -1,
            4,
        )
        cache.put_topic(image)
        cache.set_brokers([])
        (partition,) = (await metadata(client, asking("t"), 9)).topics[0].partitions
        assert (partition.error_code, partition.offline_replicas) == (ErrorCode.LEADER_NOT_AVAILABLE, [1])

    with_client(None, scenario)


def test_replicas_that_the_client_cannot_reach() -> None:
    async def scenario(client: Client) -> None:
        cache = client.node.cache
        await client.node.controller.create_topics([NewTopic("t")])
        elsewhere = BrokerImage(2, [Endpoint("OTHER", "h", 1, "PLAINTEXT")], None, 0)
        cache.set_brokers([*cache.brokers.values(), elsewhere])
        image = cache.topics["t"]
        cache.put_topic(image.with_partitions([PartitionImage(0, 2, 0, [2, 1], [2, 1], 1)]))
        for version in VERSIONS:
            response = await metadata(client, asking("t"), version)
            assert [broker.node_id for broker in response.brokers] == [1]
            (partition,) = response.topics[0].partitions
            code = ErrorCode.LISTENER_NOT_FOUND if version >= 6 else ErrorCode.LEADER_NOT_AVAILABLE
            assert (partition.error_code, partition.leader_id) == (code, -1)
            assert partition.replica_nodes == ([1] if version == 0 else [2, 1])
        cache.put_topic(image.with_partitions([PartitionImage(0, 1, 0, [1, 2], [1, 2], 2)]))
        (partition,) = (await metadata(client, asking("t"), 0)).topics[0].partitions
        assert (partition.error_code, partition.leader_id) == (ErrorCode.REPLICA_NOT_AVAILABLE, 1)
        (partition,) = (await metadata(client, asking("t"), 1)).topics[0].partitions
        assert (partition.error_code, partition.leader_id) == (0, 1)

    with_client(None, scenario)


def test_a_broker_that_is_not_the_controller_creates_nothing() -> None:
    async def scenario() -> None:
        first = await Node().start()
        second = await Node(broker_id=2, store=first.store).start()
        response = await metadata(Client(second), asking("new"), 9)
        assert codes(response) == {"new": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}
        assert response.controller_id == 1

    asyncio.run(scenario())
