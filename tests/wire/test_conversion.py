from __future__ import annotations

import pytest

from kwire.wire.compression import GZIP
from kwire.wire.conversion import to_v2
from kwire.wire.legacy import build_message_set, read_message_set
from kwire.wire.record_batch import LOG_APPEND_TIME, verify
from kwire.wire.records import Record, build_batch, check_records, read_records

T = 1_700_000_000_000
RECORDS = [Record(n, T + n, b"k%d" % n, b"v", (), -1) for n in range(4)]


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
