"""Driver of kafka-python."""

from __future__ import annotations

import queue
import sys
import threading
import time
from typing import Any

import kafka
from contract import from_base64, read, record, run_group, serve, take
from kafka.admin import NewTopic

BOOTSTRAP = {"bootstrap_servers": sys.argv[1]}


class Member:
    def __init__(self, group_id: str | None = None) -> None:
        self.consumer = kafka.KafkaConsumer(
            **BOOTSTRAP, group_id=group_id, auto_offset_reset="earliest", enable_auto_commit=False
        )

    def poll(self, timeout_s: float) -> list[dict[str, Any]]:
        batches = self.consumer.poll(timeout_ms=int(timeout_s * 1000))
        return [
            record(r.partition, r.offset, r.timestamp, r.key, r.value, r.headers) for b in batches.values() for r in b
        ]

    def assigned(self) -> set[int]:
        return {tp.partition for tp in self.consumer.assignment()}

    def commit(self, topic: str, positions: dict[int, int]) -> None:
        offsets = {kafka.TopicPartition(topic, p): kafka.OffsetAndMetadata(o, "", -1) for p, o in positions.items()}
        self.consumer.commit(offsets)

    def close(self) -> None:
        self.consumer.close()


class SharingMember(Member):
    """A member that polls in a thread of its own: three that take turns in one thread keep each other waiting."""

    def __init__(self, topic: str, group_id: str) -> None:
        super().__init__(group_id)
        self.consumer.subscribe([topic])
        self.seen: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.leaving = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        while not self.leaving.is_set():
            for each in super().poll(0.5):
                self.seen.put(each)
        super().close()

    def poll(self, timeout_s: float) -> list[dict[str, Any]]:
        time.sleep(timeout_s)
        return [self.seen.get() for _ in range(self.seen.qsize())]

    def close(self) -> None:
        self.leaving.set()
        self.thread.join()


def create_topic(topic: str, partitions: int) -> None:
    admin = kafka.KafkaAdminClient(**BOOTSTRAP)
    admin.create_topics([NewTopic(topic, partitions, 1)])
    admin.close()


def produce(topic: str, partition: int, codec: str, records: list[dict[str, Any]]) -> None:
    compression = None if codec == "none" else codec
    producer = kafka.KafkaProducer(**BOOTSTRAP, acks="all", compression_type=compression, linger_ms=20)
    sent = [
        producer.send(
            topic,
            key=from_base64(each["k"]),
            value=from_base64(each["v"]),
            headers=[(name, from_base64(value)) for name, value in each["h"]],
            partition=partition,
            timestamp_ms=each["t"],
        )
        for each in records
    ]
    for future in sent:
        future.get(timeout=30)
    producer.close()


def consume(topic: str, partitions: list[int], count: int) -> list[dict[str, Any]]:
    return read_from({kafka.TopicPartition(topic, p): 0 for p in partitions}, count)


def seek(topic: str, partitions: list[int], timestamp: int, count: int) -> list[dict[str, Any]]:
    member = Member()
    found = member.consumer.offsets_for_times({kafka.TopicPartition(topic, p): timestamp for p in partitions})
    member.close()
    return read_from({tp: at.offset for tp, at in found.items() if at is not None}, count)


def read_from(offsets: dict[kafka.TopicPartition, int], count: int) -> list[dict[str, Any]]:
    member = Member()
    member.consumer.assign(list(offsets))
    for tp, offset in offsets.items():
        member.consumer.seek(tp, offset)
    try:
        return read(member, count)
    finally:
        member.close()


def join(topic: str, group_id: str) -> Member:
    member = Member(group_id)
    member.consumer.subscribe([topic])
    return member


def share(topic: str, group: str, partitions: int, count: int) -> dict[str, Any]:
    return run_group(lambda: SharingMember(topic, group), partitions, count)


serve(
    {
        "version": lambda: kafka.__version__,
        "create": create_topic,
        "produce": produce,
        "consume": consume,
        "seek": seek,
        "take": lambda topic, group, count: take(join(topic, group), topic, count),
        "group": lambda topic, group, count, partitions: run_group(
            lambda: SharingMember(topic, group), partitions, count
        ),
    }
)
