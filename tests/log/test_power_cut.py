"""After a power cut: what was flushed is there, and what was not promised does not stand in its way."""

from __future__ import annotations

from random import Random

import pytest

from kwire.errors import KafkaError
from kwire.log.checkpoints import CLEANER_POINTS, parse_partition_metadata, read_offsets
from kwire.log.cleaner import clean
from kwire.log.cleaning_job import CleanedGroup
from kwire.log.config import LogConfig
from kwire.log.log import Log
from kwire.log.manager import LogManager
from kwire.log.offset_map import OffsetMap
from kwire.log.swap import replace_segments
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from tests.log.building import NOW, TOPIC_ID, TP, append, batch, config, records_in, values
from tests.log.compacting import COMPACT, compact, roll, write
from tests.sim.disk import Manner, SimDisk
from tests.sim.faults import Fault, Kind

VALUES = [b"a", b"b", b"c", b"d"]
SETTINGS = config(segment_bytes=200, index_interval_bytes=0)


def manager_on(disk: SimDisk, settings: LogConfig = SETTINGS) -> LogManager:
    manager = LogManager(
        ["/d"],
        default_config=settings,
        config_for=lambda topic: settings,
        broker_id=1,
        cluster_id="kwire-test-cluster",
        files=disk,
    )
    manager.open(NOW, recovery_threads=0)
    return manager


def log_of(manager: LogManager, settings: LogConfig = SETTINGS) -> Log:
    return manager.get_or_create(TP, TOPIC_ID, settings, NOW)


def after_power_cut(disk: SimDisk, manager: LogManager, settings: LogConfig = SETTINGS) -> tuple[LogManager, Log]:
    """Everything that was not fsynced is gone."""
    manager.close(clean=False)
    disk.power_cut(Random(0), Manner(in_order=True, keeps=0.0))
    manager = manager_on(disk, settings)
    return manager, log_of(manager, settings)


def held(log: Log) -> list[bytes | None]:
    """The values of all records, read segment by segment."""
    return values(records_in(b"".join(segment.bytes_at(0, segment.size) for segment in log.segments)))


@pytest.mark.parametrize("is_stopped", [False, True])
def test_flushed_records_epochs_and_the_directory_itself_are_there(is_stopped: bool) -> None:
    disk = SimDisk(NOW)
    manager = manager_on(disk)
    log = log_of(manager)
    for epoch in range(3):
        append(log, batch(b"v%d" % epoch), epoch=epoch)
    if is_stopped:
        manager.close()
    else:
        log.flush(NOW)
    _, log = after_power_cut(disk, manager)
    assert held(log) == [b"v0", b"v1", b"v2"]
    assert log.epochs.entries == [(0, 0), (1, 1), (2, 2)]
    assert log.topic_id == TOPIC_ID


def test_the_marker_of_a_clean_stop_does_not_come_back() -> None:
    disk = SimDisk(NOW)
    manager_on(disk).close()
    disk.sync_directory("/d")
    manager, _ = after_power_cut(disk, manager_on(disk))
    assert disk.read_file("/d/.kafka_cleanshutdown") is None
    manager.close()


def test_a_truncated_tail_does_not_come_back_behind_what_follows_it() -> None:
    disk = SimDisk(NOW)
    manager = manager_on(disk)
    log = log_of(manager)
    for value in (b"a", b"b", b"c"):
        append(log, batch(value))
    log.flush(NOW)
    manager.checkpoint(NOW, sync=True)
    log.truncate_to(1, NOW)
    assert append(log, batch(b"d")).first_offset == 1
    manager, log = after_power_cut(disk, manager)
    assert held(log) == [b"a"]
    assert log.recovery_point <= 1


def test_a_truncation_that_the_disk_broke_off_leaves_no_hole() -> None:
    # A compacted log may have one.
    settings = config(**COMPACT, segment_bytes=200)
    disk = SimDisk(NOW)
    manager = manager_on(disk, settings)
    log = log_of(manager, settings)
    for value in VALUES:
        append(log, batch(value * 99))
    disk.faults.arm(Fault(Kind.EIO, "unlink", part_of_path=f"{3:020}.log", times=-1))
    with pytest.raises(KafkaError):
        log.truncate_to(1, NOW)
    disk.faults.disarm()
    manager.close(clean=False)
    assert held(log_of(manager_on(disk, settings), settings)) == [value * 99 for value in VALUES]


