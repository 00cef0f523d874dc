"""Moves between log directories: restarts amid them, crashes between their steps, disks that fail."""

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
from kwire.log.checkpoints import LOG_STARTS, RECOVERY_POINTS
from kwire.log.config import LogConfig
from kwire.log.files import FUTURE_DIR_SUFFIX, Files, OpenFile, marked_directory_name
from kwire.log.future_note import FUTURE_NOTE
from kwire.log.log import Log
from kwire.log.manager import LogManager
from kwire.log.relocation import Relocation
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
from tests.log.compacting import COMPACT, compact, survivors, write

SETTINGS = config(segment_bytes=400, index_interval_bytes=0)
VALUES = [b"%03d" % n for n in range(20)]


def opened(root: Path, files: Files | None = None) -> tuple[LogManager, Log]:
    manager = open_manager(root / "one", root / "two", settings=SETTINGS, files=files or Files())
    return manager, manager.get_or_create(TP, TOPIC_ID, SETTINGS, NOW)


def filled(root: Path, files: Files | None = None) -> tuple[LogManager, Log]:
    manager, log = opened(root, files)
    for value in VALUES:
        append(log, batch(value))
    log.update_high_watermark(len(VALUES))
    return manager, log


def begun(manager: LogManager, log: Log) -> Relocation:
    target = next(each for each in manager.directories if each is not manager.home_of(log))
    assert manager.relocations.request(TP, target.path, NOW)
    move = manager.relocations.get(TP)
    assert move is not None
    return move


def copied(move: Relocation, slices: int = 1000) -> None:
    for _ in range(slices):
        records, reaches_end = move.next_slice(NOW)
        if records is not None:
            move.copy(records, NOW)
        if reaches_end:
            return


def values_of_the_next_topic(root: Path) -> list[bytes | None]:
    """What a topic begins with that has the name of this one, and another id."""
    manager = open_manager(root / "one", root / "two", settings=SETTINGS)
    manager.unique_name = lambda: "f" * 32
    found = values(read_all(manager.get_or_create(TP, OTHER_ID, SETTINGS, NOW)))
    crash(manager)
    return found


def names(directory: Path) -> set[str]:
    """Partition directories, with the suffix of marked ones."""
    return {path.name.split(".")[0] + path.name[-7:] for path in directory.glob("t-0*")}


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


class DyingFiles(Files):
    """The machine dies at the n-th rename of a partition directory: it and all later ones do not happen."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def rename(self, source: str, target: str) -> None:
        if "t-0" in Path(target).name:
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
        super().rename(source, target)


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_crash_between_the_renames(tmp_path: Path, renames: int) -> None:
    manager, log = filled(tmp_path, DyingFiles(renames))
    move = begun(manager, log)
    copied(move)
    if renames < 2:
        with pytest.raises(KeyboardInterrupt):
            manager.relocations.complete(move, NOW)
    else:
        manager.relocations.complete(move, NOW)
    crash(manager)
    manager, log = opened(tmp_path)
    assert values(read_all(log)) == VALUES
    assert log.directory == str(tmp_path / ("two" if renames else "one") / "t-0")
    assert (manager.relocations.get(TP) is None) == (renames > 0)
    assert append(log, batch(b"more")).first_offset == 20
    crash(manager)


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_what_was_deleted_does_not_come_back_with_a_crash_at_the_end_of_a_move(
    tmp_path: Path, renames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager, log = filled(tmp_path, DyingFiles(renames))
    move = begun(manager, log)
    copied(move)
    log.delete_records(10)
    manager.checkpoint(NOW)
    copied(move)
    # The machine dies before the one that follows the renames, if not amid them.
    monkeypatch.setattr(manager, "checkpoint", lambda now_ms: None)
    with suppress(KeyboardInterrupt):
        manager.relocations.complete(move, NOW)
    crash(manager)
    if renames == 1:
        # A start that does not find the old directory leaves the copy alone, and writes checkpoints.
        (tmp_path / "one").rename(tmp_path / "elsewhere")
        (tmp_path / "one").write_text("not mounted")
        manager = open_manager(tmp_path / "one", tmp_path / "two", settings=SETTINGS)
        manager.checkpoint(NOW)
        crash(manager)
        (tmp_path / "one").unlink()
        (tmp_path / "elsewhere").rename(tmp_path / "one")
    manager, log = opened(tmp_path)
    assert log.directory == str(tmp_path / ("two" if renames else "one") / "t-0")
    assert log.log_start_offset == 10
    assert values(read_all(log)) == VALUES[10:]
    crash(manager)


def test_a_copy_that_a_power_cut_took_the_topic_id_from_gets_it_back(tmp_path: Path) -> None:
    manager, log = filled(tmp_path)
    copied(begun(manager, log), 2)
    crash(manager)
    (metadata,) = (tmp_path / "two").glob("t-0*/partition.metadata")
    metadata.write_bytes(b"")
    manager, log = opened(tmp_path)
    move = manager.relocations.get(TP)
    assert move is not None
    copied(move)
    manager.relocations.complete(move, NOW)
    manager.close()
    assert values_of_the_next_topic(tmp_path) == []


class RefusingFiles(Files):
    """A disk that does not rename what it is to call by `name`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def rename(self, source: str, target: str) -> None:
        if Path(target).name == self.name:
            raise OSError(errno.EIO, "Input/output error")
        super().rename(source, target)


