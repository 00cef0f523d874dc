from __future__ import annotations

import pytest

from kwire.errors import ErrorCode, KafkaError
from kwire.wire.compression import GZIP, ZSTD
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from kwire.wire.conversion import from_v2, to_v2
from kwire.wire.legacy import build_message_set, message_batches, read_message_set
from kwire.wire.record_batch import LOG_APPEND_TIME, set_log_append_time, verify
from kwire.wire.records import Record, build_batch, check_records, read_records

T = 1_700_000_000_000
RECORDS = [Record(n, T + n, b"k%d" % n, b"v", (), -1) for n in range(4)]


def a_batch(base_offset: int = 10, compression: int = 0) -> bytearray:
    return build_batch(
        [(r.timestamp, r.key, r.value, [("h", b"x")]) for r in RECORDS],
        base_offset=base_offset,
        compression=compression,
    )


@pytest.mark.parametrize("compression", range(5))
@pytest.mark.parametrize("magic", [0, 1])
def test_an_old_message_set_becomes_one_batch(magic: int, compression: int) -> None:
    read = read_message_set(build_message_set(RECORDS, magic=magic))
    batch = to_v2(read, base_offset=500, partition_leader_epoch=7, compression=compression)
    header = verify(batch)
    assert (header.base_offset, header.last_offset, header.partition_leader_epoch) == (500, 503, 7)
    assert (header.compression, header.producer_id) == (compression, -1)
    assert [record[1:] for record in read_records(batch)] == [record[1:] for record in read]
    assert check_records(batch).max_timestamp == (T + 3 if magic else -1)


def test_log_append_time_hides_the_producers_timestamps() -> None:
    header = verify(to_v2(RECORDS, base_offset=0, partition_leader_epoch=0, compression=0, append_time_ms=T + 99))
    assert (header.timestamp_type, header.base_timestamp, header.max_timestamp) == (LOG_APPEND_TIME, T, T + 99)


def test_a_batch_compressed_anew_keeps_its_producer() -> None:
    source = build_batch(
        [(T, b"k", b"v", [("h", None)])], producer_id=5, producer_epoch=1, base_sequence=9, transactional=True
    )
    batch = to_v2(
        read_records(source), base_offset=3, partition_leader_epoch=0, compression=GZIP, source=verify(source)
    )
    header = verify(batch)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (5, 1, 9)
    assert header.is_transactional
    assert read_records(batch) == [Record(3, T, b"k", b"v", [(b"h", None)], 9)]


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("compression", range(4))
def test_a_batch_goes_down_without_headers(magic: int, compression: int) -> None:
    down = from_v2(a_batch(10, compression), to_magic=magic, first_offset=10)
    assert read_message_set(down) == [
        Record(10 + r.offset, r.timestamp if magic else -1, r.key, r.value, (), -1) for r in RECORDS
    ]
    assert {batch.compression for batch in message_batches(down)} == {compression}


def test_records_before_the_fetch_offset_stay_in_compressed_sets_only() -> None:
    assert [r.offset for r in read_message_set(from_v2(a_batch(), to_magic=1, first_offset=12))] == [12, 13]
    compressed = from_v2(a_batch(compression=GZIP), to_magic=1, first_offset=12)
    assert [r.offset for r in read_message_set(compressed)] == [10, 11, 12, 13]
    assert from_v2(a_batch(), to_magic=1, first_offset=99) == b""


def test_log_append_time_goes_down() -> None:
    batch = a_batch()
    set_log_append_time(batch, 0, T + 50)
    down = list(message_batches(from_v2(batch, to_magic=1, first_offset=0)))
    assert {(found.timestamp_type, found.max_timestamp) for found in down} == {(LOG_APPEND_TIME, T + 50)}
    assert {r.timestamp for r in read_message_set(from_v2(batch, to_magic=0, first_offset=0))} == {-1}


def test_markers_are_left_out() -> None:
    marker = build_end_transaction_marker(EndTransactionMarker(True, 0), producer_id=1, producer_epoch=0, timestamp=T)
    assert from_v2(marker, to_magic=1, first_offset=0) == b""
    assert len(read_message_set(from_v2(marker + a_batch(), to_magic=1, first_offset=0))) == 4


def test_what_is_old_enough_goes_as_it_is() -> None:
    old = build_message_set(RECORDS, magic=0) + build_message_set(RECORDS, magic=1)
    assert from_v2(old, to_magic=1, first_offset=0) == old
    assert len(read_message_set(from_v2(old, to_magic=0, first_offset=0))) == 8


def test_zstd_has_no_older_form() -> None:
    with pytest.raises(KafkaError) as caught:
        from_v2(a_batch(compression=ZSTD), to_magic=1, first_offset=0)
    assert caught.value.code is ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
