"""Moves between log directories: restarts amid them, retention, truncation, disks that are full."""

from __future__ import annotations

import errno
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.log import relocation, relocations
from kwire.log.checkpoints import LOG_STARTS
from kwire.log.files import Files, OpenFile
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from kwire.wire.primitives import Buffer
from kwire.wire.record_batch import batches, set_offset_and_epoch
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
    remove_due,
    values,
)
from tests.log.relocating import (
    SETTINGS,
    VALUES,
    begun,
    copied,
    filled,
    names,
    opened,
)


def test_the_log_goes_on_in_the_other_directory(tmp_path: Path) -> None:
    manager, log = filled(tmp_path)
    log.assign_epoch_start(3, 20)
    held = log.read(0, 1 << 20, up_to=20, min_one_message=True).records
    move = begun(manager, log)
    copied(move)
    assert not move.lag
    manager.relocations.complete(move, NOW)
    assert values(read_all(log)) == VALUES
    # What is being sent comes from the files of old.
    assert not isinstance(held, bytes)
    assert len(held.read()) == held.size
    append(log, batch(b"more"), epoch=3)
    assert (log.log_end_offset, log.high_watermark, log.latest_epoch) == (21, 20, 3)
    assert (names(tmp_path / "one"), names(tmp_path / "two")) == ({"t-0-delete"}, {"t-0t-0"})
    assert remove_due(manager, NOW + 60_000) > 0
    assert names(tmp_path / "one") == set()
    manager.close()
    manager, log = opened(tmp_path)
    assert values(read_all(log)) == [*VALUES, b"more"]
    assert log.epochs.entries == [(0, 0), (3, 20)]
    crash(manager)


@pytest.mark.parametrize("clean", [True, False])
def test_a_move_is_resumed_by_the_next_start(tmp_path: Path, clean: bool) -> None:
    manager, log = filled(tmp_path)
    copied(begun(manager, log), 2)
    log.flush(NOW)
    manager.checkpoint(NOW)
    manager.close(clean=clean)
    manager, log = opened(tmp_path)
    # After a clean stop nothing is opened before its time.
    assert log.is_loaded != clean
    move = manager.relocations.get(TP)
    assert move is not None
    assert 0 < move.future.log_end_offset < 20
    copied(move)
    manager.relocations.complete(move, NOW)
    assert values(read_all(log)) == VALUES
    assert log.directory == str(tmp_path / "two" / "t-0")
    crash(manager)


def test_the_log_start_moves_along(tmp_path: Path) -> None:
    manager, log = opened(tmp_path)
    append(log, batch(*VALUES[:10]))
    append(log, batch(*VALUES[10:]))
    log.update_high_watermark(20)
    log.delete_records(3)
    move = begun(manager, log)
    copied(move)
    manager.relocations.complete(move, NOW)
    assert (log.log_start_offset, log.log_end_offset) == (3, 20)
    crash(manager)
    manager, log = opened(tmp_path)
    assert (log.log_start_offset, log.log_end_offset) == (3, 20)
    crash(manager)


def test_a_start_amid_a_gap_moves_along(tmp_path: Path) -> None:
    manager, log = opened(tmp_path)
    append(log, batch(*VALUES[:5]))
    late = batch(*VALUES[9:])
    set_offset_and_epoch(late, 0, 9, 0)
    log.append_as_follower(late, now_ms=NOW)
    log.update_high_watermark(20)
    log.delete_records(5)
    move = begun(manager, log)
    copied(move)
    manager.relocations.complete(move, NOW)
    crash(manager)
    manager, log = opened(tmp_path)
    assert (log.log_start_offset, log.log_end_offset) == (5, 20)
    crash(manager)


@pytest.mark.parametrize("clean", [True, False])
def test_a_gap_at_the_end_moves_along(tmp_path: Path, clean: bool) -> None:
    """As a power cut leaves a compacted log: a segment without batches, and another's name alone behind it."""
    settings = config(cleanup_policy=["compact"])
    manager = open_manager(tmp_path / "one", tmp_path / "two", settings=settings)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    append(log, batch(*VALUES[:5]))
    log.roll(NOW).create_files()
    crash(manager)
    (tmp_path / "one" / "t-0" / f"{0:020}.log").write_bytes(b"")
    manager = open_manager(tmp_path / "one", tmp_path / "two", settings=settings)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    assert log.log_end_offset == 5
    move = begun(manager, log)
    copied(move)
    manager.relocations.complete(move, NOW)
    manager.close() if clean else crash(manager)
    manager = open_manager(tmp_path / "one", tmp_path / "two", settings=settings)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    assert log.directory == str(tmp_path / "two" / "t-0")
    assert [segment.base_offset for segment in log.segments] == [0, 5]
    assert append(log, batch(b"more")).first_offset == 5
    crash(manager)


def test_records_that_a_crash_brings_back_are_copied_too(tmp_path: Path) -> None:
    manager, log = filled(tmp_path)
    log.delete_records(20)
    copied(begun(manager, log))
    crash(manager)
    # The checkpoint that knows of the deletion was not written.
    manager, log = opened(tmp_path)
    assert log.log_start_offset == 0
    move = manager.relocations.get(TP)
    assert move is not None
    copied(move)
    manager.relocations.complete(move, NOW)
    assert values(read_all(log)) == VALUES
    crash(manager)


