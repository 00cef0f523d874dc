"""What is written to kwire and to Apache Kafka alike: raw batches, so that both are given the same bytes.

Timestamps (of one run), producer ids and sequences are fixed. Half of it is written, the broker is stopped, and the
other half is written under a later leader epoch.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from compat_tests.disk.client import PRODUCE_VERSION, Client, wait_until
from kwire.wire.compression import GZIP, LZ4, NONE, SNAPPY, ZSTD
from kwire.wire.legacy import build_message_set
from kwire.wire.record_codec import Record
from kwire.wire.records import build_batch

CODECS = {"none": NONE, "gzip": GZIP, "snappy": SNAPPY, "lz4": LZ4, "zstd": ZSTD}
OLD_CODECS = ("none", "gzip", "snappy", "lz4")
START_MS = (int(time.time()) - 7200) * 1000
"""Two hours ago: a producer that was last heard of a day ago would be forgotten by a broker that starts."""

SIMPLE_GROUP = "disk-simple"
BATCHES = 30
RECORDS_PER_BATCH = 20
TRIMMED_TO = 333
LOG_START_CHECKPOINT = "log-start-offset-checkpoint"

MORE = 3
"""Batches that are written after the clean stop, before the broker is killed."""

IDEMPOTENT_ID = 4242
BATCHES_PER_EPOCH = BATCHES // 2

SEGMENT_BYTES = "16384"
SEGMENT_SIZE = {"3.9": "segment.bytes", "4.3": "internal.segment.bytes"}
"""What a segment of less than 1 MiB is asked for with; kwire follows 4.3."""

KEPT = {"index.interval.bytes": "512", "retention.ms": "-1"}


class Append(NamedTuple):
    """One Produce request."""

    topic: str
    version: int
    records: bytes


class Topic(NamedTuple):
    """A topic of one partition; `exact` where every byte of its log is the producer's."""

    name: str
    options: dict[str, str]
    exact: bool = True
    modern: bool = True
    """Whether Kafka 4 takes these requests too."""


def topics() -> list[Topic]:
    made = [Topic(f"v2-{name}", KEPT) for name in CODECS]
    made += [Topic(f"v{magic}-{name}", KEPT, name == "none", False) for magic in (1, 0) for name in OLD_CODECS]
    made.append(Topic("idempotent", KEPT))
    made.append(Topic("all-codecs", KEPT))
    made.append(Topic("trimmed", KEPT))
    made.append(Topic("disorder", KEPT))
    made.append(Topic("append-time", {**KEPT, "message.timestamp.type": "LogAppendTime"}, exact=False))
    return made


def _text(topic: str, number: int) -> bytes:
    return (f"{topic} {number} " * (2 + number % 5)).encode()


def _record(topic: str, number: int, timestamp: int, headers: bool = True) -> Record:
    """Keys, values and headers of all kinds, null and empty ones too."""
    key = None if number % 7 == 3 else b"" if number % 11 == 5 else b"key-%d" % (number % 13)
    value = None if number % 17 == 7 else b"" if number % 19 == 11 else _text(topic, number)
    named: list[tuple[bytes, bytes | None]] = []
    if headers and number % 3 == 0:
        named = [(b"a", b"1"), (b"a", None), ("\u0436".encode(), b"")]
    return Record(0, timestamp, key, value, named, -1)


def _records(topic: str, batch: int, *, headers: bool = True, backwards: bool = False) -> list[Record]:
    first = batch * RECORDS_PER_BATCH
    # Under `backwards` every third batch is older than the one before it: the time index must not follow.
    at = START_MS + 1000 * (batch - 5 if backwards and batch % 3 == 2 else batch)
    return [_record(topic, first + i, at + (i * 7) % 50, headers) for i in range(RECORDS_PER_BATCH)]


def _modern(
    topic: str, batch: int, codec: int, *, backwards: bool = False, producer: tuple[int, int, int] = (-1, -1, -1)
) -> bytes:
    records = [(r.timestamp, r.key, r.value, r.headers) for r in _records(topic, batch, backwards=backwards)]
    return bytes(
        build_batch(
            records,
            compression=codec,
            producer_id=producer[0],
            producer_epoch=producer[1],
            base_sequence=producer[2],
        )
    )