@pytest.mark.parametrize("seed", range(8))
def test_what_a_failed_write_left_does_not_come_back_before_what_follows_it(seed: int) -> None:
    disk = SimDisk(NOW)
    manager = manager_on(disk)
    log = log_of(manager)
    append(log, batch(b"a"))
    log.flush(NOW)
    manager.checkpoint(NOW, sync=True)
    disk.faults.arm(Fault(Kind.SHORT_WRITE, "write", part_of_path=".log", bit=10))
    with pytest.raises(KafkaError):
        append(log, batch(b"refused"))
    manager.close(clean=False)
    manager = manager_on(disk)
    log = log_of(manager)
    append(log, batch(b"b" * 100))  # Begins a new segment.
    log.flush(NOW)
    manager.close(clean=False)
    disk.power_cut(Random(seed), Manner(in_order=True, keeps=0.5))
    manager = manager_on(disk)
    assert held(log_of(manager)) == [b"a", b"b" * 100]


def test_a_log_that_retention_emptied_goes_on_where_it_was() -> None:
    disk = SimDisk(NOW)
    manager = manager_on(disk)
    log = log_of(manager)
    append(log, batch(b"old"))
    log.update_high_watermark(1)
    later = NOW + 1_000_000_000
    assert log.delete_old_segments(later) == 1
    manager.close(clean=False)
    assert log_of(manager_on(disk)).log_end_offset == 1


def test_a_deleted_topic_does_not_come_back_as_the_next_one_of_its_name() -> None:
    disk = SimDisk(NOW)
    manager = manager_on(disk)
    append(log_of(manager), batch(b"old"))
    log_of(manager).flush(NOW)
    disk.sync_directory("/d")
    manager.delete([TP], NOW)
    _, log = after_power_cut(disk, manager)
    assert log.log_end_offset == 0


def test_an_index_without_its_segment_is_removed_whichever_it_is() -> None:
    disk = SimDisk(NOW)
    manager = manager_on(disk)
    append(log_of(manager), batch(b"v"))
    disk.create_file(f"/d/t-0/{7:020d}.timeindex", bytes(12))
    manager.close(clean=False)
    log_of(manager_on(disk)).load()
    assert disk.read_file(f"/d/t-0/{7:020d}.timeindex") is None


def produced(value: bytes, sequence: int) -> bytearray:
    return batch(value, producer_id=7, producer_epoch=0, base_sequence=sequence)


def test_what_the_indexes_said_of_lost_batches_does_not_come_back_behind_a_clean_stop() -> None:
    disk = SimDisk(NOW)
    manager = manager_on(disk)
    append(log_of(manager), batch(b"lost", timestamp=NOW + 5))
    manager.close(clean=False)
    manager = manager_on(disk)
    # Recovery has written a time index; now that is on the device, and the batch it speaks of is not.
    segment = log_of(manager).segments.active
    disk.sync(disk.open(segment.paths[2]))
    disk.sync_directory(log_of(manager).directory)
    disk.sync_directory("/d")
    manager, log = after_power_cut(disk, manager)
    assert log.log_end_offset == 0
    manager.close()
    disk.sync_directory("/d")
    disk.power_cut(Random(0), Manner(in_order=True, keeps=0.0))
    log = log_of(manager_on(disk))
    append(log, batch(b"new", timestamp=NOW))
    log.roll(NOW)
    segment = next(iter(log.segments))
    assert (segment.base_offset, segment.time_index.all_entries()) == (0, [(NOW, 0)])


@pytest.mark.parametrize("seed", range(8))
def test_indexes_that_a_recovery_made_anew_are_whole_when_the_next_one_believes_them(seed: int) -> None:
    disk = SimDisk(NOW)
    manager = manager_on(disk)
    log = log_of(manager)
    append(log, batch(b"latest", timestamp=NOW + 5))
    append(log, batch(b"second"))
    manager.close()
    manager = manager_on(disk)
    file = disk.open(log_of(manager).segments.active.log_path)
    disk.write_at(file, bytes(batch(b"torn"))[:40], disk.size(file.path))
    manager.close(clean=False)
    manager = manager_on(disk)
    assert log_of(manager).log_end_offset == 2
    # All batches that are left were flushed, so the indexes are not made anew once more, whatever is left of them.
    manager.close(clean=False)
    disk.power_cut(Random(seed), Manner(in_order=True, keeps=1.0))
    found = log_of(manager_on(disk)).offset_for_timestamp(NOW + 5)
    assert found is not None
    assert found[:2] == (NOW + 5, 0)


