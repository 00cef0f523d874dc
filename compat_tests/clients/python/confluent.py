"""Driver of confluent-kafka. It also answers `partitions`, by which the matrix looks at topics.

With `--consumer-protocol` its groups are those of KIP-848.
"""

from __future__ import annotations

import sys
from typing import Any

from confluent_kafka import Consumer, Message, Producer, TopicPartition, libversion, version
from confluent_kafka.admin import AdminClient, NewTopic
from contract import from_base64, read, record, run_group, serve, take

BOOTSTRAP: dict[str, str | int | float | bool] = {"bootstrap.servers": sys.argv[-1]}
GROUP: dict[str, str | int | float | bool] = {"group.protocol": "consumer"} if "--consumer-protocol" in sys.argv else {}


def shown(message: Message) -> dict[str, Any]:
    if message.error():
        raise RuntimeError(str(message.error()))
    timestamp = message.timestamp()[1]
    headers = message.headers()
    return record(message.partition(), message.offset(), timestamp, message.key(), message.value(), headers)


class Member:
    def __init__(self, group_id: str = "unused") -> None:
        settings = {"group.id": group_id, "auto.offset.reset": "earliest", "enable.auto.commit": False}
        self.consumer = Consumer(BOOTSTRAP | GROUP | settings)

    def poll(self, timeout_s: float) -> list[dict[str, Any]]:
        return [shown(m) for m in self.consumer.consume(100, timeout_s)]

    def assigned(self) -> set[int]:
        return {tp.partition for tp in self.consumer.assignment()}

    def commit(self, topic: str, positions: dict[int, int]) -> None:
        offsets = [TopicPartition(topic, p, o) for p, o in positions.items()]
        self.consumer.commit(offsets=offsets, asynchronous=False)

    def close(self) -> None:
        self.consumer.close()


def create_topic(topic: str, partitions: int) -> None:
    admin = AdminClient(BOOTSTRAP)  # held here: a collected client would cancel the request
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(30)


def count_partitions(topic: str) -> int:
    return len(AdminClient(BOOTSTRAP).list_topics(topic, timeout=10).topics[topic].partitions)


def produce(topic: str, partition: int, codec: str, records: list[dict[str, Any]]) -> None:
    producer = Producer(BOOTSTRAP | {"compression.type": codec, "acks": "all", "linger.ms": 20})
    failures: list[str] = []
    for each in records:
        producer.produce(
            topic,
            key=from_base64(each["k"]),
            value=from_base64(each["v"]),
            headers=[(name, from_base64(value)) for name, value in each["h"]],
            partition=partition,
            timestamp=each["t"],
            on_delivery=lambda error, _: failures.append(str(error)) if error else None,
        )
        producer.poll(0)
    if producer.flush(30) or failures:
        raise RuntimeError(f"not delivered: {failures[:3]}")


def consume(topic: str, partitions: list[int], count: int) -> list[dict[str, Any]]:
    return read_from([TopicPartition(topic, p, 0) for p in partitions], count)


def seek(topic: str, partitions: list[int], timestamp: int, count: int) -> list[dict[str, Any]]:
    member = Member()
    found = member.consumer.offsets_for_times([TopicPartition(topic, p, timestamp) for p in partitions], 10)
    member.close()
    return read_from([tp for tp in found if tp.offset >= 0], count)


def read_from(offsets: list[TopicPartition], count: int) -> list[dict[str, Any]]:
    member = Member()
    member.consumer.assign(offsets)
    try:
        return read(member, count)
    finally:
        member.close()


def join(topic: str, group_id: str) -> Member:
    member = Member(group_id)
    member.consumer.subscribe([topic])
    return member


serve(
    {
        "version": lambda: f"{version()} (librdkafka {libversion()[0]})",
        "create": create_topic,
        "partitions": count_partitions,
        "produce": produce,
        "consume": consume,
        "seek": seek,
        "take": lambda topic, group, count: take(join(topic, group), topic, count),
        "group": lambda topic, group, count, partitions: run_group(lambda: join(topic, group), partitions, count),
    }
)
