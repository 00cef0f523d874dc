"""Retention by time and size, DeleteRecords, truncation."""

from __future__ import annotations

from pathlib import Path

import pytest

from kwire.errors import ErrorCode, KafkaError
from kwire.log.log import Log
from tests.log.building import (
    NOW,
    TOPIC_ID,
    TP,
    append,
    batch,
    config,
    new_log,
    open_manager,
    read_all,
    remove_due,
    values,
)

HOUR_MS = 3_600_000


def filled(directory: Path, count: int = 10, **overrides: object) -> Log:
    """A log of one record per segment, a minute apart, the last one at NOW."""
    log = new_log(directory, segment_bytes=100, **overrides)
    for n in range(count):
        append(log, batch(b"v%d" % n, timestamp=NOW - (count - 1 - n) * 60_000))
    log.update_high_watermark(count)
    assert len(log.segments) == count
    return log


def test_segments_older_than_retention_ms_go(tmp_path: Path) -> None:
    log = filled(tmp_path, retention_ms=5 * 60_000)
    assert log.delete_old_segments(NOW) == 4
    assert log.log_start_offset == 4
    assert values(read_all(log)) == [b"v%d" % n for n in range(4, 10)]
    assert log.epochs.entries == [(0, 4)]
    assert log.delete_old_segments(NOW) == 0


def test_everything_goes_and_the_active_segment_is_rolled_first(tmp_path: Path) -> None:
    log = filled(tmp_path, retention_ms=1000)
    assert log.delete_old_segments(NOW + HOUR_MS) == 10
    assert (log.log_start_offset, log.log_end_offset, len(log.segments), log.size) == (10, 10, 1, 0)
    assert log.delete_old_segments(NOW + HOUR_MS) == 0
    assert append(log, batch(b"next")).first_offset == 10


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("emptied_by", ["retention", "starting over"])
def test_a_log_that_was_emptied_goes_on_where_it_ended(tmp_path: Path, emptied_by: str, clean: bool) -> None:
    settings = config(segment_bytes=100, retention_ms=1000)
    manager = open_manager(tmp_path, settings=settings)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    for n in range(10):
        append(log, batch(b"v%d" % n))
    log.update_high_watermark(10)
    if emptied_by == "retention":
        assert log.delete_old_segments(NOW + HOUR_MS) == 10
    else:
        log.truncate_fully_and_start_at(10, NOW)
    remove_due(manager, NOW + 24 * HOUR_MS)
    manager.close(clean=clean)
    again = open_manager(tmp_path, settings=settings).get(TP)
    assert again is not None
    again.load()
    assert (again.log_start_offset, again.log_end_offset) == (10, 10)
    assert append(again, batch(b"next")).first_offset == 10


def test_nothing_beyond_the_high_watermark_goes(tmp_path: Path) -> None:
    log = new_log(tmp_path, segment_bytes=100, retention_ms=1000)
    for n in range(5):
        append(log, batch(b"v%d" % n))
    log.update_high_watermark(2)
    assert log.delete_old_segments(NOW + HOUR_MS) == 2
    assert log.log_start_offset == 2


def test_without_timestamps_the_files_age_counts(tmp_path: Path) -> None:
    import os

    log = new_log(tmp_path, segment_bytes=100, retention_ms=1000)
    for _ in range(3):
        append(log, batch(b"v", timestamp=-1))
    log.update_high_watermark(3)
    for number, segment in enumerate(log.segments):
        os.utime(segment.log_path, ns=(0, (NOW + number * 10_000) * 1_000_000))
    assert log.delete_old_segments(NOW + 11_000) == 1


@pytest.mark.parametrize(("limit_in_segments", "left"), [(0, 0), (3, 3), (10, 10), (99, 10)])
def test_segments_beyond_retention_bytes_go(tmp_path: Path, limit_in_segments: int, left: int) -> None:
    size = len(batch(b"v0"))
    log = filled(tmp_path, retention_bytes=size * limit_in_segments, retention_ms=-1)
    assert log.delete_old_segments(NOW) == 10 - left
    assert log.size == left * size


