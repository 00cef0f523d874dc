from __future__ import annotations

import random
import tracemalloc
from collections.abc import Sequence

import pytest

from kwire.wire.compression import CompressionError
from kwire.wire.primitives import WireError
from kwire.wire.record_batch import HEADER, BatchHeader, CorruptRecordError, read_header, set_log_append_time, verify
from kwire.wire.record_codec import encode_record
from kwire.wire.records import (
    InvalidRecordError,
    Record,
    build_batch,
    check_lengths,
    check_records,
    read_records,
    rebuild_batch,
    records_data,
    seal_batch,
)

T = 1_700_000_000_000
RECORDS: list[tuple[int, bytes | None, bytes | None, Sequence[tuple[str | bytes, bytes | None]]]] = [
    (T, b"key", b"value", ()),
    (T + 5, None, b"", [("name", b"x"), (b"\xc3\xa9", None), ("", b"")]),
    (T - 7, b"", None, ()),
    (T + 100_000, b"k" * 70, b"v" * 9000, [("h", b"y" * 200)]),
]
HEADER_OF_ONE = read_header(build_batch([(0, None, None, ())]))


def sealed(data: bytes, count: int, **fields: int) -> bytearray:
    """A batch with a right checksum around any bytes."""
    return seal_batch(HEADER_OF_ONE._replace(record_count=count, last_offset_delta=count - 1, **fields), data)


def three() -> bytes:
    return b"".join(encode_record(n, n, b"k", b"v", ()) for n in range(3))


@pytest.mark.parametrize("compression", range(5))
def test_what_is_built_is_read(compression: int) -> None:
    batch = build_batch(RECORDS, base_offset=50, compression=compression)
    verify(batch)
    assert read_records(batch) == [
        Record(50, T, b"key", b"value", (), -1),
        Record(51, T + 5, None, b"", [(b"name", b"x"), (b"\xc3\xa9", None), (b"", b"")], -1),
        Record(52, T - 7, b"", None, (), -1),
        Record(53, T + 100_000, b"k" * 70, b"v" * 9000, [(b"h", b"y" * 200)], -1),
    ]
    assert check_records(batch) == (4, T + 100_000, 53, T - 7, [1])
    assert check_lengths(batch) == 4


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
def test_any_buffer_at_any_position(form: type) -> None:
    buf = form(b"??" + bytes(build_batch(RECORDS)) + b"more")
    assert len(read_records(buf, 2)) == 4
    assert check_records(buf, 2).record_count == 4
    assert type(read_records(buf, 2)[0].value) is bytes


def test_sequences_go_with_the_offsets_and_wrap() -> None:
    batch = build_batch(RECORDS, producer_id=1, producer_epoch=0, base_sequence=2**31 - 2)
    assert [record.sequence for record in read_records(batch)] == [2**31 - 2, 2**31 - 1, 0, 1]


def test_log_append_time_is_every_records_timestamp() -> None:
    batch = build_batch(RECORDS)
    set_log_append_time(batch, 0, T + 1)
    assert {record.timestamp for record in read_records(batch)} == {T + 1}
    assert check_records(batch)[:4] == (4, T + 1, 0, T + 1)


