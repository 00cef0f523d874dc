from __future__ import annotations

import random

import pytest

from kwire.wire.record_codec import encode_record, walk_records
from kwire.wire.record_runs import MIN_RUN, walk_run
from kwire.wire.records import InvalidRecordError, build_batch, check_records, read_records

T = 1_700_000_000_000


def rows(count: int, *, size: int = 100, start: int = 0, key: bytes | None = None, step: int = 0) -> bytes:
    return b"".join(encode_record(n * step, n, key, bytes(size), ()) for n in range(start, start + count))


def test_records_of_one_shape_are_one_run() -> None:
    data = rows(50)
    run = walk_run(data, 0, 0, 50)
    assert run is not None
    assert (run.count, run.end, run.has_key) == (50, len(data), False)


@pytest.mark.parametrize("index", [0, 1, 63, 64, 65, 127, 8191, 8192, 16383, 16384, 100_000, 2**20 - 20])
def test_runs_begin_at_any_index_and_end_where_offsets_grow(index: int) -> None:
    data = rows(100, start=index, key=b"k")
    run = walk_run(data, 0, index, index + 100)
    boundary = next(n for n in (64, 8192, 16384, 24576, 106_496, 2**20 + 100) if n > index)
    if boundary - index < MIN_RUN:
        assert run is None
    else:
        assert run is not None
        assert run.has_key
        assert run.count <= boundary - index
        stamps: list[tuple[int, int]] = []
        assert walk_records(data, 0, index, index + run.count, [], stamps) == run.end


def test_too_few_records_are_no_run() -> None:
    assert walk_run(rows(MIN_RUN - 1), 0, 0, MIN_RUN - 1) is None
    assert walk_run(rows(20), 0, 20 - MIN_RUN + 1, 20) is None
    assert walk_run(b"", 0, 0, 100) is None


def test_a_run_ends_before_another_shape() -> None:
    data = rows(20) + b"".join(encode_record(0, n, None, bytes(99), ()) for n in range(20, 40))
    run = walk_run(data, 0, 0, 40)
    assert run is not None
    assert run.count == 20


@pytest.mark.parametrize("step", [0, 1, 3, 50])
def test_the_extremes_of_the_timestamps(step: int) -> None:
    data = rows(60, step=step)
    run = walk_run(data, 0, 0, 60)
    if step == 0:
        assert run is not None
        assert (run.max_index, run.max_delta, run.min_index, run.min_delta) == (0, 0, 0, 0)
    elif run is not None:
        assert (run.max_index, run.max_delta) == (run.count - 1, (run.count - 1) * step)
        assert (run.min_index, run.min_delta) == (0, 0)


@pytest.mark.parametrize("sizes", ["one", "few", "any"])
@pytest.mark.parametrize("times", ["same", "rising", "near", "wide", "both"])
@pytest.mark.parametrize("count", [1, 7, 8, 63, 64, 65, 300, 9000])
def test_the_summary_is_that_of_the_records(sizes: str, times: str, count: int) -> None:
    rng = random.Random(f"{sizes}{times}{count}")
    size_of = {"one": lambda: 90, "few": lambda: rng.choice([90, 90, 90, 91]), "any": lambda: rng.randrange(200)}[sizes]
    time_of = {
        "same": lambda n: 5,
        "rising": lambda n: n // 7,
        "near": lambda n: rng.randrange(60),
        "wide": lambda n: rng.randrange(64, 8000),
        "both": lambda n: rng.randrange(-70, 20_000),
    }[times]
    key = rng.choice([None, b"key"])
    headers = rng.choice([(), [("h", b"x" * 70), ("i", None)]])
    records = [(T + time_of(n), key, bytes(size_of()), headers) for n in range(count)]
    batch = build_batch(records, base_offset=7)
    stamps = [record[0] for record in records]
    assert check_records(batch) == (
        count,
        max(stamps),
        7 + stamps.index(max(stamps)),
        min(stamps),
        list(range(count)) if key is None else [],
    )


@pytest.mark.parametrize("headers", [(), [("h", b"x")]])
def test_a_wrong_byte_anywhere_in_a_run_is_seen_as_the_reader_sees_it(headers: list[tuple[str, bytes]]) -> None:
    rng = random.Random(9)
    batch = build_batch([(T + n // 3, b"k", bytes(20), headers) for n in range(200)])
    refused = 0
    for _ in range(1500):
        broken = bytearray(batch)
        pos = rng.randrange(61, len(broken))
        broken[pos] = rng.choice([0, 1, 2, 128, 129, 255, broken[pos] ^ 128, broken[pos] + 2 & 255])
        try:
            records = read_records(broken)
        except InvalidRecordError:
            records = []
        if [record.offset for record in records] != list(range(200)):
            refused += 1
            with pytest.raises(InvalidRecordError):
                check_records(broken)
        else:
            stamps = [record.timestamp for record in records]
            summary = check_records(broken)
            assert summary.max_timestamp == max(stamps)
            assert summary.offset_of_max_timestamp == stamps.index(max(stamps))
            assert summary.min_timestamp == min(stamps)
            assert summary.null_key_indexes == [n for n, record in enumerate(records) if record.key is None]
    assert refused > 150, "or the test looks at nothing"