def test_retention_is_not_for_compacted_only_topics(tmp_path: Path) -> None:
    log = filled(tmp_path, retention_ms=1, retention_bytes=1, cleanup_policy=["compact"])
    assert log.delete_old_segments(NOW + HOUR_MS) == 0


def test_files_are_renamed_then_removed_with_their_snapshots(tmp_path: Path) -> None:
    settings = config(segment_bytes=100, retention_ms=1000, file_delete_delay_ms=500)
    manager = open_manager(tmp_path, settings=settings)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    for n in range(3):
        append(log, batch(b"v%d" % n, timestamp=NOW - HOUR_MS))
    append(log, batch(b"new"))
    log.update_high_watermark(4)
    assert sum(manager.retain(log, NOW) for log in manager.logs()) == 3
    partition = tmp_path / "t-0"
    deleted = sorted(path.name for path in partition.glob("*.deleted"))
    assert deleted == sorted(
        [f"{n:020d}{suffix}.deleted" for n in range(3) for suffix in (".log", ".index", ".timeindex")]
        + [f"{n:020d}.snapshot.deleted" for n in (1, 2)]
    )
    remove_due(manager, NOW + 499)
    assert list(partition.glob("*.deleted"))
    remove_due(manager, NOW + 500)
    assert not list(partition.glob("*.deleted"))
    assert values(read_all(log)) == [b"new"]


def test_delete_records(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    append(log, batch(b"a", b"b", b"c"))
    append(log, batch(b"d"))
    log.update_high_watermark(3)
    assert log.delete_records(2) == 2
    assert log.delete_records(1) == 2
    for beyond in (4, -2):
        with pytest.raises(KafkaError) as error:
            log.delete_records(beyond)
        assert error.value.code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert [record.offset for record in read_all(log)] == [2, 3]
    assert log.delete_records(-1) == 3
    with pytest.raises(KafkaError) as error:
        log.read(2, 100, up_to=4, min_one_message=True)
    assert error.value.code == ErrorCode.OFFSET_OUT_OF_RANGE


def test_delete_records_drops_whole_segments_with_the_next_retention(tmp_path: Path) -> None:
    log = filled(tmp_path, retention_ms=-1)
    assert log.delete_records(7) == 7
    assert log.delete_old_segments(NOW) == 7
    assert next(iter(log.segments)).base_offset == 7


def test_delete_records_of_a_compacted_topic_violates_its_policy(tmp_path: Path) -> None:
    log = new_log(tmp_path, cleanup_policy=["compact"])
    with pytest.raises(KafkaError) as error:
        log.delete_records(0)
    assert error.value.code == ErrorCode.POLICY_VIOLATION


def test_truncation_takes_producers_and_epochs_back(tmp_path: Path) -> None:
    log = new_log(tmp_path, segment_bytes=300)
    for n in range(8):
        append(log, batch(b"v%d" % n, producer_id=5, producer_epoch=0, base_sequence=n), epoch=n // 4)
    log.update_high_watermark(8)
    log.truncate_to(3, NOW)
    assert (log.log_end_offset, log.high_watermark, log.latest_epoch) == (3, 3, 0)
    assert values(read_all(log)) == [b"v0", b"v1", b"v2"]
    info = append(log, batch(b"again", producer_id=5, producer_epoch=0, base_sequence=3), epoch=2)
    assert (info.first_offset, info.duplicate) == (3, False)
    log.truncate_to(50, NOW)
    assert log.log_end_offset == 4


def test_a_log_starts_over_at_an_offset(tmp_path: Path) -> None:
    log = filled(tmp_path)
    log.truncate_fully_and_start_at(100, NOW)
    assert (log.log_start_offset, log.high_watermark, log.log_end_offset, log.latest_epoch) == (100, 100, 100, -1)
    assert append(log, batch(b"v")).first_offset == 100
    assert values(read_all(log)) == [b"v"]
