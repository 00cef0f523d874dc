"""After a kill: only what was never whole is lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kwire.log.checkpoints import CLEANER_POINTS
from kwire.log.log import Log
from kwire.log.manager import LogManager
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from kwire.wire.record_batch import read_header
from kwire.wire.records import rebuild_batch
from tests.log.building import (
    NOW,
    TOPIC_ID,
    TP,
    append,
    batch,
    config,
    crash,
    open_manager,
    read_all,
    values,
)
from tests.log.compacting import compact, compacted_log, roll, survivors, write

SETTINGS = config(index_interval_bytes=0, segment_bytes=2000)
DIRECTORY = "t-0"


def killed(root: Path, batch_count: int) -> Path:
    """A data directory as kill -9 leaves it, `batch_count` batches of two records written."""
    manager = open_manager(root, settings=SETTINGS)
    log = manager.get_or_create(TP, TOPIC_ID, SETTINGS, NOW)
    for n in range(batch_count):
        append(
            log, batch(b"a%d" % n, b"b%d" % n, timestamp=NOW + n, producer_id=5, producer_epoch=0, base_sequence=2 * n)
        )
    crash(manager)
    return root / DIRECTORY


def opened(root: Path) -> tuple[LogManager, Log]:
    manager = open_manager(root, settings=SETTINGS)
    log = manager.get(TP)
    assert log is not None
    return manager, log


def expected(batch_count: int) -> list[bytes]:
    return [b"%c%d" % (letter, n) for n in range(batch_count) for letter in b"ab"]


def last_log(partition: Path) -> Path:
    return max(partition.glob("*.log"))


def test_every_cut_of_the_last_batch_loses_that_batch_and_nothing_else(tmp_path: Path) -> None:
    partition = killed(tmp_path / "source", 5)
    data = last_log(partition).read_bytes()
    size = len(data) // 5
    for cut in range(1, size + 1):
        root = tmp_path / f"cut{cut}"
        shutil.copytree(tmp_path / "source", root)
        last_log(root / DIRECTORY).write_bytes(data[:-cut])
        manager, log = opened(root)
        assert log.log_end_offset == 8
        assert log.high_watermark <= 8
        assert values(read_all(log)) == expected(4)
        assert last_log(root / DIRECTORY).stat().st_size == len(data) - size
        # The producer goes on where the log does: the lost batch is taken again, in order.
        info = append(log, batch(b"a4", b"b4", producer_id=5, producer_epoch=0, base_sequence=8))
        assert (info.first_offset, info.duplicate) == (8, False)
        crash(manager)
        shutil.rmtree(root)


def test_a_flipped_byte_cuts_the_log_there(tmp_path: Path) -> None:
    partition = killed(tmp_path, 4)
    path = last_log(partition)
    data = bytearray(path.read_bytes())
    size = len(data) // 4
    data[2 * size + 70] ^= 1
    path.write_bytes(data)
    _, log = opened(tmp_path)
    assert values(read_all(log)) == expected(2)


def test_zeros_behind_the_last_batch_are_cut(tmp_path: Path) -> None:
    """What some file systems leave of a write that a power cut overtook."""
    path = last_log(killed(tmp_path, 3))
    path.write_bytes(path.read_bytes() + bytes(5000))
    _, log = opened(tmp_path)
    assert values(read_all(log)) == expected(3)


@pytest.mark.parametrize("stopped", ["cleanly", "cleanly, then killed"])
@pytest.mark.parametrize("tail", ["torn batch", "torn header", "zeros", "garbage"])
def test_what_stands_behind_the_last_batch_is_never_appended_to(tmp_path: Path, stopped: str, tail: str) -> None:
    partition = killed(tmp_path, 5)
    opened(tmp_path)[0].close()
    if stopped != "cleanly":
        # Nothing was flushed since the clean stop, whose recovery point is the end of the last whole batch.
        crash(opened(tmp_path)[0])
    whole = bytes(batch(b"torn", timestamp=NOW))
    behind = {"torn batch": whole[:-1], "torn header": whole[:30], "zeros": bytes(4000), "garbage": b"\xa5" * 100}[tail]
    with last_log(partition).open("ab") as file:
        file.write(behind)
    manager, log = opened(tmp_path)
    assert values(read_all(log)) == expected(5)
    assert append(log, batch(b"later", timestamp=NOW)).first_offset == 10
    crash(manager)
    _, log = opened(tmp_path)
    assert values(read_all(log)) == [*expected(5), b"later"]


def test_an_empty_control_batch_ends_no_transaction(tmp_path: Path) -> None:
    """Compaction leaves one where it took the marker (Kafka's `ProducerAppendInfo` passes it over)."""
    partition = killed(tmp_path, 1)
    marker = build_end_transaction_marker(
        EndTransactionMarker(True, 0), producer_id=5, producer_epoch=0, timestamp=NOW, base_offset=2
    )
    empty = rebuild_batch(read_header(marker), [])
    with last_log(partition).open("ab") as file:
        file.write(empty)
    _, log = opened(tmp_path)
    assert log.log_end_offset == 3
    assert values(read_all(log)) == expected(1)


def test_damage_in_an_older_segment_ends_the_log_there(tmp_path: Path) -> None:
    partition = killed(tmp_path, 60)
    first, second, *later = sorted(partition.glob("*.log"))
    assert later
    data = second.read_bytes()
    second.write_bytes(data[:-1])
    _, log = opened(tmp_path)
    kept = log.log_end_offset // 2
    assert 0 < kept < 60
    assert values(read_all(log)) == expected(kept)
    assert sorted(partition.glob("*.log")) == [first, second]
    assert max(int(path.stem) for path in partition.glob("*.snapshot")) <= log.log_end_offset


def test_a_segment_that_reaches_into_the_next_one_is_the_last(tmp_path: Path) -> None:
    """A power cut undid a truncation and left the file that was begun behind it, not flushed either."""
    partition = killed(tmp_path, 5)
    (partition / "00000000000000000007.log").write_bytes(batch(b"x", b"y", base_offset=7, timestamp=NOW))
    manager, log = opened(tmp_path)
    assert (log.log_end_offset, values(read_all(log))) == (10, expected(5))
    assert append(log, batch(b"later", timestamp=NOW)).first_offset == 10
    assert [path.name for path in partition.glob("*.log")] == ["00000000000000000000.log"]
    crash(manager)


@pytest.mark.parametrize("is_damaged", [False, True])
def test_holes_that_compaction_left_are_kept_whatever_the_policy_is_now(tmp_path: Path, is_damaged: bool) -> None:
    manager, log = compacted_log(tmp_path, segment_bytes=200)
    for n in range(6):
        write(log, [(b"a%d" % n, b"v" * 50)])
        write(log, [(b"same", b"%d" % n)])
        roll(log)
    compact(manager)
    log.flush(NOW)
    before = survivors(log)
    ends = [segment.end_of_batches()[1] for segment in log.segments]
    assert ends[:-1] != [segment.base_offset for segment in list(log.segments)[1:]]
    # As a power cut may leave the recovery points: empty.
    crash(manager)
    if is_damaged:
        (tmp_path / CLEANER_POINTS).write_bytes(b"1\n")
    _, log = opened(tmp_path)
    assert not log.config.is_compacted
    assert survivors(log) == before


def test_without_a_checkpoint_or_index_everything_is_found_again(tmp_path: Path) -> None:
    partition = killed(tmp_path, 60)
    for path in [*partition.glob("*index"), *partition.glob("*.snapshot"), *partition.glob("leader-epoch*")]:
        path.unlink()
    _, log = opened(tmp_path)
    assert values(read_all(log)) == expected(60)
    assert log.epochs.entries == [(0, 0)]
    assert append(log, batch(b"a59", b"b59", producer_id=5, producer_epoch=0, base_sequence=118)).duplicate


def test_a_segment_without_its_index_is_indexed_after_a_clean_stop_too(tmp_path: Path) -> None:
    manager = open_manager(tmp_path, settings=SETTINGS)
    log = manager.get_or_create(TP, TOPIC_ID, SETTINGS, NOW)
    for n in range(60):
        append(log, batch(b"v%d" % n))
    manager.close()
    first = min((tmp_path / DIRECTORY).glob("*.index"))
    before = first.read_bytes()
    first.unlink()
    _, log = opened(tmp_path)
    assert log.log_end_offset == 60
    assert len(read_all(log)) == 60
    assert first.read_bytes() == before


def test_only_the_part_behind_the_recovery_point_is_read_again(tmp_path: Path) -> None:
    manager = open_manager(tmp_path, settings=SETTINGS)
    log = manager.get_or_create(TP, TOPIC_ID, SETTINGS, NOW)
    for n in range(60):
        append(log, batch(b"v%d" % n))
    log.flush(NOW)
    manager.checkpoint(NOW)
    crash(manager)
    # Damage that only a scan would see.
    path = min((tmp_path / DIRECTORY).glob("*.log"))
    data = bytearray(path.read_bytes())
    data[70] ^= 1
    path.write_bytes(data)
    _, log = opened(tmp_path)
    assert log.log_end_offset == 60


def test_a_flushed_segment_right_before_the_recovery_point_is_not_read_again(tmp_path: Path) -> None:
    manager = open_manager(tmp_path, settings=SETTINGS)
    log = manager.get_or_create(TP, TOPIC_ID, SETTINGS, NOW)
    while len(log.segments) < 3:
        append(log, batch(b"v", timestamp=NOW))
    for segment in log.unflushed_segments():
        segment.flush()
    log.flushed_to(log.segments.active.base_offset)
    manager.checkpoint(NOW)
    end = log.log_end_offset
    crash(manager)
    closed = sorted((tmp_path / DIRECTORY).glob("*.log"))[1]
    damaged = bytearray(closed.read_bytes())
    damaged[-1] ^= 1
    closed.write_bytes(damaged)
    assert opened(tmp_path)[1].log_end_offset == end


def test_epochs_of_lost_batches_do_not_come_back_behind_the_recovery_point(tmp_path: Path) -> None:
    """A power cut took the end of a segment, and left the epochs' file and the name of the next segment."""
    settings = config(cleanup_policy=["compact"])
    manager = open_manager(tmp_path, settings=settings)
    append(manager.get_or_create(TP, TOPIC_ID, settings, NOW), batch(b"v"), epoch=0)
    crash(manager)
    (tmp_path / DIRECTORY / f"{3:020}.log").touch()
    (tmp_path / DIRECTORY / "leader-epoch-checkpoint").write_text("0\n2\n0 0\n1 1\n")
    for _ in range(2):
        manager = open_manager(tmp_path, settings=settings)
        log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
        assert log.end_offset_for_epoch(0) == (0, 3)
        log.flush_segments(log.unflushed_segments())
        log.flushed_to(log.segments.active.base_offset)
        manager.checkpoint(NOW)
        crash(manager)


def test_left_overs_are_removed_and_aliens_left_alone(tmp_path: Path) -> None:
    partition = killed(tmp_path, 3)
    gone = [
        f"{7:020d}.log.deleted",
        f"{7:020d}.index.deleted",
        f"{0:020d}.log.cleaned",
        f"{9:020d}.timeindex",
        f"{9:020d}.index",
    ]
    alien = ["notes.txt", "0.log", f"{3:020d}.bak", "core.deleted"]
    for name in gone + alien:
        (partition / name).write_bytes(b"x")
    _, log = opened(tmp_path)
    assert values(read_all(log)) == expected(3)
    names = {path.name for path in partition.iterdir()}
    assert names.isdisjoint(gone)
    assert names.issuperset(alien)


def test_a_swap_segment_replaces_what_it_was_made_of(tmp_path: Path) -> None:
    partition = killed(tmp_path, 60)
    first, second, third, *_ = sorted(partition.glob("*.log"))
    kept = int(third.stem)
    merged = first.read_bytes() + second.read_bytes()
    (partition / f"{0:020d}.log.swap").write_bytes(merged)
    (partition / f"{0:020d}.index.swap").write_bytes(b"")
    _, log = opened(tmp_path)
    assert values(read_all(log)) == expected(60)
    assert not second.exists()
    assert first.read_bytes() == merged
    assert not list(partition.glob("*.swap"))
    assert kept > 0


@pytest.mark.parametrize("start", [3, 40])
def test_a_log_start_beyond_what_is_left_empties_the_log(tmp_path: Path, start: int) -> None:
    partition = killed(tmp_path, 5)
    (tmp_path / "log-start-offset-checkpoint").write_text(f"0\n1\nt 0 {start}\n")
    _, log = opened(tmp_path)
    if start == 3:
        assert (log.log_start_offset, log.log_end_offset) == (3, 10)
        assert [record.offset for record in read_all(log)] == list(range(3, 10))
    else:
        assert (log.log_start_offset, log.log_end_offset) == (40, 40)
        assert append(log, batch(b"v")).first_offset == 40
    assert partition.exists()


def test_a_damaged_snapshot_is_passed_over(tmp_path: Path) -> None:
    manager = open_manager(tmp_path, settings=SETTINGS)
    log = manager.get_or_create(TP, TOPIC_ID, SETTINGS, NOW)
    for n in range(40):
        append(log, batch(b"v%d" % n, producer_id=5, producer_epoch=0, base_sequence=n))
    manager.close()
    newest = max((tmp_path / DIRECTORY).glob("*.snapshot"))
    assert newest.name == f"{40:020d}.snapshot"
    newest.write_bytes(newest.read_bytes()[:-1])
    _, log = opened(tmp_path)
    assert append(log, batch(b"v", producer_id=5, producer_epoch=0, base_sequence=39)).duplicate
    assert not newest.exists()


def test_a_snapshot_from_before_the_first_segment_says_nothing_of_its_producers(tmp_path: Path) -> None:
    settings = config(segment_bytes=300)
    producer = {"producer_id": 7, "producer_epoch": 0}
    manager = open_manager(tmp_path, settings=settings)
    append(manager.get_or_create(TP, TOPIC_ID, settings, NOW), batch(b"a", **producer, base_sequence=0))
    manager.close()
    manager = open_manager(tmp_path, settings=settings)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    append(log, batch(b"b", **producer, base_sequence=1))
    append(log, batch(b"x" * 200))
    log.update_high_watermark(3)
    log.delete_records(2)
    assert log.delete_old_segments(NOW) == 1
    crash(manager)
    # Amid the segment that retention took the clean stop left one; that of the roll did not reach the device.
    snapshots = sorted((tmp_path / DIRECTORY).glob("*.snapshot"))
    assert [int(path.stem) for path in snapshots] == [1, 2]
    snapshots[-1].unlink()
    log = open_manager(tmp_path, settings=settings).get_or_create(TP, TOPIC_ID, settings, NOW)
    assert append(log, batch(b"c", **producer, base_sequence=2)).first_offset == 3
