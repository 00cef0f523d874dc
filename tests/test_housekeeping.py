"""What a broker does in the background, without waiting for it."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kwire import housekeeping
from kwire.config.broker_config import BrokerConfig
from kwire.ids import TopicPartition
from kwire.log import relocation
from kwire.log.config import LogConfig
from kwire.log.files import Files, OpenFile
from kwire.log.manager import LogManager
from kwire.log.relocation import Relocation
from kwire.log.relocations import Relocations
from tests.log.building import NOW, TOPIC_ID, TP, append, batch, config, open_manager

SETTINGS = config(segment_bytes=100)


class UnsyncableFiles(Files):
    """A disk that loses the batches that it was given, and says so."""

    __slots__ = ()

    def sync(self, file: OpenFile) -> None:
        if file.path.endswith(".log"):
            raise OSError(errno.EIO, "Input/output error")
        super().sync(file)


def flushed(manager: LogManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the flushing of closed segments have its turns, its thread's work done in place."""

    async def at_once(work: Callable[..., None], *arguments: Any) -> None:
        work(*arguments)

    async def run() -> None:
        flushing = asyncio.ensure_future(housekeeping._flush_closed_segments(manager))
        for _ in range(5):
            await asyncio.sleep(0)
        flushing.cancel()

    monkeypatch.setattr(housekeeping, "FLUSH_INTERVAL_MS", 0)
    monkeypatch.setattr(asyncio, "to_thread", at_once)
    asyncio.run(run())


def rolled(directory: Path, files: Files) -> LogManager:
    manager = open_manager(directory, settings=SETTINGS, files=files)
    log = manager.get_or_create(TP, TOPIC_ID, SETTINGS, NOW)
    append(log, batch(b"a"))
    append(log, batch(b"b"))
    assert len(log.segments) == 2
    return manager


def test_a_closed_segment_is_flushed_and_recovery_starts_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = rolled(tmp_path, Files())
    flushed(manager, monkeypatch)
    log = manager.get(TP)
    assert log is not None
    assert log.recovery_point == 1


class RetainingFiles(Files):
    """Runs retention when the first file is about to be flushed, as it may while a thread flushes."""

    __slots__ = ("let_go",)

    let_go: Callable[[], object] | None

    def sync(self, file: OpenFile) -> None:
        if self.let_go is not None:
            let_go, self.let_go = self.let_go, None
            let_go()
        super().sync(file)


def test_files_whose_delay_is_over_are_removed_in_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    class Watched(Files):
        def remove_directory(self, path: str) -> None:
            threads.append(threading.current_thread())
            super().remove_directory(path)

    manager = open_manager(tmp_path, settings=SETTINGS, files=Watched())
    append(manager.get_or_create(TP, TOPIC_ID, SETTINGS, NOW), batch(b"v"))
    manager.delete([TP], NOW)
    monkeypatch.setattr(housekeeping, "REMOVAL_INTERVAL_MS", 0)

    delay_ms = SETTINGS.file_delete_delay_ms
    clock = [NOW + delay_ms, NOW + delay_ms - 1, NOW]
    # It ends when the clock has no more to say.
    with pytest.raises(IndexError):
        asyncio.run(housekeeping._remove(manager, clock.pop))
    assert not list(tmp_path.glob("t-0*"))
    (thread,) = threads
    assert thread is not threading.main_thread()


def test_a_removal_that_fails_unexpectedly_is_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Files):
        def remove_directory(self, path: str) -> None:
            raise RuntimeError("unheard of")

    manager = open_manager(tmp_path, settings=SETTINGS, files=Broken())
    append(manager.get_or_create(TP, TOPIC_ID, SETTINGS, NOW), batch(b"v"))
    manager.delete([TP], NOW)
    monkeypatch.setattr(housekeeping, "REMOVAL_INTERVAL_MS", 0)
    with pytest.raises(IndexError):
        asyncio.run(housekeeping._remove(manager, [NOW, NOW + SETTINGS.file_delete_delay_ms].pop))
    assert "unheard of" in caplog.text


