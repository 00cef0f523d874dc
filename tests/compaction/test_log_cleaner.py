"""The cleaner as a whole: worker process, swap, live options."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from kwire.compaction import log_cleaner
from kwire.compaction.log_cleaner import CleanerProcess, LogCleaner, WorkerDied
from kwire.config.broker_config import BrokerConfig
from kwire.ids import TopicPartition
from kwire.log import cleaning_job
from kwire.log.cleaner import clean
from kwire.log.cleaning_job import CleanedGroup, CleanerStats, CleaningJob, render_progress
from kwire.log.files import Files, OpenFile
from kwire.log.log import Log
from kwire.log.manager import LogManager
from kwire.log.offset_map import OffsetMap
from tests.log.building import NOW, TOPIC_ID, TP, config, open_manager
from tests.log.compacting import COMPACT, compacted_log, pause, roll, survivors, write


def cleaner(manager: LogManager, **options: str) -> tuple[LogCleaner, BrokerConfig]:
    settings = BrokerConfig({name.replace("_", "."): text for name, text in options.items()})
    return LogCleaner(manager, settings, lambda: NOW), settings


def filled(log: Log, count: int = 20) -> None:
    for n in range(count):
        write(log, [(b"%d" % (n % 3), b"%d" % n)])
    roll(log)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it does not come")


def with_worker(work: Callable[[CleanerProcess], Awaitable[object]]) -> object:
    async def run() -> object:
        worker = CleanerProcess()
        try:
            return await work(worker)
        finally:
            await worker.end()

    return asyncio.run(run())


def test_a_worker_compacts_and_the_log_goes_on(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    filled(log)
    subject, _ = cleaner(manager)
    assert with_worker(subject.clean_filthiest) is True
    assert survivors(log) == [(n, b"%d" % (n % 3), b"%d" % n) for n in (17, 18, 19)]
    assert manager.cleaner.first_dirty_offset(TP) == 20
    assert manager.cleaner.is_free(TP)


def test_without_work_no_process_is_started(tmp_path: Path) -> None:
    manager, _ = compacted_log(tmp_path)
    subject, _ = cleaner(manager)

    async def look(worker: CleanerProcess) -> object:
        found = await subject.clean_filthiest(worker)
        return found, worker._process

    assert with_worker(look) == (False, None)


def test_damage_marks_the_partition_and_nothing_else(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    filled(log)
    path = Path(log.directory) / f"{0:020d}.log"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    subject, _ = cleaner(manager)
    assert with_worker(subject.clean_filthiest) is True
    assert manager.cleaner.uncleanable_partitions == {TP}
    assert not log.is_failed
    assert path.read_bytes() == data


def test_a_buffer_without_room_is_refused_by_the_worker(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    filled(log)
    subject, settings = cleaner(manager)
    settings.apply_dynamic({}, {"log.cleaner.dedupe.buffer.size": "10"})
    assert with_worker(subject.clean_filthiest) is True
    assert manager.cleaner.uncleanable_partitions == {TP}


def test_the_dedupe_buffer_and_its_load_factor_bound_a_round(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path, segment_bytes=200)
    for n in range(40):
        write(log, [(b"%d" % n, b"v")])
    roll(log)
    subject, settings = cleaner(manager)
    settings.apply_dynamic({}, {"log.cleaner.dedupe.buffer.size": "256"})
    assert with_worker(subject.clean_filthiest) is True
    assert manager.cleaner.first_dirty_offset(TP) == 14
    settings.apply_dynamic({}, {"log.cleaner.dedupe.buffer.size": "256", "log.cleaner.io.buffer.load.factor": "0.5"})
    assert with_worker(subject.clean_filthiest) is True
    assert manager.cleaner.first_dirty_offset(TP) == 14 + 8


class ReadingFiles(Files):
    """Notes how much is read of `.log` files at once."""

    __slots__ = ("sizes",)

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def read_at(self, file: OpenFile, size: int, position: int) -> bytes:
        if file.path.endswith(".log"):
            self.sizes.append(size)
        return super().read_at(file, size, position)


def test_the_io_buffer_bounds_a_read_and_is_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manager, log = compacted_log(tmp_path)
    for n in range(10):
        write(log, [(b"%d" % n, bytes(9000))])
    subject, settings = cleaner(manager, log_cleaner_io_buffer_size="40000")

    async def in_place(
        worker: CleanerProcess,
        job: CleaningJob,
        limits: Callable[[], dict[str, float]],
        is_wanted: Callable[[], bool],
    ) -> AsyncIterator[CleanedGroup | CleanerStats]:
        for progress in clean(job, files, OffsetMap(1 << 10, 0.9), io_bytes=int(limits()["io_bytes"]), pause=pause):
            yield progress

    monkeypatch.setattr(CleanerProcess, "work", in_place)
    largest = []
    for size in ("40000", "100000"):
        files = ReadingFiles()
        settings.apply_dynamic({}, {"log.cleaner.io.buffer.size": size})
        write(log, [(b"more", b"")])
        roll(log)
        assert with_worker(subject.clean_filthiest) is True
        largest.append(max(files.sizes))
    # Two buffers, one to read into and one to write from, share it.
    assert largest == [20_000, 50_000]


def test_a_disk_that_fails_takes_the_directory_offline(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    filled(log)
    (Path(log.directory) / f"{0:020d}.log").rename(tmp_path / "lost")
    subject, _ = cleaner(manager)
    assert with_worker(subject.clean_filthiest) is True
    assert log.is_failed


def test_a_deleted_log_is_no_failure(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    filled(log)
    subject, settings = cleaner(manager)
    # One byte a second: the worker is still at the first read when the topic goes.
    settings.apply_dynamic({}, {"log.cleaner.io.max.bytes.per.second": "1"})

    async def delete(worker: CleanerProcess) -> object:
        cleaning = asyncio.ensure_future(subject.clean_filthiest(worker))
        await until(lambda: worker._process is not None)
        manager.delete([TP], NOW)
        return await cleaning

    assert with_worker(delete) is True
    assert manager.directories[0].is_online
    fresh = manager.get_or_create(TP, bytes(reversed(TOPIC_ID)), config(**COMPACT), NOW)
    assert manager.cleaner.is_free(TP)
    filled(fresh, 3)
    assert manager.cleaner.first_dirty_offset(TP) is None


def test_the_rate_is_changed_while_it_works(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    filled(log)
    subject, settings = cleaner(manager, log_cleaner_io_max_bytes_per_second="1")

    async def speed_up(worker: CleanerProcess) -> object:
        subject._workers.append(worker)
        cleaning = asyncio.ensure_future(subject.clean_filthiest(worker))
        await until(lambda: worker._is_at_work)
        done, _ = await asyncio.wait([cleaning], timeout=0.3)
        assert not done
        settings.apply_dynamic({}, {"log.cleaner.io.max.bytes.per.second": "1e9"})
        return await asyncio.wait_for(cleaning, 30)

    assert with_worker(speed_up) is True
    assert len(survivors(log)) == 3


class DyingProcess(CleanerProcess):
    """A worker that something kills as soon as it has begun, for so many times."""

    def __init__(self, deaths: int) -> None:
        super().__init__()
        self.deaths = deaths

    async def _started(self) -> asyncio.subprocess.Process:
        process = await super()._started()
        if self.deaths:
            self.deaths -= 1
            process.kill()
        return process


def test_a_worker_that_dies_is_told_of(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    filled(log)
    chosen = manager.cleaner.grab_filthiest(NOW)
    assert chosen is not None
    job = chosen.job(NOW)

    async def work() -> None:
        limits = {"map_bytes": 1024, "load_factor": 0.9, "io_bytes": 4096, "bytes_per_second": 1.0}
        worker = DyingProcess(1)
        with pytest.raises(WorkerDied, match="ended"):
            async for _ in worker.work(job, lambda: limits, lambda: True):
                pass
        await worker.end()

    asyncio.run(work())


def test_a_partition_whose_worker_was_killed_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    manager, log = compacted_log(tmp_path)
    filled(log)
    subject, _ = cleaner(manager)

    async def rounds() -> list[bool]:
        worker = DyingProcess(2)
        found = [await subject.clean_filthiest(worker) for _ in range(3)]
        await worker.end()
        return found

    assert asyncio.run(rounds()) == [False, False, True]
    assert len(survivors(log)) == 3
    assert caplog.text.count("compaction of t-0 is tried again: the worker process ended with -9") == 2
    # Only deaths in a row count.
    write(log, [(b"0", b"more")])
    roll(log)
    assert asyncio.run(rounds()) == [False, False, True]
    assert not manager.cleaner.uncleanable_partitions


def test_a_partition_of_which_workers_die_again_and_again_is_left_alone(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    filled(log)
    subject = LogCleaner(manager, BrokerConfig({}), lambda: NOW, most_deaths=2)

    async def rounds() -> list[set[TopicPartition]]:
        worker, found = DyingProcess(2), []
        for _ in range(2):
            assert not await subject.clean_filthiest(worker)
            found.append(manager.cleaner.uncleanable_partitions)
        return found

    assert asyncio.run(rounds()) == [set(), {TP}]
    assert not log.is_failed


class ToldProcess:
    """As much of a worker process as is looked at: it says a line when the test does."""

    returncode = None

    def __init__(self) -> None:
        self.stdin = self.stdout = self
        self.lines: asyncio.Queue[bytes] = asyncio.Queue()
        self.is_listened_to = asyncio.Event()

    def write(self, data: bytes) -> None:
        pass

    async def drain(self) -> None:
        pass

    async def readline(self) -> bytes:
        self.is_listened_to.set()
        return await self.lines.get()

    def kill(self) -> None:
        pass

    async def wait(self) -> int:
        return 0


def cleaned_files(log: Log) -> list[Path]:
    return list(Path(log.directory).glob("*.cleaned"))


def test_what_is_finished_after_a_move_began_has_no_effect(tmp_path: Path) -> None:
    settings = config(**COMPACT)
    manager = open_manager(tmp_path / "one", tmp_path / "two", settings=settings)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    filled(log)
    before = survivors(log)
    found = manager.cleaner.examine(log, NOW)
    assert found is not None
    job = found.job(NOW)
    target = next(each for each in manager.directories if each is not manager.home_of(log))
    subject, _ = cleaner(manager)

    async def move_amid(worker: CleanerProcess) -> object:
        process = ToldProcess()
        worker._process = process  # type: ignore[assignment]  # a stand-in
        cleaning = asyncio.ensure_future(subject.clean_filthiest(worker))
        await process.is_listened_to.wait()
        group, _ = clean(job, log.files, OffsetMap(1 << 10, 0.9), io_bytes=4096, pause=pause)
        assert cleaned_files(log)
        manager.relocations.request(TP, target.path, NOW)
        process.lines.put_nowait(render_progress(group).encode() + b"\n")
        return await cleaning

    assert with_worker(move_amid) is True
    assert survivors(log) == before
    assert not cleaned_files(log)


def test_a_job_of_many_producers_does_not_hold_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manager, log = compacted_log(tmp_path)
    for producer in range(100):
        write(log, [(b"k", b"v")], producer_id=producer, producer_epoch=0, base_sequence=0)
    roll(log)
    subject, _ = cleaner(manager)
    for module in (log_cleaner, cleaning_job):
        monkeypatch.setattr(module, "ENTRIES_AT_ONCE", 10)

    async def turns(worker: CleanerProcess) -> object:
        process, count = ToldProcess(), 0
        worker._process = process  # type: ignore[assignment]  # a stand-in
        cleaning = asyncio.ensure_future(subject.clean_filthiest(worker))
        while not (process.is_listened_to.is_set() or cleaning.done()):
            count += 1
            await asyncio.sleep(0)
        cleaning.cancel()
        await asyncio.gather(cleaning, return_exceptions=True)
        return count

    # Ten to note the producers, ten to render them.
    assert with_worker(turns) > 20  # type: ignore[operator]
    assert not log.is_failed


def test_threads_and_backoff_are_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manager, _ = compacted_log(tmp_path)
    subject, settings = cleaner(manager, log_cleaner_backoff_ms="3600000")
    looks: list[CleanerProcess] = []

    async def look(worker: CleanerProcess) -> bool:
        looks.append(worker)
        return False

    monkeypatch.setattr(subject, "clean_filthiest", look)

    async def run() -> None:
        running = asyncio.ensure_future(subject.run())
        await asyncio.sleep(0.02)
        assert not looks
        settings.apply_dynamic({}, {log_cleaner.BACKOFF: "1", log_cleaner.THREADS: "2"})
        await until(lambda: len(set(looks)) == 2)
        assert len(subject._workers) == 2
        settings.apply_dynamic({}, {log_cleaner.BACKOFF: "1", log_cleaner.THREADS: "1"})
        await until(lambda: len(subject._workers) == 1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert not subject._workers

    asyncio.run(run())


def test_retention_of_compacted_logs_is_the_cleaners(tmp_path: Path) -> None:
    settings = config(**{**COMPACT, "cleanup_policy": ["compact", "delete"], "retention_ms": 1000})
    manager = open_manager(tmp_path, settings=settings)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    write(log, [(b"a", b"1")], timestamp=NOW - 5000)
    roll(log)
    write(log, [(b"b", b"1")])
    subject, _ = cleaner(manager)
    asyncio.run(subject._delete_old_segments())
    assert survivors(log) == [(1, b"b", b"1")]
    assert manager.cleaner.is_free(TP)


class FailingFiles(Files):
    """A disk of which one method fails for the paths in one directory."""

    def __init__(self, method: str, directory: Path) -> None:
        self.method = method
        self.directory = str(directory)

    def _check(self, method: str, path: str) -> None:
        if method == self.method and path.startswith(self.directory):
            raise OSError(errno.EIO, "it fails")

    def rename(self, source: str, target: str) -> None:
        self._check("rename", source)
        super().rename(source, target)

    def sync_directory(self, path: str) -> None:
        self._check("sync_directory", path)
        super().sync_directory(path)


@pytest.mark.parametrize("method", ["rename", "sync_directory"])
def test_what_a_failed_cleaning_leaves_is_not_taken_for_another_logs(tmp_path: Path, method: str) -> None:
    files, settings = FailingFiles("", tmp_path / "one" / "t"), config(**COMPACT, segment_bytes=300)
    manager = open_manager(tmp_path / "one", tmp_path / "two", settings=settings, files=files)
    logs = [manager.get_or_create(TopicPartition("t", n), TOPIC_ID, settings, NOW) for n in range(2)]
    logs.sort(key=lambda log: log.directory)
    for log, count in zip(logs, (60, 20), strict=True):
        filled(log, count)
    subject, _ = cleaner(manager)

    async def clean_both(worker: CleanerProcess) -> object:
        files.method = method
        manager.cleaner.abort_and_pause(logs[1].topic_partition)
        assert await subject.clean_filthiest(worker)
        assert worker._process is None
        manager.cleaner.resume(logs[1].topic_partition)
        return await subject.clean_filthiest(worker)

    assert with_worker(clean_both) is True
    assert (logs[0].is_failed, logs[1].is_failed) == (True, False)
    assert survivors(logs[1]) == [(n, b"%d" % (n % 3), b"%d" % n) for n in (17, 18, 19)]