def test_ten_thousand_records_of_every_width_of_varint() -> None:
    rng = random.Random(5)
    records = [
        (T + rng.choice([0, n, 7 * n, -n, 1 << 40]), rng.choice([None, b"k" * (n % 300)]), b"v" * (n % 20_000 // 9), ())
        for n in range(10_000)
    ]
    batch = build_batch(records)
    assert [(r.timestamp, r.key, r.value, ()) for r in read_records(batch)] == records
    timestamps = [record[0] for record in records]
    summary = check_records(batch)
    assert summary.max_timestamp == max(timestamps)
    assert summary.offset_of_max_timestamp == timestamps.index(max(timestamps))
    assert summary.min_timestamp == min(timestamps)
    assert summary.null_key_indexes == [n for n, record in enumerate(records) if record[1] is None]


def test_the_first_of_equal_timestamps_counts() -> None:
    batch = build_batch([(T, None, None, ()), (T + 9, None, None, ()), (T + 9, None, None, ())], base_offset=10)
    assert check_records(batch).offset_of_max_timestamp == 11


@pytest.mark.parametrize("timestamp", [-1, -5])
def test_no_timestamp_is_no_maximum(timestamp: int) -> None:
    summary = check_records(build_batch([(timestamp, b"k", b"v", ())] * 2))
    assert (summary.max_timestamp, summary.offset_of_max_timestamp) == (-1, -1)


def test_timestamps_wrap_as_javas_do() -> None:
    data = encode_record(0, 0, None, None, ()) + encode_record(-(2**63), 1, None, None, ())
    batch = sealed(data, 2, base_timestamp=-1, max_timestamp=2**63 - 1)
    assert [record.timestamp for record in read_records(batch)] == [-1, 2**63 - 1]
    summary = check_records(batch)
    assert (summary.max_timestamp, summary.offset_of_max_timestamp) == (2**63 - 1, 1)


def test_nothing_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="one record"):
        build_batch([])


# --- batches as compaction leaves them


def test_a_batch_is_rebuilt_with_gaps() -> None:
    batch = build_batch(RECORDS, base_offset=50, producer_id=3, producer_epoch=0, base_sequence=7)
    header = read_header(batch)
    kept = [record for record in read_records(batch) if record.offset in (51, 53)]
    smaller = rebuild_batch(header, kept)
    verify(smaller)
    assert [record.offset for record in read_records(smaller)] == [51, 53]
    assert [record.sequence for record in read_records(smaller)] == [8, 10]
    after = read_header(smaller)
    assert (after.last_offset, after.record_count, after.base_sequence) == (53, 2, 7)


@pytest.mark.parametrize("compression", range(5))
def test_an_empty_batch_keeps_its_header(compression: int) -> None:
    batch = rebuild_batch(read_header(build_batch(RECORDS, compression=compression)), [])
    assert len(batch) == HEADER.size
    assert read_records(batch) == []
    with pytest.raises(InvalidRecordError):
        check_records(batch)


def test_an_offset_outside_of_the_batch_is_refused() -> None:
    header = read_header(build_batch(RECORDS, base_offset=50))
    with pytest.raises(ValueError, match="outside"):
        rebuild_batch(header, [Record(49, T, None, None, (), -1)])


# --- what Produce must refuse


@pytest.mark.parametrize("count", [-(2**31) + 1, -1, 0, 2, 4, 1000, 2**31 - 1])
def test_a_record_count_that_lies(count: int) -> None:
    batch = sealed(three(), count)
    for check in (check_records, check_lengths):
        with pytest.raises(InvalidRecordError):
            check(batch)
    if count:
        with pytest.raises(InvalidRecordError):
            read_records(batch)


def test_the_last_offset_delta_must_fit_the_count() -> None:
    batch = seal_batch(HEADER_OF_ONE._replace(record_count=3, last_offset_delta=3), three())
    assert len(read_records(batch)) == 3, "a compacted batch may look so"
    for check in (check_records, check_lengths):
        with pytest.raises(InvalidRecordError, match="offset delta is 3"):
            check(batch)


@pytest.mark.parametrize("deltas", [[0, 1, 1], [0, 2, 1], [1, 2, 3], [0, 1, -1], [0, 1, 200]])
def test_offset_deltas_must_count_up(deltas: list[int]) -> None:
    batch = sealed(b"".join(encode_record(0, delta, b"k", b"v", ()) for delta in deltas), 3)
    wrong = next(index for index, delta in enumerate(deltas) if delta != index)
    with pytest.raises(InvalidRecordError, match="offset delta") as caught:
        check_records(batch)
    assert caught.value.index == wrong


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda record: bytes([record[0] + 2]) + record[1:], "too early"),
        (lambda record: bytes([record[0] - 2]) + record[1:], "bytes from where"),
        (lambda record: b"\x01" + record[1:], "length -1"),
        (lambda record: record[:4] + b"\x7e" + record[5:], "too early"),
        (lambda record: record[:-1] + b"\x01", "headers"),
        (lambda record: record[:-1] + b"\x02", "headers"),
        (lambda record: record[:-1], "too early"),
    ],
)
def test_the_last_record_is_named_when_it_is_wrong(change: object, reason: str) -> None:
    records = [encode_record(n, n, b"k", b"v", ()) for n in range(3)]
    records[2] = change(records[2])  # type: ignore[operator]  # a lambda in a table
    batch = sealed(b"".join(records), 3)
    for look in (check_records, read_records):
        with pytest.raises(InvalidRecordError) as caught:
            look(batch)
        assert caught.value.index in (2, -1)
        assert reason in caught.value.reason or "left" in caught.value.reason


@pytest.mark.parametrize(
    "headers",
    [
        b"\x01",  # a count of -1
        b"\x7e",  # 63 headers in no bytes
        b"\xfe\xff\xff\xff\x0f",  # 2^31 - 1 of them
        b"\x02\x01\x00",  # a key of -1 bytes
        b"\x02\x40\x00",  # a key beyond the record
        b"\x02\x00\x40",  # a value beyond the record
        b"\x02\x00",  # no value
        b"\xff\xff\xff\xff\xff\xff",  # a varint without end
    ],
)
def test_headers_must_be_sane(headers: bytes) -> None:
    body = b"\0\0\0\x01\x01" + headers
    good = encode_record(0, 1, None, None, ())
    batch = sealed(bytes([len(body) * 2]) + body + good, 2)
    for look in (check_records, read_records):
        with pytest.raises(InvalidRecordError) as caught:
            look(batch)
        assert caught.value.index == 0


