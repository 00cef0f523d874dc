"""Which copy of a log a start believes: the one that the log names as its own."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from kwire.errors import ErrorCode, KafkaError
from kwire.log.checkpoints import RECOVERY_POINTS
from kwire.log.config import LogConfig
from kwire.log.files import FUTURE_DIR_SUFFIX, Files, marked_directory_name
from kwire.log.future_note import FUTURE_NOTE
from kwire.log.log import Log
from kwire.log.manager import LogManager
from kwire.log.relocation import Relocation
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
from tests.log.compacting import COMPACT, compact, survivors, write
from tests.log.relocating import (
    OTHER_ID,
    SETTINGS,
    VALUES,
    begun,
    copied,
    filled,
    names,
    opened,
    values_of_the_next_topic,
)


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
