"""ListOffsets by timestamp."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kwire.errors import ErrorCode, KafkaError
from kwire.log import lookup
from kwire.log.log import Log
from kwire.log.lookup import Search
from kwire.log.validate import MOST_BYTES_AT_ONCE, MOST_RECORDS_AT_ONCE
from kwire.wire.record_batch import RECORD_BATCH_OVERHEAD, rewrite_crc, set_max_timestamp
from kwire.wire.records import build_batch
from tests.log.building import NOW, TOPIC_ID, TP, append, batch, config, crash, new_log, open_manager
from tests.log.compacting import compact, compacted_log, roll, write


@pytest.mark.parametrize("codec", [0, 1])
def test_the_first_record_at_or_above_a_timestamp(tmp_path: Path, codec: int) -> None:
    log = new_log(tmp_path, segment_bytes=400, index_interval_bytes=0)
    for start in (0, 100, 50, 200):
        times = [NOW + start + n * 10 for n in (0, 2, 1)]
        append(log, build_batch([(time, b"k", b"v", ()) for time in times], compression=codec), epoch=start)
    found = {
        0: (NOW, 0, 0),
        NOW + 1: (NOW + 20, 1, 0),
        NOW + 15: (NOW + 20, 1, 0),
        NOW + 21: (NOW + 100, 3, 100),
        NOW + 101: (NOW + 120, 4, 100),
        NOW + 121: (NOW + 200, 9, 200),
        NOW + 220: (NOW + 220, 10, 200),
    }
    for timestamp, expected in found.items():
        assert log.offset_for_timestamp(timestamp) == expected
    assert log.offset_for_timestamp(NOW + 221) is None
    assert log.max_timestamp_offset() == (NOW + 220, 10, 200)


def test_a_full_time_index_does_not_hide_what_came_later(tmp_path: Path) -> None:
    """The offset index goes on without it, when recovery makes both anew."""
    manager = open_manager(tmp_path, settings=config(index_interval_bytes=0))
    log = manager.get_or_create(TP, TOPIC_ID, manager.default_config, NOW)
    for time in (10, 20, 30, 40, 50, 60, 5):
        append(log, build_batch([(NOW + time, b"k", b"v", ())]))
    crash(manager)
    # The two newest timestamps find no room.
    manager = open_manager(tmp_path, settings=config(index_interval_bytes=0, segment_index_bytes=48))
    manager.close()
    manager = open_manager(tmp_path, settings=config(index_interval_bytes=0, segment_index_bytes=48))
    reread = manager.get(TP)
    assert reread is not None
    assert reread.offset_for_timestamp(NOW + 55) == (NOW + 60, 5, 0)
    assert reread.max_timestamp_offset() == (NOW + 60, 5, 0)
    manager.close()


def test_an_empty_log_and_one_without_timestamps(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    assert log.offset_for_timestamp(0) is None
    assert log.max_timestamp_offset() is None
    append(log, batch(b"v", timestamp=-1))
    assert log.offset_for_timestamp(0) is None
    assert log.max_timestamp_offset() == (-1, 0, 0)


def test_records_before_the_start_are_not_found(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    append(log, build_batch([(NOW + time, b"k", b"v", ()) for time in (5, 90, 30)]))
    append(log, batch(b"v", timestamp=NOW + 20))
    log.update_high_watermark(4)
    log.delete_records(2)
    assert log.offset_for_timestamp(0) == (NOW + 30, 2, 0)
    assert log.max_timestamp_offset() == (NOW + 30, 2, 0)
    log.delete_records(3)
    assert log.max_timestamp_offset() == (NOW + 20, 3, 0)


def test_log_append_time_is_what_is_looked_up(tmp_path: Path) -> None:
    log = new_log(tmp_path, message_timestamp_type="LogAppendTime")
    append(log, batch(b"a", b"b", timestamp=1), now_ms=NOW)
    append(log, batch(b"c", timestamp=1), now_ms=NOW + 10)
    assert log.offset_for_timestamp(NOW + 1) == (NOW + 10, 2, 0)
    assert log.max_timestamp_offset() == (NOW + 10, 2, 0)


def test_a_record_that_cannot_be_read_is_a_typed_error(tmp_path: Path) -> None:
    """Produce proves a record's length, not what is inside of it."""
    log = new_log(tmp_path)
    broken = batch(b"\xff" * 20)
    broken[RECORD_BATCH_OVERHEAD + 2 : RECORD_BATCH_OVERHEAD + 7] = b"\xff" * 5  # The timestamp does not end.
    rewrite_crc(broken)
    append(log, broken)
    for look_up in (lambda: log.offset_for_timestamp(0), log.max_timestamp_offset):
        with pytest.raises(KafkaError) as error:
            look_up()
        assert error.value.code == ErrorCode.CORRUPT_MESSAGE


def from_now(log: Log) -> Search:
    return lookup.offset_for_timestamp(log, NOW)


@pytest.mark.parametrize("search", [from_now, lookup.max_timestamp_offset])
def test_retention_takes_the_segment_that_a_thread_searches(tmp_path: Path, search: Callable[[Log], Search]) -> None:
    log = new_log(tmp_path)
    many = build_batch([(NOW + 5, b"k", b"v", ())] * 40_000)
    set_max_timestamp(many, 0, 0, NOW + 9)
    append(log, many)
    append(log, batch(b"old", timestamp=NOW + 9))
    log.roll(NOW)
    append(log, batch(b"new", timestamp=NOW + 1))
    log.update_high_watermark(log.log_end_offset)
    steps = search(log)
    work = next(steps)
    log.config = config(retention_bytes=1)
    assert log.delete_old_segments(NOW) == 1
    with pytest.raises(StopIteration) as end:
        steps.send(work() and None)
    assert end.value.value == (NOW + 1, 40_001, 0)


def test_what_decompresses_to_much_is_searched_in_a_thread(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    append(log, batch(bytes(MOST_BYTES_AT_ONCE), compression=1))
    steps = lookup.offset_for_timestamp(log, NOW)
    work = next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(work())
    assert end.value.value == (NOW, 0, 0)


def test_compaction_replaces_the_segment_that_a_thread_searches(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path, cleanup_policy=["compact", "delete"])
    # The largest time of the first batch is that of a record which DeleteRecords takes.
    times = [NOW + 1000, *[NOW] * MOST_RECORDS_AT_ONCE]
    append(log, build_batch([(time, b"%d" % (n % 100), b"v", ()) for n, time in enumerate(times)]))
    for n in range(300):
        write(log, [(b"k%d" % (n % 7), b"%d" % n)], timestamp=NOW + n)
    wanted = write(log, [(b"wanted", b"w")], timestamp=NOW + 900)
    roll(log)
    log.delete_records(5)
    steps = lookup.offset_for_timestamp(log, NOW + 900)
    work = next(steps)
    compact(manager)
    with pytest.raises(StopIteration) as end:
        steps.send(work())
    assert end.value.value == (NOW + 900, wanted, 0)
