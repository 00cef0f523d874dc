"""Keyed records and tombstones through Kafka's log cleaner and kwire's: the same survive."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from compat_tests.disk.client import EARLIEST, LATEST, Client
from compat_tests.disk.compacted import wait_until_clean
from compat_tests.disk.served import stored_batches
from compat_tests.disk.subjects import Subject
from compat_tests.disk.workload import CODECS, START_MS
from kwire.wire.record_batch import read_header
from kwire.wire.records import build_batch, read_records

TOPIC = "survivors"
DEFAULT_RECORDS, RECORDS_PER_KEY, PER_BATCH = 200_000, 6, 2_000
TOMBSTONES = 0.15
SEGMENT_BYTES = 1 << 20


class Survivors(NamedTuple):
    """What a reader finds after cleaning: (key, offset, value, timestamp) of each record, in order."""

    records: list[tuple[bytes | None, int, bytes | None, int]]
    end: int


def batches(count: int) -> Iterator[bytes]:
    """`count` records in batches, the same ones at each call; codecs take turns, and so do hot keys and cold ones."""
    keys = count // RECORDS_PER_KEY
    chance = random.Random(11)
    codecs = list(CODECS.values())
    for number in range(count // PER_BATCH):
        records = []
        for i in range(PER_BATCH):
            key = chance.randrange(keys if i % 2 else keys // 50)
            value = None if chance.random() < TOMBSTONES else b"%d of %d" % (i, number)
            records.append((START_MS + number, b"key-%d" % key, value, ()))
        yield bytes(build_batch(records, compression=codecs[number % len(codecs)]))


def write(subject: Subject, made: list[bytes]) -> None:
    """Create the topic, append everything, and wait until the cleaner is done."""
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
    wait_until_clean(subject.data, TOPIC)


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
