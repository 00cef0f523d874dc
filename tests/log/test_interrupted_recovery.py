"""The power goes amid a recovery: the next one must not believe what is half done."""

from __future__ import annotations

from random import Random

from kwire.log.directory import RECOVERING
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from tests.log.building import NOW, append, batch, config
from tests.log.test_power_cut import held, log_of, manager_on
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
