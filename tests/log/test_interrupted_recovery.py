"""A recovery is broken off: the next one must not believe what is half done, nor leave it off the device."""

from __future__ import annotations

from random import Random

from kwire.log.directory import RECOVERING
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from tests.log.building import NOW, append, batch, config
from tests.log.compacting import COMPACT
from tests.log.test_power_cut import after_power_cut, held, log_of, manager_on
from tests.sim.disk import Manner, SimDisk
from tests.sim.faults import Fault, Kind

SETTINGS = config(index_interval_bytes=0)
ABORTED = {"producer_id": 1, "producer_epoch": 0, "base_sequence": 0, "transactional": True}
FLUSHED = 6


def killed_with_an_unflushed_tail() -> SimDisk:
    """A disk with batches and an aborted transaction on the device, and one batch more in the page cache."""
    disk = SimDisk(NOW)
    manager = manager_on(disk, SETTINGS)
    log = log_of(manager, SETTINGS)
    append(log, batch(b"a", timestamp=NOW - 9))
    append(log, batch(b"b", **ABORTED))  # type: ignore[arg-type]
    marker = build_end_transaction_marker(
        EndTransactionMarker(False, 0), producer_id=1, producer_epoch=0, timestamp=NOW
    )
    append(log, marker, from_client=False)
    for n in range(3):
        append(log, batch(b"c", timestamp=NOW + n))
    log.flush(NOW)
    manager.checkpoint(NOW, sync=True)
    append(log, batch(b"tail", timestamp=NOW + 9))
    manager.close(clean=False)
    return disk


def test_what_a_recovery_had_emptied_is_not_believed() -> None:
    disk = killed_with_an_unflushed_tail()
    index = f"/d/t-0/{0:020}.txnindex"
    disk.faults.arm(Fault(Kind.EIO, "write", part_of_path=index, times=-1))
    manager_on(disk, SETTINGS).close(clean=False)
    disk.faults.disarm()
    # The power goes: the device has the emptied index, and no tail any more that would make the log be read again.
    disk.sync(disk.open(index))
    disk.power_cut(Random(0), Manner(in_order=True, keeps=0.0))
    assert disk.content(index) == b""
    log = log_of(manager_on(disk, SETTINGS), SETTINGS)
    assert (len(held(log)), log.log_end_offset) == (FLUSHED, FLUSHED)
    assert [entry.producer_id for entry in log.aborted_transactions(0, FLUSHED)] == [1]


def test_the_note_of_a_recovery_goes_with_its_end() -> None:
    disk = killed_with_an_unflushed_tail()
    manager = manager_on(disk, SETTINGS)
    assert f"/d/{RECOVERING}" not in disk.walk()
    manager.close()


def test_aborted_transactions_that_were_lost_do_not_come_back_behind_a_clean_stop() -> None:
    disk = SimDisk(NOW)
    settings = config(segment_bytes=1 << 20)
    manager = manager_on(disk, settings)
    log = log_of(manager, settings)
    append(log, batch(b"v", producer_id=7, producer_epoch=0, base_sequence=0, transactional=True))
    log.flush(NOW)
    aborted, committed = (
        build_end_transaction_marker(EndTransactionMarker(wanted, 0), producer_id=7, producer_epoch=0, timestamp=NOW)
        for wanted in (False, True)
    )
    append(log, aborted, from_client=False)
    # The device has the entry, and not the marker that it speaks of.
    log.segments.active.txn_index.sync()
    disk.sync_directory(log.directory)
    manager, _ = after_power_cut(disk, manager, settings)
    # The second start finds that the first one, which was killed, has emptied the index.
    manager.close(clean=False)
    manager = manager_on(disk, settings)
    append(log_of(manager, settings), committed, from_client=False)
    manager.close()
    disk.power_cut(Random(0), Manner(in_order=True, keeps=0.0))
    log = log_of(manager_on(disk, settings), settings)
    assert (log.log_end_offset, log.aborted_transactions(0, 2)) == (2, [])


def test_indexes_of_a_segment_that_was_lost_do_not_come_back_behind_a_clean_stop() -> None:
    # A compacted log may have such a hole.
    settings = config(**COMPACT, segment_bytes=200)
    disk = SimDisk(NOW)
    manager = manager_on(disk, settings)
    log = log_of(manager, settings)
    append(log, batch(b"a" * 99, timestamp=NOW + 5))
    append(log, batch(b"b" * 99))
    first = next(iter(log.segments))
    # The device has the time index of the first segment and the name of the second, and no batch.
    for path in (first.log_path, log.segments.active.log_path):
        disk.truncate(disk.open(path), 0)
    for path in disk.walk(log.directory):
        disk.sync(disk.open(path))
    disk.sync_directory(log.directory)
    disk.sync_directory("/d")
    manager.close(clean=False)
    # The second start finds that the first one, which the disk failed, has emptied the index.
    disk.faults.arm(Fault(Kind.EIO, "fsync", part_of_path=".timeindex", times=-1))
    manager_on(disk, settings).close(clean=False)
    disk.faults.disarm()
    manager_on(disk, settings).close()
    disk.power_cut(Random(0), Manner(in_order=True, keeps=0.0))
    log = log_of(manager_on(disk, settings), settings)
    assert [(s.base_offset, s.size, s.time_index.all_entries()) for s in log.segments] == [(0, 0, []), (1, 0, [])]
