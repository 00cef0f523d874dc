"""Moves that a crash or a disk broke off between their last steps, and what the next start makes of them."""

from __future__ import annotations

import errno
from contextlib import suppress
from pathlib import Path

import pytest

from kwire.errors import ErrorCode, KafkaError
from kwire.log.files import Files
from tests.log.building import (
    NOW,
    TOPIC_ID,
    TP,
    append,
    batch,
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
    values_of_the_next_topic,
)


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