def test_retention_may_take_a_segment_that_is_about_to_be_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = RetainingFiles()
    files.let_go = None
    manager = rolled(tmp_path, files)
    log = manager.get(TP)
    assert log is not None
    append(log, batch(b"c"))
    log.update_high_watermark(3)
    for segment in log.segments:
        segment.close()
    files.let_go = lambda: log.delete_old_segments(NOW + 365 * 86_400_000)
    flushed(manager, monkeypatch)
    assert files.let_go is None
    assert manager.directories[0].is_online
    assert (log.log_start_offset, log.recovery_point) == (3, 3)
    left = sorted(path.name for path in Path(log.directory).glob("0*") if path.suffix != ".deleted")
    assert [name for name in left if not name.startswith("00000000000000000003.")] == []


def test_a_disk_that_cannot_flush_is_not_trusted_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = rolled(tmp_path, UnsyncableFiles())
    flushed(manager, monkeypatch)
    log = manager.get(TP)
    assert log is not None
    assert (log.recovery_point, log.is_failed) == (0, True)
    assert not manager.directories[0].is_online


def full(directory: Path, files: Files) -> LogManager:
    manager = rolled(directory, files)
    manager.fail(manager.directories[0], OSError(errno.ENOSPC, "No space left on device"))
    return manager


def test_a_directory_whose_disk_was_full_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = full(tmp_path, Files())
    back = asyncio.Event()

    async def on_return() -> None:
        back.set()

    async def run() -> None:
        duty = asyncio.ensure_future(housekeeping._reopen(manager, lambda: NOW, on_return))
        await back.wait()
        duty.cancel()

    monkeypatch.setattr(housekeeping, "REOPENING_INTERVAL_MS", 0)
    asyncio.run(run())
    log = manager.get(TP)
    assert log is not None
    assert (log.is_failed, log.log_end_offset) == (False, 2)


class HeldFiles(Files):
    """Lists a directory when it is told to."""

    __slots__ = ("go_on", "is_listing")

    def __init__(self) -> None:
        self.is_listing = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def entries(self, path: str) -> list[tuple[str, int]]:
        self.is_listing.set()
        self.go_on.wait()
        return super().entries(path)


def test_a_stop_waits_for_the_thread_that_recovers(tmp_path: Path) -> None:
    """The lock is let go of with the stop: nobody of ours may write in the directory then."""
    files = HeldFiles()
    manager = full(tmp_path, files)
    files.is_listing.clear()
    files.go_on.clear()

    async def run() -> None:
        returning = asyncio.ensure_future(housekeeping.reopened(manager, manager.directories[0], NOW))
        await asyncio.to_thread(files.is_listing.wait)
        returning.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        assert not returning.done()
        files.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await returning

    asyncio.run(run())
    assert not manager.directories[0].is_online


def moving(
    directory: Path, settings: LogConfig = SETTINGS, files: Files | None = None
) -> tuple[LogManager, Relocation]:
    manager = open_manager(directory / "one", directory / "two", settings=settings, files=files or Files())
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    for n in range(5):
        append(log, batch(b"%d" % n))
    target = next(each for each in manager.directories if each is not manager.home_of(log))
    manager.relocations.request(TP, target.path, NOW)
    move = manager.relocations.get(TP)
    assert move is not None
    return manager, move


def drive(manager: LogManager, move: Relocation) -> int:
    return asyncio.run(housekeeping._move_on(manager, move, lambda: NOW))


def test_a_move_goes_slice_by_slice_and_flushes_what_it_has_rolled(tmp_path: Path) -> None:
    manager, move = moving(tmp_path)
    log = move.log
    recovery_points = []
    for _ in range(5):
        assert log.directory == str(tmp_path / "one" / "t-0")
        assert drive(manager, move) > 0
        recovery_points.append(move.future.recovery_point)
    assert recovery_points[1:] == [2, 3, 4, 5]
    # All of it is flushed before the log leaves its directory: what lies there may be on the device.
    assert drive(manager, move) == 0
    assert log.directory == str(tmp_path / "two" / "t-0")
    assert log.recovery_point == 5


def test_what_was_promised_to_be_on_the_device_is_there_before_the_log_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relocation, "SLICE_BYTES", 1)
    manager, move = moving(tmp_path, config())
    move.log.flush(NOW)
    for _ in range(5):
        assert drive(manager, move) > 0
    assert move.was_flushed
    assert move.log.directory == str(tmp_path / "one" / "t-0")
    append(move.log, batch(b"5"))
    move.log.flush(NOW)
    assert drive(manager, move) > 0
    assert move.log.directory == str(tmp_path / "two" / "t-0")
    assert move.log.recovery_point == 6


