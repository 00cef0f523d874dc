from __future__ import annotations

import random
import tracemalloc

import pytest

from kwire.wire.record_batch import (
    CREATE_TIME,
    DELETE_HORIZON_MASK,
    HEADER,
    LOG_APPEND_TIME,
    RECORD_BATCH_OVERHEAD,
    CorruptRecordError,
    batches,
    increment_sequence,
    read_header,
    rewrite_crc,
    set_base_offset,
    set_log_append_time,
    set_max_timestamp,
    set_offset_and_epoch,
    set_producer,
    verify,
)
from kwire.wire.records import build_batch, read_records

RECORDS = [(1_700_000_000_000 + n, b"k%d" % n, b"value" * n, ()) for n in range(5)]


def a_batch(**options: int) -> bytearray:
    return build_batch(RECORDS, **options)  # type: ignore[arg-type]  # flags given as integers serve as well


def test_the_header_is_61_bytes() -> None:
    assert HEADER.size == RECORD_BATCH_OVERHEAD == 61


def test_every_field_is_read() -> None:
    batch = a_batch(
        base_offset=1 << 40,
        partition_leader_epoch=7,
        producer_id=12,
        producer_epoch=3,
        base_sequence=40,
        transactional=True,
        control=True,
    )
    header = read_header(batch)
    assert header.base_offset == 1 << 40
    assert header.last_offset == (1 << 40) + 4
    assert header.next_offset == (1 << 40) + 5
    assert header.size == len(batch)
    assert header.partition_leader_epoch == 7
    assert (header.producer_id, header.producer_epoch, header.base_sequence, header.last_sequence) == (12, 3, 40, 44)
    assert (header.base_timestamp, header.max_timestamp) == (1_700_000_000_000, 1_700_000_000_004)
    assert header.record_count == 5
    assert header.has_producer
    assert header.is_transactional
    assert header.is_control
    assert header.timestamp_type == CREATE_TIME
    assert header.compression == 0
    assert header.delete_horizon_ms is None


def test_a_batch_without_a_producer() -> None:
    header = read_header(a_batch())
    assert not header.has_producer
    assert not header.is_transactional
    assert not header.is_control
    assert header.last_sequence == -1


def test_the_delete_horizon_is_the_base_timestamp_under_its_bit() -> None:
    header = read_header(a_batch())
    marked = header._replace(attributes=header.attributes | DELETE_HORIZON_MASK, base_timestamp=99)
    assert marked.delete_horizon_ms == 99


@pytest.mark.parametrize(("start", "by", "end"), [(0, 0, 0), (5, 3, 8), (2**31 - 1, 1, 0), (2**31 - 2, 4, 2)])
def test_sequences_wrap_to_0(start: int, by: int, end: int) -> None:
    assert increment_sequence(start, by) == end


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
def test_verify_takes_any_buffer_at_any_position(form: type) -> None:
    batch = a_batch()
    assert verify(form(bytes(b"xyz" + batch + b"more")), 3) == read_header(batch)


@pytest.mark.parametrize("bit", range(8))
def test_one_flipped_bit_after_the_checksum_is_seen_anywhere(bit: int) -> None:
    batch = a_batch()
    for pos in range(17, len(batch)):
        broken = bytearray(batch)
        broken[pos] ^= 1 << bit
        with pytest.raises(CorruptRecordError, match="checksum"):
            verify(broken)


def test_cut_anywhere_it_is_refused() -> None:
    batch = bytes(a_batch())
    for size in range(len(batch)):
        with pytest.raises(CorruptRecordError):
            verify(batch[:size])


@pytest.mark.parametrize("magic", [0, 1, 3, 127, 255])
def test_another_magic_is_refused(magic: int) -> None:
    batch = a_batch()
    batch[16] = magic
    with pytest.raises(CorruptRecordError, match="magic"):
        verify(batch)


@pytest.mark.parametrize("length", [-(2**31), -1, 0, 48, 2**31 - 1])
def test_a_length_that_lies_is_refused(length: int) -> None:
    batch = a_batch()
    batch[8:12] = length.to_bytes(4, "big", signed=True)
    with pytest.raises(CorruptRecordError):
        verify(batch)


def test_offset_and_epoch_are_patched_in_place_without_a_new_checksum() -> None:
    batch = a_batch()
    before = read_header(batch)
    set_offset_and_epoch(memoryview(batch), 0, 5_000_000_000, 9)
    after = verify(batch)
    assert after == before._replace(base_offset=5_000_000_000, partition_leader_epoch=9)
    set_base_offset(batch, 0, 3)
    assert verify(batch).base_offset == 3


def test_log_append_time_sets_bit_maximum_and_checksum() -> None:
    batch = bytearray(b"--") + a_batch()
    set_log_append_time(memoryview(batch), 2, 42)
    header = verify(batch, 2)
    assert (header.timestamp_type, header.max_timestamp) == (LOG_APPEND_TIME, 42)
    assert {record.timestamp for record in read_records(batch, 2)} == {42}


def test_a_clients_log_append_bit_is_taken_away() -> None:
    batch = a_batch(timestamp_type=1)
    set_max_timestamp(batch, 0, CREATE_TIME, 1_700_000_000_004)
    header = verify(batch)
    assert (header.timestamp_type, header.max_timestamp) == (CREATE_TIME, 1_700_000_000_004)


def test_nothing_is_written_when_nothing_changes() -> None:
    batch = bytes(a_batch())
    # A read-only view would refuse any write.
    set_max_timestamp(memoryview(batch), 0, CREATE_TIME, 1_700_000_000_004)


def test_the_producer_is_patched() -> None:
    batch = a_batch()
    set_producer(batch, 0, 77, 2, 10)
    header = verify(batch)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (77, 2, 10)


def test_rewrite_crc_repairs() -> None:
    batch = a_batch()
    batch[-1] ^= 1
    rewrite_crc(batch)
    verify(batch)


def test_the_walk_stops_at_a_partial_tail() -> None:
    one = bytes(a_batch())
    for size in range(len(one), 2 * len(one)):
        assert [pos for pos, _ in batches((one + one)[:size])] == [0]
    assert [pos for pos, _ in batches(one * 3)] == [0, len(one), 2 * len(one)]
    assert [pos for pos, _ in batches(one * 3, len(one), 2 * len(one) + 5)] == [len(one)]
    assert list(batches(b"")) == []


@pytest.mark.parametrize("length", [-1, 0, 13, 48])
def test_the_walk_refuses_a_length_that_would_not_move_on(length: int) -> None:
    buf = a_batch() + a_batch()
    second = len(buf) // 2
    buf[second + 8 : second + 12] = length.to_bytes(4, "big", signed=True)
    walk = batches(buf)
    next(walk)
    with pytest.raises(CorruptRecordError, match=f"position {second}"):
        next(walk)


def test_the_walk_refuses_another_magic() -> None:
    batch = a_batch()
    batch[16] = 1
    with pytest.raises(CorruptRecordError, match="magic 1"):
        list(batches(batch))


def test_noise_raises_only_our_error_and_takes_no_memory() -> None:
    rng = random.Random(3)
    batch = bytes(a_batch())
    tracemalloc.start()
    try:
        for _ in range(3000):
            broken = bytearray(batch * 2)
            for _ in range(rng.randint(1, 5)):
                broken[rng.randrange(70)] = rng.randrange(256)
            try:
                for pos, _ in batches(broken):
                    verify(broken, pos)
            except CorruptRecordError:
                continue
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000