@pytest.mark.parametrize("is_emptied", [False, True])
def test_a_truncation_below_the_start_is_not_undone_by_the_starts_checkpoint(is_emptied: bool) -> None:
    disk = SimDisk(NOW)
    manager = manager_on(disk)
    log = log_of(manager)
    append(log, batch(b"a"))
    append(log, batch(b"b", b"c", b"d"))
    log.update_high_watermark(4)
    log.delete_records(3)
    manager.checkpoint(NOW, sync=True)
    if is_emptied:
        log.truncate_fully_and_start_at(1, NOW)
    else:
        # The batch goes as a whole: the log ends at 1.
        log.truncate_to(3, NOW)
    assert (log.log_start_offset, log.log_end_offset) == (1, 1)
    for value in (b"new", b"newer", b"newest"):
        append(log, batch(value))
    log.flush(NOW)
    _, log = after_power_cut(disk, manager)
    assert (log.log_start_offset, log.log_end_offset) == (1, 4)
    assert held(log)[-3:] == [b"new", b"newer", b"newest"]


def test_a_log_that_lost_all_behind_its_start_has_forgotten_its_producers_and_epochs() -> None:
    disk = SimDisk(NOW)
    manager = manager_on(disk)
    log = log_of(manager)
    append(log, produced(b"a", 0))
    log.flush(NOW)
    append(log, produced(b"b", 1))
    log.update_high_watermark(2)
    log.delete_records(2)
    manager.checkpoint(NOW, sync=True)
    _, log = after_power_cut(disk, manager)
    assert (log.log_start_offset, log.log_end_offset) == (2, 2)
    assert (log.producers.entries, log.epochs.entries) == ({}, [])
    assert append(log, produced(b"c", 0)).first_offset == 2


def test_an_emptied_log_does_not_come_back_before_what_follows_it() -> None:
    disk = SimDisk(NOW)
    manager = manager_on(disk)
    log = log_of(manager)
    log.config = config(cleanup_policy=["compact"])
    append(log, batch(b"old"))
    log.flush(NOW)
    log.truncate_fully_and_start_at(7, NOW)
    append(log, batch(b"new"))
    disk.sync(disk.open(log.segments.active.log_path))
    _, log = after_power_cut(disk, manager)
    assert held(log) == [b"new"]


def test_a_compaction_does_not_give_up_records_for_some_that_are_not_on_the_device() -> None:
    disk = SimDisk(NOW)
    settings = config(segment_bytes=80, index_interval_bytes=0, **COMPACT)
    manager = manager_on(disk, settings)
    log = log_of(manager, settings)
    append(log, batch(b"old"))
    log.flush(NOW)
    append(log, batch(b"new"))
    append(log, batch(b"other", key=b"other"))
    log.update_high_watermark(3)
    chosen = manager.cleaner.grab_filthiest(NOW)
    assert chosen is not None
    job = chosen.job(NOW)
    work = clean(job, disk, OffsetMap(1 << 10, 0.9), io_bytes=4096, pause=lambda size: None)
    first = next(work)
    assert isinstance(first, CleanedGroup)
    assert (first.replaced, first.size) == ([0], 0)
    assert replace_segments(log, job, first, NOW)
    disk.sync_directory(log.directory)
    _, log = after_power_cut(disk, manager, settings)
    assert held(log) == [b"new"]


def test_a_snapshot_of_truncated_producers_does_not_come_back() -> None:
    disk = SimDisk(NOW)
    manager = manager_on(disk)
    log = log_of(manager)
    append(log, batch(b"kept"))
    log.flush(NOW)
    manager.checkpoint(NOW, sync=True)
    append(log, batch(b"x" * 99, producer_id=1, producer_epoch=0, base_sequence=0, transactional=True))
    append(log, batch(b"x" * 99, producer_id=1, producer_epoch=0, base_sequence=1, transactional=True))
    log.flush(NOW)
    log.truncate_to(1, NOW)
    _, log = after_power_cut(disk, manager)
    append(log, batch(b"y", producer_id=2, producer_epoch=0, base_sequence=0, transactional=True))
    log.update_high_watermark(2)
    assert log.last_stable_offset == 1
    assert list(log.producers.entries) == [2]


def test_flushed_transactions_stay_aborted() -> None:
    disk = SimDisk(NOW)
    settings = config(segment_bytes=1 << 20)
    manager = manager_on(disk, settings)
    log = log_of(manager, settings)
    append(log, batch(b"unwanted", producer_id=7, producer_epoch=0, base_sequence=0, transactional=True))
    marker = build_end_transaction_marker(
        EndTransactionMarker(False, 0), producer_id=7, producer_epoch=0, timestamp=NOW
    )
    append(log, marker, from_client=False)
    append(log, batch(b"wanted"))
    log.flush(NOW)
    manager.checkpoint(NOW, sync=True)
    _, log = after_power_cut(disk, manager, settings)
    assert held(log)[:1] == [b"unwanted"]
    assert [tuple(entry) for entry in log.aborted_transactions(0, 3)] == [(7, 0, 1, 2)]