class BusyFiles(Files):
    """Producers write on while a thread flushes the copy; `flushed_on_loop` are the bytes that everybody waited for."""

    __slots__ = ("bursts", "dirty", "flushed_on_loop", "produce")

    def __init__(self, bursts: int) -> None:
        self.bursts = bursts
        self.dirty = 0
        self.flushed_on_loop: list[int] = []
        self.produce: Callable[[], object]

    def write_at(self, file: OpenFile, data: Any, position: int) -> None:
        super().write_at(file, data, position)
        if "-future/" in file.path and file.path.endswith(".log"):
            self.dirty += len(data)

    def sync(self, file: OpenFile) -> None:
        super().sync(file)
        if "-future/" not in file.path or not file.path.endswith(".log"):
            return
        dirty, self.dirty = self.dirty, 0
        if threading.current_thread() is threading.main_thread():
            self.flushed_on_loop.append(dirty)
        elif self.bursts:
            self.bursts -= 1
            self.produce()


@pytest.mark.parametrize(("bursts", "may_wait_for"), [(1, 32_000), (1_000, 60_000)])
def test_a_move_ends_while_producers_write_and_flushes_little_where_all_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bursts: int, may_wait_for: int
) -> None:
    monkeypatch.setattr(relocation, "SLICE_BYTES", 1000)
    monkeypatch.setattr(relocation, "LARGEST_SLICE_BYTES", 32_000)
    files = BusyFiles(bursts)
    manager, move = moving(tmp_path, config(), files)

    def produce() -> None:
        for _ in range(50):
            append(move.log, batch(b"x" * 900))

    files.produce = produce
    produce()
    for _ in range(1000):
        if manager.relocations.get(TP) is None:
            break
        drive(manager, move)
    assert move.log.directory == str(tmp_path / "two" / "t-0")
    assert move.log.recovery_point == move.log.log_end_offset
    assert max(files.flushed_on_loop, default=0) <= may_wait_for


async def until(is_so: Callable[[], object]) -> None:
    for _ in range(30_000):
        if is_so():
            return
        await asyncio.sleep(0.001)
    raise TimeoutError


@pytest.mark.parametrize("ends_the_wait", ["another limit", "another move", "the move is given up"])
def test_a_move_waits_neither_by_an_old_limit_nor_for_one_that_was_given_up(tmp_path: Path, ends_the_wait: str) -> None:
    manager, move = moving(tmp_path, config())
    other = manager.get_or_create(TopicPartition("u", 0), bytes(range(16, 32)), config(), NOW)
    place = next(each for each in manager.directories if each is not manager.home_of(other))
    append(other, batch(b"v"))
    slow = move.log
    if ends_the_wait == "the move is given up":
        slow = other
    for _ in range(2):
        append(slow, batch(b"x" * 900_000))
    options = BrokerConfig({})
    # A slice takes a week.
    options.apply_dynamic({}, {housekeeping.MOVE_LIMIT: "1"})

    async def run() -> None:
        mover = asyncio.ensure_future(housekeeping._move_logs(manager, options, lambda: NOW))
        if slow is other:
            manager.relocations.request(other.topic_partition, place.path, NOW)
        under_way = manager.relocations.get(slow.topic_partition)
        assert under_way is not None
        await until(lambda: under_way.future.log_end_offset)
        if ends_the_wait == "another limit":
            options.apply_dynamic({}, {})
            await until(lambda: manager.home_of(slow) is under_way.target)
        elif ends_the_wait == "another move":
            manager.relocations.request(other.topic_partition, place.path, NOW)
            await until(lambda: manager.home_of(other) is place)
        else:
            manager.relocations.cancel(other.topic_partition, NOW)
            await until(lambda: manager.home_of(move.log) is move.target)
        mover.cancel()

    asyncio.run(run())


def test_a_move_that_fails_unexpectedly_is_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    manager, move = moving(tmp_path, config())
    complete = Relocations.complete

    def fail(self: Relocations, move: Relocation, now_ms: int) -> None:
        monkeypatch.setattr(Relocations, "complete", complete)
        raise OSError(errno.EIO, "unheard of")

    monkeypatch.setattr(Relocations, "complete", fail)
    monkeypatch.setattr(housekeeping, "MOVE_AGAIN_AFTER_MS", 0)

    async def run() -> None:
        mover = asyncio.ensure_future(housekeeping._move_logs(manager, BrokerConfig({}), lambda: NOW))
        await until(lambda: mover.done() or manager.home_of(move.log) is move.target)
        assert not mover.done()
        mover.cancel()

    asyncio.run(run())
    assert "unheard of" in caplog.text