@pytest.mark.parametrize(("cut", "is_stopped"), [(0, False), (-1, False), (-1, True)])
def test_a_copy_gives_up_what_a_crash_took_from_the_log(tmp_path: Path, cut: int, is_stopped: bool) -> None:
    settings = config(segment_bytes=400, index_interval_bytes=0, cleanup_policy=["compact"])
    manager, log = filled(tmp_path)
    copied(begun(manager, log))
    segment = list(log.segments)[cut]
    *_, (position, lost) = batches(Path(segment.log_path).read_bytes())
    crash(manager)
    # No page of it had reached the device: amid the log, which a compacted one may lack, or at its end.
    os.truncate(segment.log_path, position)
    manager = open_manager(tmp_path / "one", tmp_path / "two", settings=settings)
    if is_stopped:
        manager.close()
        manager = open_manager(tmp_path / "one", tmp_path / "two", settings=settings)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    append(log, batch(b"new"))
    left = [*VALUES[: lost.base_offset], *VALUES[lost.base_offset + 1 :], b"new"]
    assert values(read_all(log)) == left
    move = manager.relocations.get(TP)
    assert move is not None
    copied(move)
    manager.relocations.complete(move, NOW)
    assert values(read_all(log)) == left
    assert log.directory == str(tmp_path / "two" / "t-0")
    crash(manager)


def test_retention_overtakes_the_copy(tmp_path: Path) -> None:
    manager, log = filled(tmp_path)
    move = begun(manager, log)
    copied(move, 1)
    log.config = config(segment_bytes=400, retention_bytes=500, index_interval_bytes=0)
    assert log.delete_old_segments(NOW) > 1
    copied(move)
    manager.relocations.complete(move, NOW)
    assert values(read_all(log)) == VALUES[log.log_start_offset :]
    assert next(iter(log.segments)).base_offset == log.log_start_offset > 4
    crash(manager)


@pytest.mark.parametrize("slices", [0, 1])
def test_retention_empties_the_log_before_the_move_is_over(tmp_path: Path, slices: int) -> None:
    manager, log = filled(tmp_path)
    move = begun(manager, log)
    copied(move, slices)
    log.config = config(segment_bytes=400, retention_bytes=0, index_interval_bytes=0)
    assert log.delete_old_segments(NOW) > 1
    copied(move)
    manager.relocations.complete(move, NOW)
    crash(manager)
    # As a power cut may leave it: the checkpoint was not on the device yet.
    (tmp_path / "two" / LOG_STARTS).unlink()
    manager, log = opened(tmp_path)
    assert log.directory == str(tmp_path / "two" / "t-0")
    assert (log.log_start_offset, log.log_end_offset) == (20, 20)
    crash(manager)


def test_a_truncated_log_takes_the_copy_with_it(tmp_path: Path) -> None:
    manager, log = filled(tmp_path)
    move = begun(manager, log)
    copied(move)
    log.truncate_to(7, NOW)
    append(log, batch(b"other"), epoch=1)
    copied(move)
    manager.relocations.complete(move, NOW)
    assert values(read_all(log)) == [*VALUES[:7], b"other"]
    crash(manager)


def test_an_open_transaction_goes_along(tmp_path: Path) -> None:
    manager, log = opened(tmp_path)
    append(log, batch(b"a", producer_id=1, producer_epoch=0, base_sequence=0, transactional=True))
    move = begun(manager, log)
    copied(move)
    manager.relocations.complete(move, NOW)
    append(log, batch(b"b", producer_id=1, producer_epoch=0, base_sequence=1, transactional=True))
    log.update_high_watermark(2)
    assert log.last_stable_offset == 0
    marker = build_end_transaction_marker(
        EndTransactionMarker(False, 0), producer_id=1, producer_epoch=0, timestamp=NOW
    )
    append(log, marker, from_client=False)
    assert [entry.first_offset for entry in log.aborted_transactions(0, 3)] == [0]
    crash(manager)
    manager, log = opened(tmp_path)
    assert [entry.first_offset for entry in log.aborted_transactions(0, 3)] == [0]
    assert log.producers.entries[1].last_sequence == 1
    crash(manager)


class FullFiles(Files):
    """A disk that is full below one directory."""

    __slots__ = ("below",)

    def __init__(self, below: Path) -> None:
        self.below = str(below)

    def write_at(self, file: OpenFile, data: Buffer, position: int) -> None:
        if file.path.startswith(self.below) and file.path.endswith(".log"):
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write_at(file, data, position)


def test_writes_that_outrun_a_slice_are_caught_up_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relocation, "SLICE_BYTES", 400)
    manager, log = filled(tmp_path)
    log.config = config(segment_bytes=1 << 20)
    move = begun(manager, log)
    for _ in range(20):
        records, reaches_end = move.next_slice(NOW)
        if records is not None:
            move.copy(records, NOW)
        if reaches_end:
            break
        for value in VALUES[:10]:
            append(log, batch(value))
    assert reaches_end
    assert not move.lag
    crash(manager)


