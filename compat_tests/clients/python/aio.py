"""Driver of aiokafka: one event loop, run for the length of each step."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import aiokafka
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from contract import from_base64, read, record, run_group, serve, take

T = TypeVar("T")
BOOTSTRAP = {"bootstrap_servers": sys.argv[1]}
LOOP = asyncio.new_event_loop()
asyncio.set_event_loop(LOOP)


def run(step: Coroutine[Any, Any, T]) -> T:
    return LOOP.run_until_complete(step)


async def build(kind: Any, *arguments: Any, **settings: Any) -> Any:
    """Clients bind to the running loop, so they are made inside it."""
    client = kind(*arguments, **BOOTSTRAP, **settings)
    await client.start()
    return client


class Member:
    def __init__(self, *topics: str, group_id: str | None = None) -> None:
        settings = {"group_id": group_id, "auto_offset_reset": "earliest", "enable_auto_commit": False}
        # start() of a member returns with the group joined, so the three of a group start as tasks and wait in poll.
        self.consumer = LOOP.run_until_complete(self._make(topics, settings))
        self.started = LOOP.create_task(self.consumer.start())
        if group_id is None:
            run(self._ready())

    async def _make(self, topics: tuple[str, ...], settings: dict[str, Any]) -> aiokafka.AIOKafkaConsumer:
        return aiokafka.AIOKafkaConsumer(*topics, **BOOTSTRAP, **settings)

    async def _ready(self) -> None:
        await self.started

    async def _poll(self, timeout_s: float) -> list[dict[str, Any]]:
        if not self.started.done():
            await asyncio.sleep(timeout_s)
            return []
        batches = await self.consumer.getmany(timeout_ms=int(timeout_s * 1000))
        return [
            record(r.partition, r.offset, r.timestamp, r.key, r.value, r.headers) for b in batches.values() for r in b
        ]

    def poll(self, timeout_s: float) -> list[dict[str, Any]]:
        return run(self._poll(timeout_s))

    def assigned(self) -> set[int]:
        return {tp.partition for tp in self.consumer.assignment()}

    def commit(self, topic: str, positions: dict[int, int]) -> None:
        run(self.consumer.commit({aiokafka.TopicPartition(topic, p): o for p, o in positions.items()}))

    def close(self) -> None:
        run(self.consumer.stop())


def create_topic(topic: str, partitions: int) -> None:
    admin = run(build(AIOKafkaAdminClient))
    run(admin.create_topics([NewTopic(topic, partitions, 1)]))
    run(admin.close())


async def produce_all(topic: str, partition: int, codec: str, records: list[dict[str, Any]]) -> None:
    compression = None if codec == "none" else codec
    producer = await build(aiokafka.AIOKafkaProducer, acks="all", compression_type=compression, linger_ms=20)
    sent = [
        await producer.send(
            topic,
            key=from_base64(each["k"]),
            value=from_base64(each["v"]),
            headers=[(name, from_base64(value)) for name, value in each["h"]],
            partition=partition,
            timestamp_ms=each["t"],
        )
        for each in records
    ]
    await asyncio.gather(*sent)
    await producer.stop()


def consume(topic: str, partitions: list[int], count: int) -> list[dict[str, Any]]:
    return read_from(Member(), {aiokafka.TopicPartition(topic, p): 0 for p in partitions}, count)


def seek(topic: str, partitions: list[int], timestamp: int, count: int) -> list[dict[str, Any]]:
    member = Member()
    times = {aiokafka.TopicPartition(topic, p): timestamp for p in partitions}
    found = run(member.consumer.offsets_for_times(times))
    return read_from(member, {tp: at.offset for tp, at in found.items() if at is not None}, count)


def read_from(member: Member, offsets: dict[aiokafka.TopicPartition, int], count: int) -> list[dict[str, Any]]:
    async def start_at() -> None:
        member.consumer.assign(list(offsets))
        for tp, offset in offsets.items():
            member.consumer.seek(tp, offset)

    try:
        run(start_at())
        return read(member, count)
    finally:
        member.close()


def join(topic: str, group_id: str) -> Member:
    return Member(topic, group_id=group_id)


serve(
    {
        "version": lambda: aiokafka.__version__,
        "create": create_topic,
        "produce": lambda topic, partition, codec, records: run(produce_all(topic, partition, codec, records)),
        "consume": consume,
        "seek": seek,
        "take": lambda topic, group, count: take(join(topic, group), topic, count),
        "group": lambda topic, group, count, partitions: run_group(lambda: join(topic, group), partitions, count),
    }
)
