"""A million keyed records and tombstones through Kafka's log cleaner and kwire's: the same survive."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from compat_tests.disk import story
from compat_tests.disk.client import EARLIEST, LATEST, Client
from compat_tests.disk.served import stored_batches
from compat_tests.disk.subjects import Subject
from compat_tests.disk.workload import CODECS, START_MS
from kwire.wire.record_batch import read_header
from kwire.wire.records import build_batch, read_records

TOPIC = "compacted"
RECORDS, KEYS, PER_BATCH = 1_000_000, 150_000, 2_000
TOMBSTONES = 0.15
SEGMENT_BYTES = 4 << 20
CHECKPOINT = "cleaner-offset-checkpoint"


class Survivors(NamedTuple):
    """What a reader finds after cleaning: (key, offset, value, timestamp) of each record, in order."""

    records: list[tuple[bytes | None, int, bytes | None, int]]
    end: int


def batches() -> Iterator[bytes]:
    """The batches, the same ones at each call; codecs take turns, and so do hot keys and cold ones."""
    chance = random.Random(11)
    codecs = list(CODECS.values())
    for number in range(RECORDS // PER_BATCH):
        records = []
        for i in range(PER_BATCH):
            key = chance.randrange(KEYS if i % 2 else KEYS // 50)
            value = None if chance.random() < TOMBSTONES else b"%d of %d" % (i, number)
            records.append((START_MS + number, b"key-%d" % key, value, ()))
        yield bytes(build_batch(records, compression=codecs[number % len(codecs)]))


def write(subject: Subject, made: list[bytes]) -> None:
    """Create the topic and append everything."""
    options = {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.01",
        "segment.bytes": str(SEGMENT_BYTES),
    }
    with Client(subject.port) as client:
        client.create_topic(TOPIC, 1, options)
        client.topics([TOPIC])
        for batch in made:
            client.produce(TOPIC, 0, batch)


def wait_until_clean(subject: Subject) -> None:
    """Until the cleaner has been everywhere but in the active segment. Raises AssertionError."""
    story.wait_until(lambda: is_clean(subject, TOPIC), f"the cleaner of {subject.name}")


def is_clean(subject: Subject, topic: str) -> bool:
    """Whether the checkpoint of the cleaner names the active segment of partition 0."""
    active = max(int(path.stem) for path in (subject.data / f"{topic}-0").glob("*.log"))
    checkpoint = subject.data / CHECKPOINT
    return checkpoint.exists() and f"{topic} 0 {active}" in checkpoint.read_text().splitlines()


def survivors(subject: Subject) -> Survivors:
    """Read the topic from its start to its end."""
    found: list[tuple[bytes | None, int, bytes | None, int]] = []
    with Client(subject.port) as client:
        offset = client.offset_at(TOPIC, 0, EARLIEST)[1]
        end = client.offset_at(TOPIC, 0, LATEST)[1]
        while offset < end:
            chunk = bytes(client.fetch(TOPIC, 0, offset).records or b"")
            for position, _, _ in stored_batches(chunk):
                records = read_records(chunk, position)
                found += [(r.key, r.offset, r.value, r.timestamp) for r in records if r.offset >= offset]
                offset = read_header(chunk, position).next_offset
    return Survivors(found, end)


def problems_with(kafka: Survivors, kwire: Survivors) -> list[str]:
    """Where the two do not agree."""
    if kafka == kwire:
        return []
    first, second = set(kafka.records), set(kwire.records)
    only_kafka, only_kwire = sorted(first - second, key=str), sorted(second - first, key=str)
    return [
        f"Kafka keeps {len(kafka.records)} records up to {kafka.end}, kwire {len(kwire.records)} up to {kwire.end}; "
        f"{len(only_kafka)} in Kafka alone ({only_kafka[:3]}), {len(only_kwire)} in kwire alone ({only_kwire[:3]})"
    ]
