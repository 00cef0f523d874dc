"""A compacted topic of few keys: written so that the log cleaner has work, and looked at when that is done."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

from compat_tests.disk.client import LATEST, Client, wait_until
from compat_tests.disk.served import records_of, served_partition
from compat_tests.disk.subjects import Subject
from compat_tests.disk.workload import CODECS, START_MS
from kwire.wire.records import build_batch

TOPIC = "compacted"
PER_BATCH = 250
FIRST_HALF, SECOND_HALF, MORE, AFTER = range(12), range(12, 24), range(24, 32), range(32, 44)
"""The numbers of the batches that are written before and after the first stop, before kill -9, and after the swap."""

OPTIONS = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.01",
    "segment.bytes": str(1 << 20),  # The least that 4.3 takes by this name, which is the one that all sides know.
}
CHECKPOINT = "cleaner-offset-checkpoint"
_KEYS, _TOMBSTONES, _VALUE_BYTES = 400, 0.1, 300
_PREFIX = b"key-"

Latest = dict[bytes, bytes | None]
"""The newest value of each key, None for one whose tombstone is kept."""


def _records(number: int) -> list[tuple[bytes, bytes | None]]:
    """The keys and values of one batch, the same ones at each call; a key may come more than once."""
    chance = random.Random(number)
    made: list[tuple[bytes, bytes | None]] = []
    for _ in range(PER_BATCH):
        gone = chance.random() < _TOMBSTONES
        value = None if gone else chance.randbytes(_VALUE_BYTES).hex().encode()
        made.append((_PREFIX + b"%d" % chance.randrange(_KEYS), value))
    return made


def write(client: Client, numbers: Iterable[int]) -> int:
    """Write these batches, the codecs in turn; returns how many."""
    codecs, count = list(CODECS.values()), 0
    for number in numbers:
        records = [(START_MS + number, key, value, ()) for key, value in _records(number)]
        client.produce(TOPIC, 0, bytes(build_batch(records, compression=codecs[number % len(codecs)])))
        count += 1
    return count


def is_clean(data: Path, topic: str) -> bool:
    """Whether the cleaner's checkpoint names the active segment of partition 0."""
    active = max(int(path.stem) for path in (data / f"{topic}-0").glob("*.log"))
    checkpoint = data / CHECKPOINT
    try:
        return active > 0 and f"{topic} 0 {active}" in checkpoint.read_text().splitlines()
    except FileNotFoundError:
        return False


def wait_until_clean(subject_data: Path, topic: str = TOPIC) -> None:
    """Until the cleaner has been everywhere but in the active segment. Raises AssertionError."""
    wait_until(lambda: is_clean(subject_data, topic), f"the compaction of {topic} in {subject_data}")


def latest(data: bytes) -> Latest:
    """What is left of each key in a partition's batches; others' records, by their keys, are passed over."""
    return {
        record.key: record.value
        for records in records_of(data)
        for record in records
        if record.key is not None and record.key.startswith(_PREFIX)
    }


def went_on(client: Client, subject: Subject) -> list[str]:
    """More is written to a topic that the other kind of broker has compacted, and compacted by this one: problems."""
    before = served_partition(client, TOPIC, 0)
    expected = latest(before.data)
    for number in AFTER:
        expected |= dict(_records(number))
    write(client, AFTER)
    wait_until_clean(subject.data)
    after = served_partition(client, TOPIC, 0)
    problems = [] if latest(after.data) == expected else [f"{TOPIC}: not the newest values after compaction"]
    left, end = sum(map(len, records_of(after.data))), client.offset_at(TOPIC, 0, LATEST)[1]
    if left > end // 2:
        problems.append(f"{TOPIC}: {left} of {end} records are left after compaction")
    return problems