def test_bytes_after_the_last_record() -> None:
    for look in (check_records, read_records):
        with pytest.raises(InvalidRecordError, match="left after the last"):
            look(sealed(three() + b"\0", 3))
    with pytest.raises(InvalidRecordError, match="does not hold the 3 records"):
        check_lengths(sealed(three() + b"\0", 3))


def test_a_longer_varint_than_needed_is_read_as_java_reads_it() -> None:
    body = b"\0\x80\x00\x80\x80\x00\x81\x00\x80\x00\x80\x80\x80\x00"
    batch = sealed(bytes([len(body) * 2]) + body, 1)
    assert read_records(batch) == [Record(0, HEADER_OF_ONE.base_timestamp, None, b"", [], -1)]
    assert check_records(batch).null_key_indexes == [0]


def test_compressed_bytes_that_are_none() -> None:
    header = HEADER_OF_ONE._replace(record_count=3, last_offset_delta=2)
    for codec in range(1, 8):
        batch = seal_batch(header, three())
        batch[22] |= codec
        for look in (check_records, check_lengths, read_records):
            with pytest.raises(CompressionError):
                look(batch)


@pytest.mark.parametrize("compression", range(1, 5))
def test_decompression_is_bounded(compression: int) -> None:
    batch = build_batch([(T, None, bytes(1_000_000), ())], compression=compression)
    for look in (check_records, check_lengths, read_records):
        with pytest.raises(CompressionError, match="more than"):
            look(batch, max_decompressed=100_000)


def test_another_magic_and_a_cut_batch() -> None:
    batch = build_batch(RECORDS)
    for look in (check_records, check_lengths, read_records):
        with pytest.raises(CorruptRecordError):
            look(batch[:-1])
    batch[16] = 1
    for look in (check_records, check_lengths, read_records):
        with pytest.raises(CorruptRecordError, match="magic"):
            look(batch)


@pytest.mark.parametrize("compression", range(5))
def test_cut_records_under_a_right_checksum(compression: int) -> None:
    header = read_header(build_batch(RECORDS, compression=compression))
    whole = bytes(build_batch(RECORDS, compression=compression)[61:])
    plain = header._replace(attributes=0)
    for size in range(0, len(whole), 1 + len(whole) // 500):
        batch = seal_batch(plain, whole[:size])
        batch[22] = compression
        for look in (check_records, check_lengths, read_records):
            with pytest.raises(WireError):
                look(batch)


@pytest.mark.parametrize("compression", range(5))
def test_mutations_raise_only_our_errors_in_bounded_memory(compression: int) -> None:
    rng = random.Random(compression)
    batch = build_batch(RECORDS, compression=compression)
    tracemalloc.start()
    try:
        for _ in range(300):
            broken = bytearray(batch)
            for _ in range(rng.randint(1, 4)):
                # Mostly near the header, where counts and lengths are.
                broken[rng.randrange(min(len(broken), rng.choice([120, len(broken)])))] = rng.randrange(256)
            broken[16] = 2
            results = []
            for look in (check_records, check_lengths, read_records):
                try:
                    look(broken, max_decompressed=50_000)
                    results.append(True)
                except WireError:
                    results.append(False)
            assert not results[0] or all(results), "what the full walk accepts, the others accept"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000


def test_the_walk_and_the_reader_agree_on_noise() -> None:
    rng = random.Random(11)
    data = three()
    for _ in range(4000):
        broken = bytearray(data)
        for _ in range(rng.randint(1, 3)):
            broken[rng.randrange(len(broken))] = rng.choice([0, 1, 2, 3, 4, 127, 128, 129, 255, rng.randrange(256)])
        batch = sealed(bytes(broken), 3)
        try:
            records = read_records(batch)
        except WireError:
            records = []
        counted = [record.offset for record in records] == [0, 1, 2]
        try:
            summary = check_records(batch)
        except WireError:
            assert not counted
            continue
        assert counted
        timestamps = [record.timestamp for record in records]
        assert summary.max_timestamp == max([-1, *timestamps])
        assert summary.min_timestamp == min(timestamps)
        assert summary.null_key_indexes == [n for n, record in enumerate(records) if record.key is None]


def test_records_data_is_the_section_itself_when_plain() -> None:
    batch = build_batch(RECORDS)
    header: BatchHeader = read_header(batch)
    assert records_data(batch, 0, header) == bytes(batch[61:])
