"""A full disk that has room again: its directory comes back without a restart, with all that was acknowledged."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.log import files
from kwire.log.directory import LogDirectory
from kwire.log.files import Files, OpenFile
from kwire.log.log import Log
from kwire.log.manager import LogManager
from kwire.log.reopening import ENOUGH_BYTES, Reopening, can_come_back
from kwire.wire.primitives import Buffer
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
from tests.log.compacting import compact, compacted_log, roll, survivors, write

UNWRITTEN = TopicPartition("t", 1)
SMALL = config(segment_bytes=300, index_interval_bytes=0)


class FillingDisk(Files):
    """Has room for `free` bytes; what is written of more than that is a part, and then the error `number`."""

    __slots__ = ("free", "has_room_for_names", "number")

    def __init__(self) -> None:
        self.free = 1 << 40
        self.has_room_for_names = True
        self.number = errno.ENOSPC

    def _take(self, size: int) -> int:
        taken = min(size, self.free)
        self.free -= taken
        return taken

    def write_at(self, file: OpenFile, data: Buffer, position: int) -> None:
        taken = self._take(len(data))
        super().write_at(file, bytes(data)[:taken], position)
        if taken < len(data):
            raise OSError(self.number, "No space left on device")

    def create_file(self, path: str, data: bytes) -> None:
        taken = self._take(len(data))
        super().create_file(path, data[:taken])
        if taken < len(data):
            raise OSError(self.number, "No space left on device")

    def rename(self, source: str, target: str) -> None:
        if not self.has_room_for_names:
            raise OSError(self.number, "No space left on device")
        super().rename(source, target)

    def free_bytes(self, path: str) -> int:
        return self.free


def filled(root: Path, *, free: int = 0) -> tuple[LogManager, Log, FillingDisk]:
    """A log of three batches of an idempotent producer, of which the fourth met a full disk."""
    disk = FillingDisk()
    manager = open_manager(root, settings=SMALL, files=disk)
    log = manager.get_or_create(TP, TOPIC_ID, SMALL, NOW)
    for sequence in range(3):
        produced(log, sequence)
    log.update_high_watermark(3)
    disk.free = free
    with pytest.raises(KafkaError) as refusal:
        produced(log, 3)
    assert refusal.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    assert not manager.directories[0].is_online
    return manager, log, disk


def produced(log: Log, sequence: int) -> int:
    value = b"%02d" % sequence * 40
    return append(log, batch(value, producer_id=7, producer_epoch=0, base_sequence=sequence)).first_offset


def came_back(manager: LogManager, directory: LogDirectory | None = None) -> bool:
    reopening = Reopening(manager, directory or manager.directories[0], NOW)
    reopening.recover()
    return reopening.complete()


@pytest.mark.parametrize("free", [0, 1, 30, 100])
def test_everything_acknowledged_is_there_and_the_log_goes_on(tmp_path: Path, free: int) -> None:
    manager, failed, disk = filled(tmp_path, free=free)
    assert not can_come_back(manager, manager.directories[0])
    disk.free = ENOUGH_BYTES
    assert can_come_back(manager, manager.directories[0])
    assert came_back(manager)
    log = manager.get_or_create(TP, TOPIC_ID, SMALL, NOW)
    assert log is not failed
    assert failed.is_failed
    assert (log.topic_id, log.log_end_offset, log.high_watermark) == (TOPIC_ID, 3, 3)
    # The producer is known: its last batch, sent again, is no second one.
    assert produced(log, 2) == 2
    assert produced(log, 3) == 3
    assert len(values(read_all(log))) == 4
    manager.close()
    assert (tmp_path / ".kafka_cleanshutdown").exists()
    assert not (tmp_path / ".kwire_recovery").exists()


def test_what_only_memory_knew_of_the_start_is_kept(tmp_path: Path) -> None:
    manager, failed, disk = filled(tmp_path)
    failed.log_start_offset = 2
    disk.free = ENOUGH_BYTES
    assert came_back(manager)
    log = manager.get(TP)
    assert log is not None
    assert (log.log_start_offset, log.log_end_offset) == (2, 3)


def test_a_log_without_files_is_made_again(tmp_path: Path) -> None:
    manager, _, disk = filled(tmp_path)
    disk.free = ENOUGH_BYTES
    directory = manager.directories[0]
    directory.come_back()
    unwritten = manager.get_or_create(UNWRITTEN, TOPIC_ID, SMALL, NOW)
    manager.fail(directory, OSError(errno.ENOSPC, "No space left on device"))
    assert came_back(manager)
    assert manager.get(UNWRITTEN) is None
    again = manager.get_or_create(UNWRITTEN, TOPIC_ID, SMALL, NOW)
    assert again is not unwritten
    assert append(again, batch(b"a")).first_offset == 0


def test_a_log_that_was_being_emptied(tmp_path: Path) -> None:
    disk = FillingDisk()
    manager = open_manager(tmp_path, settings=SMALL, files=disk)
    log = manager.get_or_create(TP, TOPIC_ID, SMALL, NOW)
    assert [produced(log, sequence) for sequence in range(3)] == [0, 1, 2]
    disk.has_room_for_names = False
    with pytest.raises(KafkaError):
        log.truncate_fully_and_start_at(1, NOW)
    assert not manager.directories[0].is_online
    disk.has_room_for_names = True
    assert came_back(manager)
    again = manager.get_or_create(TP, TOPIC_ID, SMALL, NOW)
    # It was not emptied, and may be now.
    assert (again.log_start_offset, again.log_end_offset) == (0, 3)
    again.truncate_fully_and_start_at(1, NOW)
    assert append(again, batch(b"a")).first_offset == 1


def test_a_topic_that_is_deleted_meanwhile_does_not_come_back(tmp_path: Path) -> None:
    manager, _, disk = filled(tmp_path)
    disk.free = ENOUGH_BYTES
    reopening = Reopening(manager, manager.directories[0], NOW)
    reopening.recover()
    manager.delete([TP], NOW)
    assert reopening.complete()
    assert manager.get(TP) is None
    assert not any(path.name == "t-0" for path in tmp_path.iterdir())


def test_a_deletion_that_the_full_disk_refused_is_made_up_for(tmp_path: Path) -> None:
    manager, _, disk = filled(tmp_path)
    disk.has_room_for_names = False
    manager.delete([TP], NOW)
    assert (tmp_path / "t-0").is_dir()
    disk.free, disk.has_room_for_names = ENOUGH_BYTES, True
    assert came_back(manager)
    assert not (tmp_path / "t-0").exists()
    # The next topic of that name has nothing of the old one.
    log = manager.get_or_create(TP, b"\2" * 16, SMALL, NOW)
    assert append(log, batch(b"a")).first_offset == 0
    assert remove_due(manager, NOW + SMALL.file_delete_delay_ms) == 1


def test_a_disk_that_is_full_again_stays_away_until_the_next_time(tmp_path: Path) -> None:
    manager, _, disk = filled(tmp_path)
    disk.free = 5
    with pytest.raises(OSError, match="No space left"):
        came_back(manager)
    assert not manager.directories[0].is_online
    disk.free = ENOUGH_BYTES
    assert came_back(manager)


def test_a_disk_that_failed_otherwise_waits_for_a_start(tmp_path: Path) -> None:
    disk = FillingDisk()
    disk.number = errno.EIO
    manager = open_manager(tmp_path, settings=SMALL, files=disk)
    log = manager.get_or_create(TP, TOPIC_ID, SMALL, NOW)
    disk.free = 0
    with pytest.raises(KafkaError):
        produced(log, 0)
    disk.free = ENOUGH_BYTES
    assert not can_come_back(manager, manager.directories[0])


def about_to_move(root: Path) -> tuple[LogManager, FillingDisk, LogDirectory]:
    """A log in `one`, and the directory `two`."""
    disk = FillingDisk()
    manager = open_manager(root / "one", root / "two", settings=SMALL, files=disk)
    produced(manager.get_or_create(TP, TOPIC_ID, SMALL, NOW), 0)
    return manager, disk, manager.directories[1]


def test_a_move_that_finds_no_room_leaves_nothing(tmp_path: Path) -> None:
    manager, disk, target = about_to_move(tmp_path)
    disk.free = 0
    with pytest.raises(KafkaError) as refusal:
        manager.relocations.request(TP, target.path, NOW)
    assert refusal.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    assert not list((tmp_path / "two").glob("t-0*"))
    disk.free = ENOUGH_BYTES
    assert came_back(manager, target)
    assert manager.relocations.request(TP, target.path, NOW)
    assert manager.relocations.get(TP) is not None


def test_a_copy_that_could_not_be_discarded_goes_when_its_directory_comes_back(tmp_path: Path) -> None:
    manager, disk, target = about_to_move(tmp_path)
    assert manager.relocations.request(TP, target.path, NOW)
    disk.has_room_for_names = False
    manager.relocations.cancel(TP, NOW)
    assert not target.is_online
    assert [path.name[-7:] for path in (tmp_path / "two").glob("t-0*")] == ["-future"]
    disk.has_room_for_names = True
    assert came_back(manager, target)
    assert [path.name[-7:] for path in (tmp_path / "two").glob("t-0*")] == ["-delete"]
    log = manager.get(TP)
    assert log is not None
    assert values(read_all(log)) == [b"00" * 40]


def test_a_directory_with_a_copy_that_was_left_alone_comes_back(tmp_path: Path) -> None:
    manager, disk, target = about_to_move(tmp_path)
    assert manager.relocations.request(TP, target.path, NOW)
    crash(manager)
    (tmp_path / "one" / "t-0").rename(tmp_path / "elsewhere")
    manager = open_manager(tmp_path / "one", tmp_path / "two", settings=SMALL, files=disk)
    target = manager.directories[1]
    manager.fail(target, OSError(errno.ENOSPC, "No space left on device"))
    assert came_back(manager, target)
    assert [path.name[-7:] for path in (tmp_path / "two").glob("t-0*")] == ["-future"]
    assert len(manager.relocations.futures_in(target)) == 1


def test_a_directory_in_which_a_move_was_broken_off_waits_for_a_start(tmp_path: Path) -> None:
    disk = FillingDisk()
    manager = open_manager(tmp_path / "one", tmp_path / "two", settings=SMALL, files=disk)
    log = manager.get_or_create(TP, TOPIC_ID, SMALL, NOW)
    produced(log, 0)
    source = manager.home_of(log)
    target = next(each for each in manager.directories if each is not source)
    assert manager.relocations.request(TP, target.path, NOW)
    manager.fail(target, OSError(errno.ENOSPC, "No space left on device"))
    assert target.lacked_room
    assert not can_come_back(manager, target)
    # It may be the source that fails next: the future log is in the target all the same.
    manager.fail(source, OSError(errno.ENOSPC, "No space left on device"))
    assert not can_come_back(manager, source)


def test_a_compaction_that_was_under_way_has_no_effect(tmp_path: Path) -> None:
    disk = FillingDisk()
    compacted = config(segment_bytes=300, cleanup_policy=["compact"], min_cleanable_dirty_ratio=0.0)
    manager = open_manager(tmp_path, settings=compacted, files=disk)
    log = manager.get_or_create(TP, TOPIC_ID, compacted, NOW)
    for _ in range(4):
        append(log, batch(b"v" * 100, key=b"key"))
    log.update_high_watermark(4)
    assert manager.cleaner.grab_filthiest(NOW) is not None
    manager.fail(manager.directories[0], OSError(errno.ENOSPC, "No space left on device"))
    assert came_back(manager)
    assert not manager.cleaner.may_take_effect(TP)


def test_what_was_compacted_once_keeps_its_holes(tmp_path: Path) -> None:
    disk = FillingDisk()
    manager, log = compacted_log(tmp_path, disk, segment_bytes=200)
    for n in range(6):
        write(log, [(b"a%d" % n, b"v" * 50)])
        write(log, [(b"same", b"%d" % n)])
        roll(log)
    compact(manager)
    before = survivors(log)
    log.config = SMALL
    manager.fail(manager.directories[0], OSError(errno.ENOSPC, "No space left on device"))
    assert came_back(manager)
    assert survivors(manager.get_or_create(TP, TOPIC_ID, SMALL, NOW)) == before


@pytest.mark.parametrize("call", ["fdatasync", "fsync"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_found_full_by_a_sync_waits_for_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    """The kernel has dropped what it could not write, and does not say so twice."""
    manager = open_manager(tmp_path, settings=SMALL)
    log = manager.get_or_create(TP, TOPIC_ID, SMALL, NOW)
    produced(log, 0)

    def full(fd: int) -> None:
        raise OSError(number, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, call, full)
        with pytest.raises(KafkaError, match="No space left on device"):
            log.flush(NOW)
    directory = manager.directories[0]
    assert not directory.is_online
    assert not can_come_back(manager, directory)