class SlowFiles(Files):
    """A disk whose fsync takes until it is told to end."""

    __slots__ = ("has_begun", "is_slow", "may_go_on")

    def __init__(self) -> None:
        self.is_slow = False
        self.has_begun, self.may_go_on = threading.Event(), threading.Event()

    def sync(self, file: OpenFile) -> None:
        if self.is_slow:
            self.has_begun.set()
            assert self.may_go_on.wait(10)
        super().sync(file)


def test_giving_a_move_up_waits_for_no_thread(tmp_path: Path) -> None:
    files = SlowFiles()
    manager, log = filled(tmp_path, files)
    move = begun(manager, log)
    copied(move)
    files.is_slow = True

    def flushed_in_vain() -> None:
        with suppress(KafkaError):
            move.flush(NOW)

    thread = threading.Thread(target=flushed_in_vain)
    thread.start()
    assert files.has_begun.wait(10)
    manager.relocations.cancel(TP, NOW)
    assert names(tmp_path / "two") == {"t-0-delete"}
    files.may_go_on.set()
    thread.join()
    assert all(directory.is_online for directory in manager.directories)
    append(log, batch(b"more"))
    assert values(read_all(log)) == [*VALUES, b"more"]
    crash(manager)


def test_a_full_disk_keeps_the_log_where_it_is(tmp_path: Path) -> None:
    manager, log = filled(tmp_path, FullFiles(tmp_path / "two"))
    move = begun(manager, log)
    records, _ = move.next_slice(NOW)
    assert records is not None
    with pytest.raises(KafkaError) as refusal:
        move.copy(records, NOW)
    assert refusal.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    assert move.error is not None
    manager.fail(move.target, move.error)
    assert manager.relocations.get(TP) is None
    append(log, batch(b"more"))
    assert values(read_all(log)) == [*VALUES, b"more"]
    crash(manager)


def test_a_deleted_topic_takes_its_move_with_it(tmp_path: Path) -> None:
    manager, log = filled(tmp_path)
    move = begun(manager, log)
    copied(move, 1)
    manager.delete([TP], NOW)
    assert manager.relocations.get(TP) is None
    assert names(tmp_path / "one") == names(tmp_path / "two") == {"t-0-delete"}
    crash(manager)


def test_wishes_for_partitions_that_never_come_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relocations, "MAX_PREFERRED", 2)
    manager = open_manager(tmp_path / "one", tmp_path / "two")
    wanted = [TopicPartition("u", n) for n in range(3)]
    for each in [*wanted, wanted[2]]:
        assert not manager.relocations.request(each, str(tmp_path / "two"), NOW)
    places = [manager.relocations.preferred(each) for each in wanted]
    assert [None if place is None else Path(place.path).name for place in places] == [None, "two", "two"]
    crash(manager)


def test_a_new_partition_goes_where_the_fewest_are_or_are_coming(tmp_path: Path) -> None:
    manager, log = filled(tmp_path)
    begun(manager, log)
    others = [manager.get_or_create(TopicPartition("u", n), TOPIC_ID, SETTINGS, NOW) for n in range(2)]
    # One partition here, and the same one on its way there; then the next directory in the list.
    assert [Path(each.directory).parent.name for each in others] == ["one", "two"]
    crash(manager)


def test_checkpoints_name_the_future_log_too(tmp_path: Path) -> None:
    manager, log = filled(tmp_path)
    move = begun(manager, log)
    copied(move)
    move.flush(NOW)
    manager.checkpoint(NOW)
    assert (tmp_path / "two" / "recovery-point-offset-checkpoint").read_text() == "0\n1\nt 0 20\n"
    assert (tmp_path / "one" / "recovery-point-offset-checkpoint").read_text() == "0\n1\nt 0 0\n"
    crash(manager)


def test_the_recovery_point_of_a_copy_that_was_given_up_is_not_that_of_the_next(tmp_path: Path) -> None:
    manager, log = filled(tmp_path)
    move = begun(manager, log)
    copied(move)
    move.flush(NOW)
    manager.checkpoint(NOW)
    manager.relocations.cancel(TP, NOW)
    manager.unique_name = lambda: "1" * 32
    begun(manager, log)
    assert (tmp_path / "two" / "recovery-point-offset-checkpoint").read_text() == "0\n0\n"
    crash(manager)


class UnlinkFailsFiles(Files):
    """A disk on which no segment can be removed."""

    def unlink(self, path: str) -> None:
        if "/two/" in path and path.endswith(".log"):
            raise OSError(errno.EIO, "Input/output error", path)
        super().unlink(path)


def test_a_copy_that_cannot_be_cut_back_is_given_up_with_its_disk(tmp_path: Path) -> None:
    manager, log = filled(tmp_path)
    copied(begun(manager, log))
    crash(manager)
    manager, log = opened(tmp_path, UnlinkFailsFiles())
    assert manager.relocations.get(TP) is None
    assert [directory.is_online for directory in manager.directories] == [True, False]
    append(log, batch(b"more"))
    assert values(read_all(log)) == [*VALUES, b"more"]
    crash(manager)
