"""The writing loop against the plain way: records read one by one, messages encoded one by one."""

from __future__ import annotations

import random

import pytest

from kwire.wire.legacy import build_message_set
from kwire.wire.message_form import MessageForm
from kwire.wire.message_writer import write_messages
from kwire.wire.record_batch import RECORD_BATCH_OVERHEAD, read_header
from kwire.wire.records import InvalidRecordError, build_batch, read_records

T = 1_700_000_000_000


def shapes(rng: random.Random) -> list[tuple[int, bytes | None, bytes | None, list[tuple[bytes, bytes | None]]]]:
    """Stretches of records of one shape between records of any."""
    records: list[tuple[int, bytes | None, bytes | None, list[tuple[bytes, bytes | None]]]] = []
    now = T
    while len(records) < 400:
        key = rng.choice([None, b"", b"key", b"k" * 200])
        value = rng.choice([None, b"", b"value", b"v" * 300])
        headers = rng.choice([[], [(b"h", None)], [(b"h", b"x"), (b"", b"")]])
        for _ in range(rng.choice([1, 3, 40, 90])):
            now += rng.choice([0, 0, 1, 70, -5])
            records.append((now, key, value, headers))
    return records


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("seed", range(12))
def test_messages_are_those_of_the_plain_way(seed: int, magic: int) -> None:
    rng = random.Random(seed)
    batch = build_batch(shapes(rng), base_offset=77)
    header = read_header(batch)
    append_time = T + 5 if seed % 3 == 0 and magic else None
    first_offset = 77 + rng.choice([0, 0, 13, 150])
    form = MessageForm(
        magic,
        0 if append_time is None else 8,
        base_offset=77,
        base_timestamp=header.base_timestamp,
        append_time=append_time,
        first_offset=first_offset,
    )
    data = bytes(batch[RECORD_BATCH_OVERHEAD:])
    out: list[bytes] = []
    middle = header.record_count // 3
    at = write_messages(data, 0, 0, middle, form, out)
    assert write_messages(data, at, middle, header.record_count, form, out) == len(data)
    records = [r if append_time is None else r._replace(timestamp=append_time) for r in read_records(batch)]
    kept = [record for record in records if record.offset >= first_offset]
    assert b"".join(out) == build_message_set(kept, magic=magic, timestamp_type=int(append_time is not None))
    assert form.last_offset == records[-1].offset
    if magic:
        assert form.max_timestamp == max(record.timestamp for record in records)


def test_timestamps_wrap_as_in_java() -> None:
    batch = build_batch([(n, None, b"v", []) for n in range(20)])
    form = MessageForm(1, 0, base_offset=0, base_timestamp=(1 << 63) - 3, append_time=None, first_offset=0)
    out: list[bytes] = []
    write_messages(bytes(batch[RECORD_BATCH_OVERHEAD:]), 0, 0, 20, form, out)
    stamps = [int.from_bytes(b"".join(out)[at + 18 : at + 26], "big", signed=True) for at in range(0, 20 * 35, 35)]
    assert stamps[:4] == [(1 << 63) - 3, (1 << 63) - 2, (1 << 63) - 1, -(1 << 63)]


@pytest.mark.parametrize("cut", range(1, 12))
def test_cut_records_are_noticed(cut: int) -> None:
    data = bytes(build_batch([(T, b"k", b"value", [])])[RECORD_BATCH_OVERHEAD:-cut])
    form = MessageForm(1, 0, base_offset=0, base_timestamp=T, append_time=None, first_offset=0)
    with pytest.raises((IndexError, OverflowError, InvalidRecordError)):
        write_messages(data, 0, 0, 1, form, [])
