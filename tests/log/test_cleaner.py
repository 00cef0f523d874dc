"""Compaction of a log: what stays, what goes, and what is left where."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from kwire.log.cleaner import CleaningAborted, clean
from kwire.log.cleaning_job import CleanerStats, CleaningJob
from kwire.log.files import FILES
from kwire.log.log import Log
from kwire.log.offset_map import SLOT_BYTES, OffsetMap
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from kwire.wire.legacy import build_message_set, read_message_set
from kwire.wire.record_batch import CorruptRecordError, verify
from kwire.wire.records import Record, build_batch
from tests.log.building import NOW, append, batch, crash, open_manager, read_all
from tests.log.compacting import (
    compact,
    compacted_log,
    pause,
    roll,
    stored,
    stored_headers,
    stored_records,
    survivors,
    write,
)

DAY_MS = 86_400_000


def test_the_newest_record_of_each_key_stays_at_its_offset(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    write(log, [(b"a", b"1"), (b"b", b"1"), (b"a", b"2")])
    write(log, [(b"c", b"1"), (b"b", b"2")])
    roll(log)
    write(log, [(b"a", b"3")])
    stats = compact(manager)
    # The active segment is not compacted, and says nothing yet of what came before it.
    assert survivors(log) == [(2, b"a", b"2"), (3, b"c", b"1"), (4, b"b", b"2"), (5, b"a", b"3")]
    assert (stats.end_offset, stats.records_read, stats.records_written) == (5, 5, 3)
    assert (log.log_start_offset, log.log_end_offset) == (0, 6)
    for position, header in ((0, stored_headers(log)[0]), (stored_headers(log)[0].size, stored_headers(log)[1])):
        assert verify(stored(log), position) == header


def test_headers_timestamps_and_codec_stay(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    for codec in range(5):
        records = [
            (NOW + n, b"%d-%d" % (codec, n // 2), b"v" * 50, [(b"h", b"%d" % n), (b"n", None)]) for n in range(6)
        ]
        append(log, build_batch(records, compression=codec))
    log.update_high_watermark(log.log_end_offset)
    roll(log)
    before = {record.offset: record for record in read_all(log)}
    compact(manager)
    kept = stored_records(log)
    assert [record.offset for record in kept] == [base + n for base in range(0, 30, 6) for n in (1, 3, 5)]
    assert all(before[record.offset] == record for record in kept)
    assert [header.compression for header in stored_headers(log)] == [0, 1, 2, 3, 4]
    assert all(header.max_timestamp == NOW + 5 and header.last_offset_delta == 5 for header in stored_headers(log))


def test_the_largest_timestamp_is_that_of_what_stays(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    append(log, build_batch([(NOW + 9, b"a", b"1", ()), (NOW - 5, b"b", b"1", ()), (NOW + 1, b"a", b"2", ())]))
    log.update_high_watermark(3)
    roll(log)
    compact(manager)
    assert [header.max_timestamp for header in stored_headers(log)] == [NOW + 1]
    found = log.offset_for_timestamp(NOW)
    assert found is not None
    assert (found.timestamp, found.offset) == (NOW + 1, 2)


def test_the_last_batch_stays_empty_to_hold_the_end(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path, delete_retention_ms=0)
    write(log, [(b"a", b"1")])
    write(log, [(b"a", None)])
    roll(log)
    compact(manager)
    write(log, [(b"b", b"1")])
    roll(log)
    compact(manager, NOW + 1)
    write(log, [(b"b", None)])
    roll(log)
    compact(manager, NOW + 2)
    write(log, [(b"c", b"1")], timestamp=NOW + 3)
    roll(log)
    # The tombstone of b has got its horizon with the third round, and goes with the fourth.
    compact(manager, NOW + 3)
    assert survivors(log) == [(4, b"c", b"1")]
    crash(manager)
    assert open_manager(tmp_path).get(log.topic_partition).log_end_offset == 5  # type: ignore[union-attr]


def test_tombstones_go_after_delete_retention_ms(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path, delete_retention_ms=DAY_MS)
    write(log, [(b"a", b"1"), (b"b", b"1")])
    write(log, [(b"a", None), (b"x", b"1")])
    roll(log)
    compact(manager)
    assert survivors(log) == [(1, b"b", b"1"), (2, b"a", None), (3, b"x", b"1")]
    horizons = [header.delete_horizon_ms for header in stored_headers(log)]
    assert horizons == [None, NOW + DAY_MS]
    assert [record.timestamp for record in stored_records(log)] == [NOW] * 3
    for now_ms, kept in ((NOW + DAY_MS - 1, [1, 2, 3]), (NOW + DAY_MS, [1, 3])):
        write(log, [(b"z", b"1")])
        roll(log)
        compact(manager, now_ms)
        assert [offset for offset, key, _ in survivors(log) if key != b"z"] == kept
    assert [header.delete_horizon_ms for header in stored_headers(log)][1] == NOW + DAY_MS


def test_records_without_a_key_go(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path, cleanup_policy=["delete"])
    write(log, [(None, b"1"), (b"a", b"1"), (None, b"2")])
    roll(log)
    log.config.is_compacted = True
    stats = compact(manager)
    assert survivors(log) == [(1, b"a", b"1")]
    assert stats.invalid_records_read == 2


def test_small_segments_are_joined_as_far_as_they_fit(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path, segment_bytes=1000)
    for n in range(30):
        write(log, [(b"%d" % n, b"v" * 100)])
    write(log, [(b"%d" % n, b"w") for n in range(0, 30, 2)])
    roll(log)
    # What goes into one segment is judged by the sources, so the first round only makes them smaller.
    compact(manager)
    assert all(segment.size <= 1000 for segment in log.segments)
    bases = [segment.base_offset for segment in log.segments]
    assert bases == sorted(set(bases))
    assert bases[0] == 0
    write(log, [(b"x", b"1")])
    roll(log)
    compact(manager)
    assert len(log.segments) < len(bases)
    assert all(segment.size <= 1000 for segment in log.segments)
    assert len(survivors(log)) == 31


def test_offsets_too_far_apart_are_not_joined(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    write(log, [(b"a", b"1")])
    roll(log)
    log.append_as_follower(build_batch([(NOW, b"b", b"1", ())], base_offset=1 << 31), now_ms=NOW)
    log.update_high_watermark(log.log_end_offset)
    roll(log)
    compact(manager)
    assert survivors(log) == [(0, b"a", b"1"), (1 << 31, b"b", b"1")]
    assert len(log.segments) == 3


def test_batches_larger_than_a_read_are_read_whole(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    write(log, [(b"a", b"x" * 50_000), (b"b", b"y" * 50_000)])
    write(log, [(b"a", b"z" * 30_000)])
    roll(log)
    compact(manager, io_bytes=1)
    assert [(offset, len(value or b"")) for offset, _, value in survivors(log)] == [(1, 50_000), (2, 30_000)]


def test_a_flipped_bit_is_found_and_nothing_is_swapped(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    write(log, [(b"a", b"1"), (b"a", b"2")])
    roll(log)
    path = Path(log.directory) / f"{0:020d}.log"
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    chosen = manager.cleaner.grab_filthiest(NOW)
    assert chosen is not None
    with pytest.raises(CorruptRecordError):
        list(clean(chosen.job(NOW), FILES, OffsetMap(1024, 0.9), io_bytes=4096, pause=pause))
    assert path.read_bytes() == data
    assert not list(Path(log.directory).glob("*.cleaned"))


def test_an_abort_leaves_nothing(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    write(log, [(b"a", b"1"), (b"a", b"2")])
    roll(log)
    calls = []

    def give_up(size: int) -> None:
        calls.append(size)
        if len(calls) == 2:
            raise CleaningAborted

    chosen = manager.cleaner.grab_filthiest(NOW)
    assert chosen is not None
    with pytest.raises(CleaningAborted):
        list(clean(chosen.job(NOW), FILES, OffsetMap(1024, 0.9), io_bytes=4096, pause=give_up))
    assert not list(Path(log.directory).glob("*.cleaned"))


# Producers and transactions.


def produce(log: Log, pairs: list[tuple[bytes, bytes]], sequence: int, producer: int = 7, *, txn: bool = False) -> None:
    write(log, pairs, producer_id=producer, producer_epoch=0, base_sequence=sequence, transactional=txn)


def end(log: Log, *, commit: bool, producer: int = 7) -> None:
    marker = build_end_transaction_marker(
        EndTransactionMarker(commit, 0), producer_id=producer, producer_epoch=0, timestamp=NOW
    )
    log.append_as_leader(memoryview(marker), leader_epoch=0, now_ms=NOW, from_client=False)
    log.update_high_watermark(log.log_end_offset)


def test_the_last_batch_of_an_active_producer_stays_for_its_sequence(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    produce(log, [(b"a", b"1")], 0)
    produce(log, [(b"a", b"2"), (b"b", b"2")], 1)
    write(log, [(b"a", b"3"), (b"b", b"3")])
    roll(log)
    compact(manager)
    assert survivors(log) == [(3, b"a", b"3"), (4, b"b", b"3")]
    empty = stored_headers(log)[0]
    assert (empty.record_count, empty.base_offset, empty.last_offset, empty.producer_id) == (0, 1, 2, 7)
    assert (empty.base_sequence, empty.last_sequence, empty.base_timestamp) == (1, 2, -1)
    crash(manager)
    for path in Path(log.directory).glob("*.snapshot"):
        path.unlink()
    found = open_manager(tmp_path).get(log.topic_partition)
    assert found is not None
    assert found.producers.entries[7].last_sequence == 2


def test_data_of_aborted_transactions_goes_at_once(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path, delete_retention_ms=DAY_MS)
    write(log, [(b"a", b"0"), (b"b", b"0")])
    produce(log, [(b"a", b"aborted")], 0, txn=True)
    end(log, commit=False)
    produce(log, [(b"b", b"committed")], 1, txn=True)
    end(log, commit=True)
    write(log, [(b"z", b"0")])
    roll(log)
    compact(manager)
    # An aborted record is no reason to drop the one before it.
    assert survivors(log)[:1] == [(0, b"a", b"0")]
    assert (4, b"b", b"committed") in survivors(log)
    assert b"aborted" not in [record.value for record in stored_records(log)]
    # Both markers stay: something of their transactions was there when this round began.
    assert [header.base_offset for header in stored_headers(log) if header.is_control] == [3, 5]
    assert len(log.aborted_transactions(0, 10)) == 1


def test_a_marker_goes_when_its_transaction_has_gone_and_its_horizon_has_passed(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path, delete_retention_ms=DAY_MS)
    produce(log, [(b"a", b"aborted")], 0, txn=True)
    end(log, commit=False)
    produce(log, [(b"x", b"0")], 1)
    roll(log)
    compact(manager)
    assert [(h.base_offset, h.delete_horizon_ms) for h in stored_headers(log)] == [(1, None), (2, None)]
    for now_ms, markers in ((NOW, [(1, NOW + DAY_MS)]), (NOW + DAY_MS, [])):
        produce(log, [(b"x", b"1")], log.producers.entries[7].last_sequence + 1)
        roll(log)
        compact(manager, now_ms)
        assert [(h.base_offset, h.delete_horizon_ms) for h in stored_headers(log) if h.is_control] == markers
    assert log.aborted_transactions(0, 10) == []


def test_a_producer_of_which_only_a_marker_is_left_keeps_its_epoch(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path, delete_retention_ms=0)
    end(log, commit=True)
    write(log, [(b"a", b"1")])
    roll(log)
    for step in range(3):
        compact(manager, NOW + step)
        write(log, [(b"a", b"%d" % step)])
        roll(log)
    first = stored_headers(log)[0]
    assert (first.base_offset, first.is_control, first.record_count) == (0, True, 0)


# Histories.


@pytest.mark.parametrize("seed", range(12))
def test_random_histories_against_a_dict(tmp_path: Path, seed: int) -> None:
    source = random.Random(seed)
    manager, log = compacted_log(
        tmp_path, segment_bytes=source.choice([700, 2000, 1 << 20]), index_interval_bytes=0, delete_retention_ms=50
    )
    written: dict[int, tuple[bytes, bytes | None]] = {}
    now_ms = NOW
    for _ in range(40):
        now_ms += source.randrange(30)
        pairs = [
            (b"%d" % source.randrange(12), None if source.random() < 0.2 else b"%d" % source.randrange(10**9))
            for _ in range(source.randrange(1, 9))
        ]
        base = write(log, pairs, timestamp=now_ms, now_ms=now_ms, compression=source.choice([0, 0, 1, 2, 3, 4]))
        written.update({base + index: pair for index, pair in enumerate(pairs)})
        if source.random() < 0.3:
            log.roll(now_ms)
        if source.random() < 0.3 and manager.cleaner.grab_filthiest(now_ms) is not None:
            manager.cleaner.done_cleaning(log, None)
            compact(
                manager, now_ms, map_bytes=source.choice([8, 64, 4096]) * SLOT_BYTES, io_bytes=source.choice([1, 999])
            )
        found = survivors(log)
        offsets = [offset for offset, _, _ in found]
        assert offsets == sorted(set(offsets))
        assert all(written[offset] == (key, value) for offset, key, value in found)
        newest = {key: offset for offset, (key, _) in written.items()}
        lost = {offset for offset in newest.values() if written[offset][1] is not None} - set(offsets)
        assert not lost
        dirty = manager.cleaner.first_dirty_offset(log.topic_partition) or 0
        clean_keys = [key for offset, key, _ in found if offset < dirty]
        assert len(clean_keys) == len(set(clean_keys))
    live = dict(written.values())
    last = {key: value for _, key, value in survivors(log)}
    assert {key: value for key, value in last.items() if value is not None} == {
        key: value for key, value in live.items() if value is not None
    }


def test_twice_is_the_same_as_once(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path, segment_bytes=3000)
    for n in range(50):
        write(log, [(b"%d" % (n % 7), b"%d" % n), (b"%d" % (n % 5), b"%d" % n)])
    roll(log)
    compact(manager)
    once = stored(log)
    write(log, [(b"other", b"1")])
    roll(log)
    compact(manager)
    assert stored(log)[: len(once)] == once


def test_the_file_time_is_that_of_the_newest_source(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    write(log, [(b"a", b"1")])
    roll(log)
    os.utime(Path(log.directory) / f"{0:020d}.log", (1_600_000_000, 1_600_000_000))
    compact(manager)
    assert FILES.modified_ms(str(Path(log.directory) / f"{0:020d}.log")) == 1_600_000_000_000


def test_a_plain_batch_of_a_test_is_compacted_too(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    append(log, batch(b"1", b"2", b"3"))
    log.update_high_watermark(3)
    roll(log)
    compact(manager)
    assert survivors(log) == [(2, b"k", b"3")]


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", [0, 1])
def test_message_sets_are_compacted_in_their_own_format(tmp_path: Path, magic: int, codec: int) -> None:
    pairs: list[tuple[bytes, bytes | None]] = [(b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"c", None)]
    timestamp = NOW if magic else -1
    records = [Record(offset, timestamp, key, value, (), -1) for offset, (key, value) in enumerate(pairs)]
    path = tmp_path / f"{0:020d}.log"
    path.write_bytes(build_message_set(records, magic=magic, compression=codec))
    job = CleaningJob(str(tmp_path), [(0, path.stat().st_size)], 0, 4, [], [], NOW, 1 << 20, 1 << 20, 4096, DAY_MS)
    *groups, stats = clean(job, FILES, OffsetMap(1024, 0.9), io_bytes=4096, pause=pause)
    assert len(groups) == 1
    assert isinstance(stats, CleanerStats)
    kept = read_message_set((tmp_path / f"{0:020d}.log.cleaned").read_bytes())
    # The tombstone stays: its segment is no older than the last compacted one, as there is none.
    assert kept == records[1:]
    assert (stats.end_offset, stats.records_read, stats.records_written) == (4, 4, 3)