def broken_off(root: Path) -> None:
    """A move that the last stop broke off between the two renames."""
    manager, log = filled(root, DyingFiles(1))
    move = begun(manager, log)
    copied(move)
    with pytest.raises(KeyboardInterrupt):
        manager.relocations.complete(move, NOW)
    crash(manager)


def assert_finished_by_the_next_start(root: Path) -> None:
    manager, log = opened(root)
    assert values(read_all(log)) == VALUES
    assert log.directory == str(root / "two" / "t-0")
    remove_due(manager, NOW + SETTINGS.file_delete_delay_ms)
    assert (names(root / "one"), names(root / "two")) == (set(), {"t-0t-0"})
    crash(manager)


def test_a_disk_that_fails_to_finish_a_move_at_the_start_goes_offline(tmp_path: Path) -> None:
    broken_off(tmp_path)
    manager = open_manager(tmp_path / "one", tmp_path / "two", settings=SETTINGS, files=RefusingFiles("t-0"))
    assert [directory.is_online for directory in manager.directories] == [True, False]
    with pytest.raises(KafkaError) as raised:
        manager.get_or_create(TP, TOPIC_ID, SETTINGS, NOW, is_new=False)
    assert raised.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    # What tells the next start that the copy is complete stays.
    remove_due(manager, NOW + SETTINGS.file_delete_delay_ms)
    crash(manager)
    assert_finished_by_the_next_start(tmp_path)


def test_what_a_move_left_stays_until_all_directories_are_here(tmp_path: Path) -> None:
    broken_off(tmp_path)
    (tmp_path / "two").rename(tmp_path / "elsewhere")
    (tmp_path / "two").write_text("not mounted")
    manager = open_manager(tmp_path / "one", tmp_path / "two", settings=SETTINGS)
    remove_due(manager, NOW + SETTINGS.file_delete_delay_ms)
    crash(manager)
    (tmp_path / "two").unlink()
    (tmp_path / "elsewhere").rename(tmp_path / "two")
    assert_finished_by_the_next_start(tmp_path)


OTHER_ID = bytes(reversed(TOPIC_ID))


def broken_off_by_its_target(manager: LogManager, move: Relocation) -> None:
    copied(move, 2)
    assert move.future.log_end_offset > 0
    manager.fail(move.target, OSError(errno.EIO, "Input/output error"))


def begun_again(root: Path, *, topic_id: bytes = TOPIC_ID, settings: LogConfig = SETTINGS) -> tuple[LogManager, Log]:
    """A start with both directories, and whatever move it goes on with completed."""
    manager = open_manager(root / "one", root / "two", settings=settings)
    manager.unique_name = lambda: "f" * 32
    log = manager.get_or_create(TP, topic_id, settings, NOW)
    if move := manager.relocations.get(TP):
        copied(move)
        manager.relocations.complete(move, NOW)
    return manager, log


def test_the_log_names_its_copy_until_it_goes_on_in_it(tmp_path: Path) -> None:
    manager, log = filled(tmp_path)
    manager.unique_name = lambda: "0123456789abcdef" * 2
    move = begun(manager, log)
    note = tmp_path / "one" / "t-0" / FUTURE_NOTE
    assert note.read_bytes() == b"0123456789abcdef" * 2
    copied(move)
    manager.relocations.complete(move, NOW)
    assert not (tmp_path / "two" / "t-0" / FUTURE_NOTE).exists()
    move = begun(manager, log)
    assert (tmp_path / "two" / "t-0" / FUTURE_NOTE).exists()
    manager.relocations.cancel(TP, NOW)
    assert not (tmp_path / "two" / "t-0" / FUTURE_NOTE).exists()
    crash(manager)


