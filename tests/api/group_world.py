"""The group handlers in a world of their own: real metadata and a real coordinator over a log in memory.

Requests and responses pass through their codecs, so that a field which a version cannot carry shows here.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

from kwire.api.context import RequestContext, Services
from kwire.api.table import API_BY_KEY
from kwire.clock import ManualClock
from kwire.cluster.metadata_cache import BrokerImage, MetadataCache, PartitionImage, TopicImage
from kwire.config.broker_config import BrokerConfig
from kwire.coord.group.coordinator import GROUP_METADATA_TOPIC, GroupCoordinator
from kwire.errors import KafkaError
from kwire.wire.codec import decode, encode
from kwire.wire.messages import response_class
from kwire.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from kwire.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from tests.coord.group.configs import group_config
from tests.coord.memory_log import MemoryLog

TOPIC_ID = bytes(range(16))


class Client:
    """As much of a connection as these handlers look at."""

    listener_name = "PLAINTEXT"
    local_host, local_port = "127.0.0.1", 9092

    def __init__(self, peer_host: str = "127.0.0.1") -> None:
        self.peer_host = peer_host
        self.state: dict[str, object] = {}


class GroupWorld:
    """One broker (id 1) with topic `t` of two partitions; `__consumer_offsets` has four once somebody asks for it."""

    def __init__(self, *, topic_exists: bool = True) -> None:
        self.clock = ManualClock()
        self.log = MemoryLog()
        self.metadata = MetadataCache()
        self.metadata.set_brokers([BrokerImage(1, [], None, 1)])
        self.metadata.put_topic(TopicImage("t", TOPIC_ID, [partition(0), partition(1)]))
        self.creations = 0
        self.creation_error: KafkaError | None = None
        self.uuids = 0
        self.groups = GroupCoordinator(
            group_config(initial_rebalance_delay_ms=0),
            self.log,
            self.clock,
            partition_count=lambda: self.metadata.partition_count(GROUP_METADATA_TOPIC),
            ensure_internal_topic=self.create_internal_topic,
            new_uuid=self.new_uuid,
            topics=self.metadata,
        )
        services = Services()
        services.broker_id = 1
        services.clock = self.clock
        services.config = BrokerConfig({})
        services.metadata = self.metadata
        services.groups = self.groups
        self.services = services
        self.client = Client()
        self._topic_exists = topic_exists

    def new_uuid(self) -> str:
        self.uuids += 1
        return f"uuid-{self.uuids}"

    async def create_internal_topic(self) -> None:
        self.creations += 1
        await asyncio.sleep(0)
        if self.creation_error is not None:
            raise self.creation_error
        self.put_internal_topic()

    def put_internal_topic(self) -> None:
        partitions = [partition(index) for index in range(4)]
        self.metadata.put_topic(TopicImage(GROUP_METADATA_TOPIC, bytes([9] * 16), partitions))
        for index in range(4):
            self.groups.on_elected(index, 0)

    async def call(self, request: Any, version: int, *, client_id: str | None = "client") -> Any:
        """The response as the client decodes it."""
        if self._topic_exists and not self.groups.topic_exists:
            self.put_internal_topic()
        key = type(request).__wire__.key
        handler = import_module(f"kwire.api.{API_BY_KEY[key].module}")
        arrived = decode(type(request), version, encode(request, version))
        context = RequestContext(
            key,
            version,
            1,
            client_id,
            self.client,  # type: ignore[arg-type]  # a stand-in
            self.services,
            self.clock.now_ms(),
        )
        answer = handler.handle(arrived, context)
        if not isinstance(answer, response_class(key)):
            answer = await answer
        return decode(response_class(key), version, encode(answer, version))

    async def join(self, group_id: str = "g", *, instance_id: str | None = None, version: int = 9) -> str:
        """A member alone in its new generation, with its assignment; its id."""
        member_id = ""
        for _ in range(2):
            joined = await self.call(join_request(group_id, member_id, instance_id), version)
            member_id = joined.member_id
            if joined.error_code == 0:
                break
        sync = SyncGroupRequest(
            group_id=group_id,
            generation_id=joined.generation_id,
            member_id=member_id,
            group_instance_id=instance_id,
            protocol_type="consumer",
            protocol_name="range",
            assignments=[SyncGroupRequestAssignment(member_id=member_id, assignment=b"mine")],
        )
        assert (await self.call(sync, 5)).error_code == 0
        return str(member_id)


def partition(index: int, leader: int = 1) -> PartitionImage:
    return PartitionImage(index, leader, 0, [1], [1], 0)


def join_request(group_id: str = "g", member_id: str = "", instance_id: str | None = None) -> JoinGroupRequest:
    return JoinGroupRequest(
        group_id=group_id,
        session_timeout_ms=10_000,
        rebalance_timeout_ms=60_000,
        member_id=member_id,
        group_instance_id=instance_id,
        protocol_type="consumer",
        protocols=[
            JoinGroupRequestProtocol(name="range", metadata=b"\x00\x00\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff")
        ],
    )
