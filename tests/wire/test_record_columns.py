"""Columns against the plain way: what is found is what reading one by one finds, and nothing else is found."""

from __future__ import annotations

import random

import pytest

from kwire.wire.message_form import MessageForm
from kwire.wire.message_writer import write_messages
from kwire.wire.record_batch import RECORD_BATCH_OVERHEAD, read_header
from kwire.wire.record_codec import InvalidRecordError, Record, parse
from kwire.wire.record_columns import PlainRecords, find_plain
from kwire.wire.record_runs import MIN_RUN
from kwire.wire.records import build_batch

T = 1_700_000_000_000


def records_of(sizes: list[int], step_ms: int = 1, key: bytes | None = None) -> bytes:
    """The records of a batch with values of these sizes."""
    rng = random.Random(len(sizes))
    batch = build_batch([(T + step_ms * n, key, rng.randbytes(size), []) for n, size in enumerate(sizes)])
    return bytes(batch[RECORD_BATCH_OVERHEAD:])


def deltas_of(plain: PlainRecords) -> list[int]:
    low, high = plain.times
    return [(a | b << 7) >> 1 for a, b in zip(low, high, strict=True)]


def read(data: bytes, count: int) -> list[Record]:
    out: list[Record] = []
    parse(data, count, 0, 0, None, -1, out)
    return out


@pytest.mark.parametrize("largest", [5, 70, 300, 8000])
@pytest.mark.parametrize("step_ms", [0, 1, 40])
def test_values_and_times(largest: int, step_ms: int) -> None:
    rng = random.Random(largest)
    data = records_of([rng.randint(0, largest) for _ in range(150)], step_ms)
    records = read(data, 150)
    pos = index = found = 0
    while index < 150:
        plain = find_plain(data, pos, index, 150)
        if plain is None:
            # Between two widths of a delta there may be too few of a kind.
            index += 1
            pos = next(at for at in range(pos + 1, len(data) + 1) if starts_record(data, at, records[index:]))
            continue
        stop = index + len(plain.sizes)
        assert [bytes(value) for value in plain.values] == [record.value for record in records[index:stop]]
        assert list(plain.sizes) == [len(record.value or b"") for record in records[index:stop]]
        assert deltas_of(plain) == [record.timestamp for record in records[index:stop]]
        pos, index, found = plain.end, stop, found + len(plain.sizes)
    assert pos == len(data)
    assert found >= 120


def starts_record(data: bytes, at: int, rest: list[Record]) -> bool:
    out: list[Record] = []
    try:
        return parse(data[at:], len(rest), 0, 0, None, -1, out) == len(data) - at and out == rest
    except (IndexError, OverflowError, InvalidRecordError):
        return False


def test_a_length_in_more_bytes_than_it_takes_is_not_plain() -> None:
    data = records_of([10] * 20)
    assert find_plain(data, 0, 0, 20) is not None
    # Such a length ends where the attributes of a plain record do, and all that follows could belong to one.
    longer = bytearray(data)
    at = 10 * len(data) // 20
    longer[at : at + 2] = (longer[at] - 2 | 128, 0)
    assert find_plain(bytes(longer), 0, 0, 20) is None


def test_deltas_that_grow_by_a_byte_end_what_is_alike() -> None:
    data = bytes(build_batch([(T + 5 * n, None, b"v" * (n % 3), []) for n in range(30)])[RECORD_BATCH_OVERHEAD:])
    plain = find_plain(data, 0, 0, 30)
    assert plain is not None
    assert len(plain.sizes) == 13  # 64 ms take two bytes.
    assert deltas_of(plain) == list(range(0, 65, 5))
    assert [int.from_bytes(length) for length in plain.lengths] == list(plain.sizes)


@pytest.mark.parametrize(
    "data",
    [
        records_of([10] * (MIN_RUN - 1)),
        records_of([10] * 20, key=b"k"),
        records_of([9000] * 20),
        bytes(build_batch([(T - n, None, b"v", []) for n in range(20)])[RECORD_BATCH_OVERHEAD:]),
        bytes(build_batch([(T, None, None, []) for n in range(20)])[RECORD_BATCH_OVERHEAD:]),
        bytes(build_batch([(T, None, b"v", [(b"h", b"x")]) for n in range(20)])[RECORD_BATCH_OVERHEAD:]),
        records_of([10] * 20)[:-1],
        b"\0" * 200,
        b"\xff" * 200,
    ],
    ids=["few", "keys", "large", "back in time", "null values", "headers", "cut", "zeros", "ones"],
)
def test_others_are_left_alone(data: bytes) -> None:
    assert find_plain(data, 0, 0, 7 if len(data) == len(records_of([10] * 7)) else 20) is None


@pytest.mark.parametrize("seed", range(30))
def test_damaged_records_are_written_or_refused_as_one_by_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    whole = records_of([rng.randint(0, 150) for _ in range(100)], step_ms=rng.choice([0, 1, 3]))
    for _ in range(40):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 1, 3])):
            data[rng.randrange(len(data))] = rng.choice([0, 1, 2, 127, 128, 255, rng.randrange(256)])
        by_columns = outcome(bytes(data))
        with monkeypatch.context() as patch:
            patch.setattr("kwire.wire.message_writer.find_plain", lambda *arguments: None)
            patch.setattr("kwire.wire.message_writer.find_run", lambda *arguments: None)
            patch.setattr("kwire.wire.message_writer.known_layout", lambda *arguments: None)
            assert outcome(bytes(data)) == by_columns


def outcome(data: bytes) -> bytes | str:
    form = MessageForm(1, 0, base_offset=7, base_timestamp=T, append_time=None, first_offset=0)
    out: list[bytes | memoryview] = []
    try:
        end = write_messages(data, 0, 0, 100, form, out)
    except (IndexError, OverflowError, InvalidRecordError) as error:
        return type(error).__name__
    return b"".join(out) + end.to_bytes(4, "big")


def test_a_whole_batch_of_uneven_sizes() -> None:
    rng = random.Random(3)
    batch = build_batch([(T + n // 9, None, rng.randbytes(rng.randint(0, 200)), []) for n in range(300)])
    assert read_header(batch).record_count == 300
    data = bytes(batch[RECORD_BATCH_OVERHEAD:])
    form = MessageForm(0, 0, base_offset=0, base_timestamp=T, append_time=None, first_offset=100)
    out: list[bytes | memoryview] = []
    assert write_messages(data, 0, 0, 300, form, out) == len(data)
    offsets = [int.from_bytes(part[:8], "big") for part in out[::2]]
    assert offsets == list(range(100, 300))