def test_a_copy_of_a_deleted_topic_is_not_believed(tmp_path: Path) -> None:
    manager, log = filled(tmp_path)
    broken_off_by_its_target(manager, begun(manager, log))
    manager.delete([TP], NOW)
    log = manager.get_or_create(TP, OTHER_ID, SETTINGS, NOW)
    new = [b"new %d" % n for n in range(20)]
    for value in new:
        append(log, batch(value))
    manager.close()
    manager, log = begun_again(tmp_path, topic_id=OTHER_ID)
    assert values(read_all(log)) == new
    assert (names(tmp_path / "one"), names(tmp_path / "two")) == ({"t-0t-0", "t-0-delete"}, {"t-0-delete"})
    crash(manager)


def test_a_copy_of_a_log_that_was_compacted_since_is_not_believed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = config(**COMPACT, segment_bytes=200, delete_retention_ms=0)
    manager = open_manager(tmp_path / "one", tmp_path / "two", settings=settings)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    write(log, [(b"secret", b"1")])
    write(log, [(b"other", b"2" * 100)])
    broken_off_by_its_target(manager, begun(manager, log))
    write(log, [(b"secret", None)])
    log.roll(NOW)
    # The value goes, the tombstone gets its horizon; then that goes too.
    compact(manager)
    write(log, [(b"x", b"y")])
    log.roll(NOW + 10)
    compact(manager, NOW + 10)
    write(log, [(b"x", b"z")])
    left = survivors(log)
    assert b"secret" not in [key for _, key, _ in left]
    manager.close()
    caplog.set_level("INFO")
    manager, log = begun_again(tmp_path, settings=settings)
    assert survivors(log) == left
    assert "-future is discarded: its log has gone on without it" in caplog.text
    crash(manager)


def test_a_copy_that_was_missing_at_one_start_is_not_believed_by_the_next(tmp_path: Path) -> None:
    """The same leader's records lie at the same offsets: nothing in the two logs would tell them apart."""
    settings = config()
    manager = open_manager(tmp_path / "one", tmp_path / "two", settings=settings)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    for value in VALUES:
        append(log, batch(value))
    move = begun(manager, log)
    copied(move)
    move.flush(NOW)
    lost = list(log.segments.active.batches())[10].position
    crash(manager)
    os.truncate(tmp_path / "one" / "t-0" / f"{0:020}.log", lost)
    (tmp_path / "two").rename(tmp_path / "elsewhere")
    (tmp_path / "two").write_text("not mounted")
    manager = open_manager(tmp_path / "one", tmp_path / "two", settings=settings)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW, is_new=False)
    assert log.log_end_offset == 10
    for n in range(30):
        append(log, batch(b"new %d" % n))
    acknowledged = values(read_all(log))
    manager.close()
    (tmp_path / "two").unlink()
    (tmp_path / "elsewhere").rename(tmp_path / "two")
    manager, log = begun_again(tmp_path, settings=settings)
    assert values(read_all(log)) == acknowledged
    crash(manager)


def test_of_two_copies_in_one_directory_the_named_one_is_taken(tmp_path: Path) -> None:
    manager, log = filled(tmp_path)
    manager.unique_name = lambda: "a" * 32
    copied(begun(manager, log), 2)
    crash(manager)
    for digit in "0f":
        (tmp_path / "two" / marked_directory_name(TP, digit * 32, FUTURE_DIR_SUFFIX)).mkdir()
    manager, log = opened(tmp_path)
    move = manager.relocations.get(TP)
    assert move is not None
    assert move.future.directory.endswith(f"{'a' * 32}-future")
    manager.relocations.complete(move, NOW)
    crash(manager)


def test_a_copy_that_was_given_up_does_not_become_the_partition(tmp_path: Path) -> None:
    """Its topic was deleted while its directory was away, so that a `-delete` lies beside it as amid the renames."""
    manager, log = filled(tmp_path)
    broken_off_by_its_target(manager, begun(manager, log))
    manager.delete([TP], NOW)
    crash(manager)
    manager = open_manager(tmp_path / "one", tmp_path / "two", settings=SETTINGS)
    assert manager.get(TP) is None
    assert names(tmp_path / "two") == {"t-0-future"}
    crash(manager)