def test_a_snapshot_beyond_the_end_is_not_believed() -> None:
    disk = SimDisk(NOW)
    manager = manager_on(disk)
    log = log_of(manager)
    append(log, batch(b"kept", producer_id=1, producer_epoch=0, base_sequence=0))
    size = log.segments.active.size
    append(log, batch(b"lost", producer_id=2, producer_epoch=0, base_sequence=0))
    path = log.segments.active.log_path
    manager.close()
    # Not as a clean stop left it: the file system has lost a batch, and nothing but that.
    disk.truncate(disk.open(path), size)
    log = log_of(manager_on(disk))
    assert held(log) == [b"kept"]
    assert list(log.producers.entries) == [1]


def test_epochs_of_a_flushed_segment_are_there() -> None:
    disk = SimDisk(NOW)
    manager = manager_on(disk)
    log = log_of(manager)
    append(log, batch(b"a"), epoch=3)
    log.roll(NOW)
    append(log, batch(b"b"), epoch=4)
    closed = log.unflushed_segments()
    log.flush_segments(closed)
    log.flushed_to(1)
    manager.checkpoint(NOW, sync=True)
    _, log = after_power_cut(disk, manager)
    assert log.epochs.entries == [(3, 0)]


@pytest.mark.parametrize("is_checkpointed", [False, True])
def test_a_topic_id_that_was_learnt_stays(is_checkpointed: bool) -> None:
    """After a clean stop; else the batches would become those of the next topic of that name."""
    disk = SimDisk(NOW)
    manager = manager_on(disk)
    append(log_of(manager), batch(b"a"))
    manager.close()
    disk.unlink(f"/d/{TP}/partition.metadata")
    manager = manager_on(disk)
    append(log_of(manager), batch(b"b"))
    if is_checkpointed:
        manager.checkpoint(NOW)
    manager.close()
    disk.power_cut(Random(0), Manner(in_order=True, keeps=0.0))
    assert parse_partition_metadata(disk.read_file(f"/d/{TP}/partition.metadata")) == TOPIC_ID


def test_what_compaction_left_is_there_after_it_was_switched_off() -> None:
    """Its first swap is on the device, and nothing else of it; the holes are no loss of what followed them."""
    disk = SimDisk(NOW)
    settings = config(**{**COMPACT, "segment_bytes": 200})
    manager = manager_on(disk, settings)
    log = log_of(manager, settings)
    for n in range(6):
        write(log, [(b"a%d" % n, b"v" * 50)])
        write(log, [(b"same", b"%d" % n)])
        roll(log)
    log.flush(NOW)
    chosen = manager.cleaner.grab_filthiest(NOW)
    assert chosen is not None
    job = chosen.job(NOW)
    for group in clean(job, disk, OffsetMap(1 << 12, 0.9), io_bytes=4096, pause=lambda size: None):
        if isinstance(group, CleanedGroup):
            assert replace_segments(log, job, group, NOW)
    disk.sync_directory(log.directory)
    before = held(log)
    assert before[-2:] == [b"v" * 50, b"5"]
    _, log = after_power_cut(disk, manager)
    assert held(log) == before


def test_a_later_compaction_leaves_the_others_their_checkpoint() -> None:
    disk = SimDisk(NOW)
    settings = config(**COMPACT)
    manager = manager_on(disk, settings)
    log = log_of(manager, settings)
    for _ in range(2):
        write(log, [(b"a", b"v"), (b"a", b"w")])
        roll(log)
        compact(manager)
    manager.close(clean=False)
    disk.power_cut(Random(0), Manner(in_order=False, keeps=0.5))
    assert read_offsets(disk, f"/d/{CLEANER_POINTS}") == {TP: 4}


def test_what_was_written_behind_a_hole_is_there_when_the_log_is_not_compacted_any_more() -> None:
    compacted, plain = config(**COMPACT, segment_bytes=200), config(segment_bytes=200)
    disk = SimDisk(NOW)
    manager = manager_on(disk, compacted)
    log = log_of(manager, compacted)
    for value in VALUES:
        append(log, batch(value * 99))
    path = next(iter(log.segments)).log_path
    manager.close(clean=False)
    # The power cut has taken the first segment's batch. The log may be a compacted one: recovery goes on behind it.
    disk.truncate(disk.open(path), 0)
    manager = manager_on(disk, compacted)
    append(log_of(manager, compacted), batch(b"acknowledged"))
    left = [value * 99 for value in VALUES[1:]] + [b"acknowledged"]
    assert held(log_of(manager, compacted)) == left
    manager.close(clean=False)
    assert held(log_of(manager_on(disk, plain), plain)) == left
