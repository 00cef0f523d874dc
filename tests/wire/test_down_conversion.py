"""Batches as old message sets: what is kept, what is left out, and how much is held at a time."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from kwire.errors import ErrorCode, KafkaError
from kwire.wire.compression import GZIP, LZ4, NONE, SNAPPY, ZSTD
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from kwire.wire.down_conversion import PIECE_BYTES, Pace, down_converted
from kwire.wire.legacy import build_message_set, message_batches, read_message_set
from kwire.wire.record_batch import LOG_APPEND_TIME, set_log_append_time
from kwire.wire.records import InvalidRecordError, Record, build_batch

T = 1_700_000_000_000
RECORDS = [Record(n, T + n, b"k%d" % n, b"v", (), -1) for n in range(4)]


def down(buf: bytes | bytearray, *, to_magic: int, first_offset: int) -> bytes:
    return b"".join(down_converted(buf, to_magic=to_magic, first_offset=first_offset))


def a_batch(base_offset: int = 10, compression: int = 0) -> bytearray:
    return build_batch(
        [(r.timestamp, r.key, r.value, [("h", b"x")]) for r in RECORDS],
        base_offset=base_offset,
        compression=compression,
    )


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("compression", range(4))
def test_a_batch_goes_down_without_headers(magic: int, compression: int) -> None:
    found = down(a_batch(10, compression), to_magic=magic, first_offset=10)
    assert read_message_set(found) == [
        Record(10 + r.offset, r.timestamp if magic else -1, r.key, r.value, (), -1) for r in RECORDS
    ]
    assert {batch.compression for batch in message_batches(found)} == {compression}


def test_records_before_the_fetch_offset_stay_in_compressed_sets_only() -> None:
    assert [r.offset for r in read_message_set(down(a_batch(), to_magic=1, first_offset=12))] == [12, 13]
    compressed = down(a_batch(compression=GZIP), to_magic=1, first_offset=12)
    assert [r.offset for r in read_message_set(compressed)] == [10, 11, 12, 13]
    assert down(a_batch(), to_magic=1, first_offset=99) == b""


def test_log_append_time_goes_down() -> None:
    batch = a_batch()
    set_log_append_time(batch, 0, T + 50)
    sets = list(message_batches(down(batch, to_magic=1, first_offset=0)))
    assert {(found.timestamp_type, found.max_timestamp) for found in sets} == {(LOG_APPEND_TIME, T + 50)}
    assert {r.timestamp for r in read_message_set(down(batch, to_magic=0, first_offset=0))} == {-1}


def test_markers_are_left_out() -> None:
    marker = build_end_transaction_marker(EndTransactionMarker(True, 0), producer_id=1, producer_epoch=0, timestamp=T)
    assert down(marker, to_magic=1, first_offset=0) == b""
    assert len(read_message_set(down(marker + a_batch(), to_magic=1, first_offset=0))) == 4


def test_what_is_old_enough_goes_as_it_is() -> None:
    old = build_message_set(RECORDS, magic=0) + build_message_set(RECORDS, magic=1)
    assert down(old, to_magic=1, first_offset=0) == old
    assert len(read_message_set(down(old, to_magic=0, first_offset=0))) == 8


def test_zstd_has_no_older_form() -> None:
    with pytest.raises(KafkaError) as caught:
        down(a_batch(compression=ZSTD), to_magic=1, first_offset=0)
    assert caught.value.code is ErrorCode.UNSUPPORTED_COMPRESSION_TYPE


@pytest.mark.parametrize("compression", [NONE, GZIP])
def test_a_batch_of_many_records_comes_in_pieces(compression: int) -> None:
    count = 30_000
    batch = build_batch([(T + n, None, b"x" * (n % 50), []) for n in range(count)], compression=compression)
    pieces = list(down_converted(batch, to_magic=1, first_offset=0))
    assert len(pieces) > 3
    assert all(0 < len(piece) <= 2 * PIECE_BYTES for piece in pieces)
    for piece in pieces:
        # Each is whole by itself, so that a consumer gets on with the first alone.
        sets = list(message_batches(piece))
        assert len(sets) == 1 or not compression
        assert sets[-1].last_offset == sets[-1].records[-1].offset
    records = read_message_set(b"".join(pieces))
    assert [(r.offset, r.timestamp, r.value) for r in records] == [(n, T + n, b"x" * (n % 50)) for n in range(count)]


@pytest.mark.parametrize("compression", [NONE, GZIP])
def test_pieces_before_the_fetch_offset_are_passed_over(compression: int) -> None:
    batch = build_batch([(T, None, b"x" * (n % 50), []) for n in range(30_000)], compression=compression)
    pieces = list(down_converted(batch, to_magic=1, first_offset=29_000))
    assert pieces[0] == b""
    offsets = [record.offset for piece in pieces for record in read_message_set(piece)]
    assert offsets[-1] == 29_999
    assert offsets[0] <= 29_000
    assert len(offsets) < 10_000


@pytest.mark.parametrize("sizes", [(20, 20), (5, 30)], ids=["of one size", "uneven"])
def test_what_comes_before_a_damaged_batch_is_sent(sizes: tuple[int, int]) -> None:
    rng = random.Random(1)

    def batch(base_offset: int) -> bytearray:
        values = [bytes(rng.randint(*sizes)) for _ in range(100)]
        return build_batch([(T, None, value, []) for value in values], base_offset=base_offset)

    whole = [batch(0), batch(100), batch(200), batch(300)]
    whole[3][61] ^= 0x40  # The first record's length.
    pieces: list[bytes] = []
    with pytest.raises(InvalidRecordError):
        pieces.extend(down_converted(b"".join(whole), to_magic=1, first_offset=0))
    assert b"".join(pieces) == down(b"".join(whole[:3]), to_magic=1, first_offset=0)


def test_records_that_do_not_fill_their_batch_are_refused() -> None:
    batch = build_batch([(T, None, b"v", [])] * 3)
    for wrong in (batch[:58] + b"\0\0\2" + batch[61:], batch[:58] + b"\0\0\4" + batch[61:]):
        with pytest.raises(InvalidRecordError):
            down(wrong, to_magic=1, first_offset=0)


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4])
def test_a_batch_that_decompresses_to_much_is_heavy_and_comes_in_windows(codec: int) -> None:
    count, pace = 30_000, Pace()
    batch = build_batch([(T + n, b"%d" % n, b"x" * 100, ()) for n in range(count)], compression=codec, base_offset=7)
    pieces, heavy = [], []
    for piece in down_converted(batch, to_magic=1, first_offset=0, pace=pace):
        pieces.append(piece)
        heavy.append(pace.is_heavy)
    assert pieces[0] == b""
    assert all(heavy)
    assert not pace.is_heavy
    assert max(len(list(read_message_set(piece))) for piece in pieces) < 4000
    records = read_message_set(b"".join(pieces))
    assert [(r.offset, r.timestamp, r.key) for r in records] == [(7 + n, T + n, b"%d" % n) for n in range(count)]


def test_one_record_larger_than_a_window_comes_whole() -> None:
    batch = build_batch([(T, b"k", bytes(5 << 20), ()), (T, b"k", b"v", ())], compression=GZIP)
    records = read_message_set(down(batch, to_magic=1, first_offset=0))
    assert [len(r.value or b"") for r in records] == [5 << 20, 1]


@pytest.mark.parametrize("change", [-1, 1])
def test_a_heavy_batch_with_another_count_of_records_is_told(change: int) -> None:
    batch = build_batch([(T, None, b"x" * 100, ())] * 30_000, compression=GZIP)
    batch[57:61] = (30_000 + change).to_bytes(4)
    with pytest.raises(InvalidRecordError):
        down(batch, to_magic=1, first_offset=0)


def test_a_bomb_costs_the_memory_of_a_few_windows() -> None:
    bomb = build_batch([(T, None, bytes(1000), ())] * 60_000, compression=GZIP)
    assert len(bomb) < 400_000
    tracemalloc.start()
    for _ in down_converted(bomb, to_magic=0, first_offset=0):
        pass
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_a_wrapper_that_decompresses_to_much_is_opened_message_by_message() -> None:
    records = [Record(5 + n, T + n, None, bytes(100), (), -1) for n in range(30_000)]
    wrapper = build_message_set(records, magic=1, compression=GZIP)
    pace = Pace()
    pieces = list(down_converted(wrapper, to_magic=0, first_offset=0, pace=pace))
    assert pieces[0] == b""
    assert [r.offset for r in read_message_set(b"".join(pieces))] == [r.offset for r in records]