def test_a_log_that_nobody_has_asked_for_yet_keeps_its_topic_id(tmp_path: Path) -> None:
    manager, _ = filled(tmp_path)
    manager.close()
    manager = open_manager(tmp_path / "one", tmp_path / "two", settings=SETTINGS)
    unopened = manager.get(TP)
    assert unopened is not None
    move = begun(manager, unopened)
    copied(move)
    manager.relocations.complete(move, NOW)
    manager.close()
    assert values_of_the_next_topic(tmp_path) == []


class UnvouchingFiles(Files):
    """A disk that fails when it is to write, read or remove the note of a copy."""

    __slots__ = ("does_fail",)

    def __init__(self) -> None:
        self.does_fail = False

    def _meet(self, path: str) -> None:
        if self.does_fail and path.endswith(FUTURE_NOTE):
            raise OSError(errno.EIO, "Input/output error")

    def create_file(self, path: str, data: bytes) -> None:
        self._meet(path)
        super().create_file(path, data)

    def read_file(self, path: str) -> bytes | None:
        self._meet(path)
        return super().read_file(path)

    def unlink(self, path: str) -> None:
        self._meet(path)
        super().unlink(path)


def test_a_log_that_cannot_name_its_copy_does_not_move(tmp_path: Path) -> None:
    files = UnvouchingFiles()
    manager, log = filled(tmp_path, files)
    files.does_fail = True
    with pytest.raises(KafkaError) as refusal:
        begun(manager, log)
    assert refusal.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    assert [directory.is_online for directory in manager.directories] == [False, True]
    assert manager.relocations.get(TP) is None
    assert names(tmp_path / "two") == {"t-0-delete"}
    crash(manager)


@pytest.mark.parametrize("fails_first", [0, 1])
def test_a_log_that_cannot_disown_its_copy_is_given_nothing_more(tmp_path: Path, fails_first: int) -> None:
    files = UnvouchingFiles()
    manager, log = filled(tmp_path, files)
    copied(begun(manager, log), 2)
    files.does_fail = True
    manager.fail(manager.directories[fails_first], OSError(errno.EIO, "Input/output error"))
    # Where the log's own directory has failed there is no need to.
    assert [directory.is_online for directory in manager.directories] == [False, fails_first == 0]
    assert log.is_failed
    crash(manager)
    files.does_fail = False
    manager, log = begun_again(tmp_path)
    assert log.directory == str(tmp_path / "two" / "t-0")
    assert values(read_all(log)) == VALUES
    crash(manager)


def test_a_start_that_cannot_read_whom_a_log_vouches_for_keeps_the_copy(tmp_path: Path) -> None:
    files = UnvouchingFiles()
    manager, log = filled(tmp_path, files)
    copied(begun(manager, log), 2)
    crash(manager)
    files.does_fail = True
    manager = open_manager(tmp_path / "one", tmp_path / "two", settings=SETTINGS, files=files)
    assert [directory.is_online for directory in manager.directories] == [False, True]
    crash(manager)
    assert names(tmp_path / "two") == {"t-0-future"}


def test_a_future_log_alone_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    manager, log = filled(tmp_path)
    copied(begun(manager, log))
    crash(manager)
    (tmp_path / "one" / "t-0").rename(tmp_path / "elsewhere")
    manager = open_manager(tmp_path / "one", tmp_path / "two", settings=SETTINGS)
    assert manager.get(TP) is None
    assert "is left alone: its partition has no log here" in caplog.text
    crash(manager)
    assert names(tmp_path / "two") == {"t-0-future"}


def test_a_new_log_has_no_recovery_point_of_a_copy_that_was_left_alone(tmp_path: Path) -> None:
    manager, log = filled(tmp_path)
    move = begun(manager, log)
    copied(move)
    move.flush(NOW)
    manager.close()
    (tmp_path / "one" / "t-0").rename(tmp_path / "elsewhere")
    manager = open_manager(tmp_path / "one", tmp_path / "two", settings=SETTINGS)
    manager.checkpoint(NOW)
    checkpoint = tmp_path / "two" / RECOVERY_POINTS
    assert checkpoint.read_text() == "0\n1\nt 0 20\n"
    manager.relocations.prefer(TP, str(tmp_path / "two"))
    log = manager.get_or_create(TP, OTHER_ID, SETTINGS, NOW)
    append(log, batch(b"new"))
    assert checkpoint.read_text() == "0\n0\n"
    manager.checkpoint(NOW)
    assert checkpoint.read_text() == "0\n1\nt 0 0\n"
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