def _legacy(topic: str, batch: int, magic: int, codec: int) -> bytes:
    records = _records(topic, batch, headers=False)
    numbered = [record._replace(offset=i, headers=[]) for i, record in enumerate(records)]
    return build_message_set(numbered, magic=magic, compression=codec)


def appends(first: int, last: int) -> Iterator[Append]:
    """The requests of the batches from `first` to `last` (exclusive), topic by topic."""
    for name, codec in CODECS.items():
        for batch in range(first, last):
            yield Append(f"v2-{name}", PRODUCE_VERSION, _modern(f"v2-{name}", batch, codec))
    for magic, version in ((1, 2), (0, 1)):
        for name in OLD_CODECS:
            for batch in range(first, last):
                topic = f"v{magic}-{name}"
                yield Append(topic, version, _legacy(topic, batch, magic, CODECS[name]))
    for batch in range(first, last):
        yield Append("idempotent", PRODUCE_VERSION, idempotent_batch(batch))
        codec = list(CODECS.values())[batch % len(CODECS)]
        yield Append("all-codecs", PRODUCE_VERSION, _modern("all-codecs", batch, codec))
        yield Append("trimmed", PRODUCE_VERSION, _modern("trimmed", batch, NONE))
        yield Append("disorder", PRODUCE_VERSION, _modern("disorder", batch, LZ4, backwards=True))
        yield Append("append-time", PRODUCE_VERSION, _modern("append-time", batch, ZSTD))


def write_first_half(client: Client) -> int:
    """The first half of the batches, into topics that are there; returns how many requests were answered."""
    return _write(client, 0, BATCHES // 2)


def write_second_half(client: Client, data: Path) -> int:
    """The rest, a log start that was moved, and offsets committed by somebody who is in no group.

    Returns when the log's start is in its checkpoint, in the data directory: kill -9 may forget it before, on either
    side.
    """
    count = _write(client, BATCHES // 2, BATCHES)
    client.delete_records("trimmed", 0, TRIMMED_TO)
    wait_until(lambda: _is_checkpointed(data), f"the start of trimmed in the checkpoint of {data}")
    client.commit(SIMPLE_GROUP, "v2-none", {0: (17, 0, "half way")})
    client.commit(SIMPLE_GROUP, "v2-gzip", {0: (BATCHES * RECORDS_PER_BATCH, 0, None)})
    client.commit(SIMPLE_GROUP, "v2-none", {0: (400, 0, "\u0436 again")})
    return count


def _is_checkpointed(data: Path) -> bool:
    checkpoint = data / LOG_START_CHECKPOINT
    return checkpoint.exists() and f"trimmed 0 {TRIMMED_TO}" in checkpoint.read_text().splitlines()


def write_on(client: Client) -> int:
    """More of the same into every topic; returns the requests' count."""
    return _write(client, BATCHES, BATCHES + MORE)


def plain_batch(topic: str, batch: int) -> bytes:
    """One uncompressed batch of the workload's kind."""
    return _modern(topic, batch, NONE)


def idempotent_batch(batch: int, *, same_epoch_as: int | None = None) -> bytes:
    """The batch of this number of the topic `idempotent`.

    Its producer comes back under its next epoch every so often, and counts from 0 again, as KIP-360 has it; unless
    the epoch is to be that of another batch.
    """
    epoch = (batch if same_epoch_as is None else same_epoch_as) // BATCHES_PER_EPOCH
    sequence = (batch - epoch * BATCHES_PER_EPOCH) * RECORDS_PER_BATCH
    return _modern("idempotent", batch, NONE, producer=(IDEMPOTENT_ID, epoch, sequence))


def _write(client: Client, first: int, last: int) -> int:
    there = client.topics()
    count = 0
    for append in appends(first, last):
        if append.topic in there:
            client.produce(append.topic, 0, append.records, version=append.version)
            count += 1
    return count
