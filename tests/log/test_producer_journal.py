"""Producer snapshots on a full disk; how they come and go is shown by whole logs in test_log and test_recovery."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from kwire.log.files import Files, OpenFile
from kwire.log.listing import list_directory
from kwire.log.producer_journal import ProducerJournal
from kwire.log.producer_state import ProducerState


class FullDisk(Files):
    """Has room for a name, and for so many bytes."""

    __slots__ = ("room",)

    def __init__(self, room: int) -> None:
        self.room = room

    def create_file(self, path: str, data: bytes) -> None:
        super().create_file(path, data[: self.room])
        raise OSError(errno.ENOSPC, "No space left on device", path)


class DyingFiles(Files):
    """The process is killed when half of a file is written."""

    def create_file(self, path: str, data: bytes) -> None:
        super().create_file(path, data[: len(data) // 2])
        raise KeyboardInterrupt


def test_a_kill_leaves_no_torn_snapshot(tmp_path: Path) -> None:
    journal = ProducerJournal(str(tmp_path), DyingFiles())
    with pytest.raises(KeyboardInterrupt):
        journal.take({9: ProducerState(9)}, 7)
    assert not list(tmp_path.glob("*.snapshot"))
    assert list_directory(str(tmp_path), Files()).snapshots == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("room", [0, 20])
def test_a_full_disk_leaves_no_torn_snapshot(tmp_path: Path, room: int) -> None:
    ProducerJournal(str(tmp_path), Files()).take({9: ProducerState(9)}, 3)
    journal = ProducerJournal(str(tmp_path), FullDisk(room), [3])
    with pytest.raises(OSError, match="No space left"):
        journal.take({9: ProducerState(9)}, 7)
    assert [path.name for path in tmp_path.iterdir()] == [f"{3:020}.snapshot"]
    assert journal.newest_offset == 3


class BusyFiles(Files):
    """Somebody else syncs the same snapshots meanwhile, and one more is taken."""

    __slots__ = ("meanwhile", "synced")

    def __init__(self) -> None:
        self.synced: list[str] = []
        self.meanwhile: Callable[[], None] | None = None

    def sync(self, file: OpenFile) -> None:
        super().sync(file)
        self.synced.append(Path(file.path).name)
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()


def test_two_threads_sync_and_no_snapshot_is_forgotten(tmp_path: Path) -> None:
    files = BusyFiles()
    journal = ProducerJournal(str(tmp_path), files)
    journal.take({9: ProducerState(9)}, 1)

    def meanwhile() -> None:
        journal.sync()
        journal.take({9: ProducerState(9)}, 2)

    files.meanwhile = meanwhile
    journal.sync()
    journal.sync()
    assert set(files.synced) == {f"{1:020}.snapshot", f"{2:020}.snapshot"}
    files.synced.clear()
    journal.sync()
    assert files.synced == []