def test_a_move_that_was_given_up_is_not_driven_on(tmp_path: Path) -> None:
    manager, move = moving(tmp_path)
    assert drive(manager, move) > 0
    manager.relocations.cancel(TP, NOW)
    assert drive(manager, move) == 0
    assert move.log.directory == str(tmp_path / "one" / "t-0")
    assert [path.name[-7:] for path in (tmp_path / "two").glob("t-0*")] == ["-delete"]


def test_a_disk_that_fails_takes_the_new_directory_offline_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager, move = moving(tmp_path)

    def fail(self: Files, file: OpenFile, data: object, position: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Files, "write_at", fail)
    assert drive(manager, move) == 0
    assert [directory.is_online for directory in manager.directories] == [True, False]
    assert manager.relocations.get(TP) is None
    assert not move.log.is_failed


def test_a_segment_that_moved_while_it_was_flushed_says_nothing_of_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager, move = moving(tmp_path)
    log = move.log
    sync = Files.sync

    def moved_meanwhile(self: Files, file: OpenFile) -> None:
        monkeypatch.setattr(Files, "sync", sync)
        log.move_to(str(tmp_path / "elsewhere"))

    monkeypatch.setattr(Files, "sync", moved_meanwhile)
    flushed(manager, monkeypatch)
    assert log.recovery_point == 0
    assert not log.is_failed


def test_a_segment_that_goes_while_it_is_flushed_is_no_failure_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = rolled(tmp_path, Files())
    log = manager.get(TP)
    assert log is not None
    flush = type(log).flush_segments

    def flush_too_late(self: Any, segments: Any) -> None:
        log.log_start_offset = log.high_watermark = 1
        assert log.delete_old_segments(NOW) == 1
        monkeypatch.setattr(type(log), "flush_segments", flush)
        flush(self, segments)

    monkeypatch.setattr(type(log), "flush_segments", flush_too_late)
    flushed(manager, monkeypatch)
    assert manager.directories[0].is_online
    assert not log.is_failed


class WaitingFiles(Files):
    """A thread that puts a snapshot on the device waits there until it may go on; sizes of synced files are noted."""

    __slots__ = ("may_go_on", "synced", "thread_waits")

    def __init__(self) -> None:
        self.may_go_on, self.thread_waits = threading.Event(), threading.Event()
        self.synced: dict[str, int] = {}

    def sync(self, file: OpenFile) -> None:
        if file.path.endswith(".snapshot") and threading.current_thread() is not threading.main_thread():
            self.thread_waits.set()
            assert self.may_go_on.wait(10)
        super().sync(file)
        self.synced[file.path] = Path(file.path).stat().st_size


async def begun(manager: LogManager, files: WaitingFiles) -> asyncio.Task[None]:
    """The duty, with a thread amid its flush."""
    flushing = asyncio.ensure_future(housekeeping._flush_closed_segments(manager))
    assert await asyncio.to_thread(files.thread_waits.wait, 10)
    return flushing


def test_a_stop_waits_for_the_thread_that_flushes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "FLUSH_INTERVAL_MS", 0)
    files = WaitingFiles()
    manager = rolled(tmp_path, files)

    async def run() -> None:
        flushing = await begun(manager, files)
        flushing.cancel()
        await asyncio.sleep(0)
        assert not flushing.done()
        files.may_go_on.set()
        await asyncio.wait([flushing])
        assert flushing.cancelled()
        log = manager.get(TP)
        assert log is not None
        assert log.recovery_point == 1
        manager.close()

    asyncio.run(run())
    assert (tmp_path / ".kafka_cleanshutdown").exists()


def test_what_was_truncated_and_written_again_meanwhile_is_flushed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "FLUSH_INTERVAL_MS", 0)
    files = WaitingFiles()
    manager = rolled(tmp_path, files)
    log = manager.get(TP)
    assert log is not None

    async def run() -> None:
        flushing = await begun(manager, files)
        log.truncate_to(0, NOW)
        for value in (b"another one", b"and one more", b"the last"):
            append(log, batch(value))
        files.may_go_on.set()
        flushing.cancel()
        await asyncio.wait([flushing])

    asyncio.run(run())
    closed = [segment for segment in log.segments if segment.base_offset < log.recovery_point]
    assert closed
    assert [files.synced[segment.log_path] for segment in closed] == [segment.size for segment in closed]
