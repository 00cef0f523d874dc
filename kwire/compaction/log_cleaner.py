"""Runs compaction beside the broker: chooses logs, hands them to worker processes, swaps in what those have made.

Why processes: the work is Python from end to end, and in a thread it competes with every request for the interpreter
(measured: docs/performance.md). A process costs its start and its memory, so it is started with the first log that is
due and ends when none is. `log.cleaner.threads` is how many there may be. The broker
itself only looks for work and renames files; a cleaning whose log was truncated, deleted or moved meanwhile is stopped,
and has no effect. Source: Kafka's `LogCleaner`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import kwire
from kwire.config.broker_config import BrokerConfig
from kwire.errors import KafkaError
from kwire.ids import TopicPartition
from kwire.log.cleaner_manager import LogToClean
from kwire.log.cleaning_job import (
    ENTRIES_AT_ONCE,
    CleanedGroup,
    CleanerStats,
    CleaningJob,
    parse_progress,
    render_job,
)
from kwire.log.files import CLEANED_SUFFIX
from kwire.log.log import Log
from kwire.log.manager import LogManager
from kwire.log.swap import replace_segments

logger = logging.getLogger("kwire.compaction")

THREADS = "log.cleaner.threads"
BACKOFF = "log.cleaner.backoff.ms"
DEDUPE_BUFFER = "log.cleaner.dedupe.buffer.size"
LOAD_FACTOR = "log.cleaner.io.buffer.load.factor"
IO_BUFFER = "log.cleaner.io.buffer.size"
IO_RATE = "log.cleaner.io.max.bytes.per.second"

T = TypeVar("T")

_LOOK_S = 0.25
"""How soon a worker is stopped whose work is aborted."""
_LONGEST_BACKOFF_MS = 86_400_000
_LONGEST_LINE_BYTES = 1 << 26
MOST_DEATHS = 3
"""How often in a row a worker may die of one partition before it is left alone."""


class CleaningFailed(Exception):
    """The worker gave up; an `OSError` is the cause where the disk failed."""


class WorkerDied(CleaningFailed):
    """The worker process ended amid its work, killed for its memory perhaps: nothing is known of the log."""


class LogCleaner:
    """The cleaner threads of one broker."""

    def __init__(
        self, logs: LogManager, config: BrokerConfig, now_ms: Callable[[], int], *, most_deaths: int = MOST_DEATHS
    ) -> None:
        self._logs = logs
        self._config = config
        self._now_ms = now_ms
        self._most_deaths = most_deaths
        self._deaths: dict[TopicPartition, tuple[Log, int]] = {}
        """Workers that died in a row."""
        self._changed = asyncio.Event()
        self._workers: list[CleanerProcess] = []
        config.on_change((THREADS, BACKOFF), lambda names: self._changed.set())
        config.on_change((THREADS, IO_RATE), lambda names: self._tell_rate())

    async def run(self) -> None:
        """Never returns. The first look comes after one backoff: a broker that starts has better things to do."""
        threads: list[asyncio.Task[None]] = []
        try:
            while True:
                self._changed.clear()
                count = self._config.int(THREADS)
                for index in range(len(threads), count):
                    threads.append(asyncio.ensure_future(self._thread(index)))
                for thread in threads[count:]:
                    thread.cancel()
                await asyncio.gather(*threads[count:], return_exceptions=True)
                del threads[count:]
                await self._changed.wait()
        finally:
            for thread in threads:
                thread.cancel()
            await asyncio.gather(*threads, return_exceptions=True)

    async def _thread(self, index: int) -> None:
        worker = CleanerProcess()
        self._workers.append(worker)
        try:
            while True:
                await self._back_off()
                try:
                    while await self.clean_filthiest(worker):
                        await self._delete_old_segments()
                    await worker.end()
                    await self._delete_old_segments()
                except Exception:
                    logger.exception("cleaner thread %d failed, and goes on", index)
        finally:
            self._workers.remove(worker)
            await worker.end()

    async def _back_off(self) -> None:
        """`log.cleaner.backoff.ms`; a change of it counts at once."""
        began = asyncio.get_running_loop().time()
        while True:
            wait_s = min(self._config.int(BACKOFF), _LONGEST_BACKOFF_MS) / 1000
            left_s = began + wait_s - asyncio.get_running_loop().time()
            if left_s <= 0:
                await asyncio.sleep(0.001)
                return
            # Not `wait_for`, which in Python 3.11 may swallow a cancellation that comes with the event.
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._changed.wait()
                await asyncio.sleep(0.01)

    async def _delete_old_segments(self) -> None:
        """Retention of compacted logs, also of those that only lose what lies before their start."""
        manager = self._logs.cleaner
        for log in manager.compacted_logs():
            if manager.begin_deletion(log):
                try:
                    self._logs.retain(log, self._now_ms())
                finally:
                    manager.done_deleting(log)
            await asyncio.sleep(0)

    async def clean_filthiest(self, worker: CleanerProcess) -> bool:
        """Compact the filthiest log that is due; False when this round is over: none is, or the worker died."""
        manager = self._logs.cleaner
        candidates: list[LogToClean] = []
        for log in manager.compacted_logs():
            found = manager.try_examine(log, self._now_ms())
            if found is not None and found.is_due:
                candidates.append(found)
            await asyncio.sleep(0)
        chosen = manager.begin(candidates)
        if chosen is None:
            return False
        log, end_offset = chosen.log, None
        try:
            end_offset = await self._clean(log, worker)
            self._deaths.pop(log.topic_partition, None)
        except (CleaningFailed, KafkaError) as error:
            self._note_failure(log, error)
            return not isinstance(error, WorkerDied)
        finally:
            manager.done_cleaning(log, end_offset)
        return True

    def _note_failure(self, log: Log, error: CleaningFailed | KafkaError) -> None:
        if not self._logs.cleaner.may_take_effect(log.topic_partition):
            logger.info("compaction of %s ended without effect: %s", log.topic_partition, error)
        elif isinstance(error, WorkerDied):
            self._note_death(log, error)
        elif isinstance(error.__cause__, OSError):
            log.storage_error(error.__cause__)
        else:
            self._logs.cleaner.mark_uncleanable(log, error)

    def _note_death(self, log: Log, error: WorkerDied) -> None:
        name = log.topic_partition
        known, count = self._deaths.pop(name, (log, 0))
        count = count + 1 if known is log else 1
        if count < self._most_deaths:
            self._deaths[name] = log, count
            logger.warning("compaction of %s is tried again: %s", name, error)
        else:
            self._logs.cleaner.mark_uncleanable(log, error)

    async def _clean(self, log: Log, worker: CleanerProcess) -> int | None:
        """Have the log compacted; the next first dirty offset, None if it was aborted."""
        manager, name = self._logs.cleaner, log.topic_partition
        # Looked at again: the log may have changed while others were looked at.
        found = manager.examine(log, self._now_ms())
        if found is None:
            return None
        job = found.job(self._now_ms(), await _in_turns(found.last_records(), ENTRIES_AT_ONCE))
        loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        try:
            async for progress in worker.work(job, self._limits, lambda: manager.may_take_effect(name)):
                # Asked for each line: the work may have been aborted while one was waited for.
                if not manager.may_take_effect(name):
                    continue
                if isinstance(progress, CleanedGroup):
                    await self._swap_in(log, job, progress)
                else:
                    _report(name, job, progress, loop.time() - began)
                    return progress.end_offset
        except BaseException:
            # Left amid this job, it would take the next one for a change of its rate, and what it says about this one
            # would be taken for that one's.
            await worker.end()
            raise
        await worker.end()
        with suppress(OSError):
            for left in log.files.names(job.directory):
                if left.endswith(CLEANED_SUFFIX):
                    log.files.unlink(os.path.join(job.directory, left))
        return None

    async def _swap_in(self, log: Log, job: CleaningJob, group: CleanedGroup) -> None:
        """Put a finished segment in its place; the work is aborted if that is not possible. KAFKA_STORAGE_ERROR."""
        if not replace_segments(log, job, group, self._now_ms()):
            self._logs.cleaner.abort(log.topic_partition)
        try:
            with suppress(FileNotFoundError):
                await asyncio.to_thread(log.files.sync_directory, job.directory)
        except OSError as error:
            raise log.storage_error(error) from error

    def _limits(self) -> dict[str, float]:
        """What one worker may take of memory and disk: its share of what all may take."""
        count = max(self._config.int(THREADS), 1)
        return {
            "map_bytes": self._config.int(DEDUPE_BUFFER) // count,
            "load_factor": self._config.float(LOAD_FACTOR),
            "io_bytes": self._config.int(IO_BUFFER) // count // 2,
            "bytes_per_second": self._rate(),
        }

    def _rate(self) -> float:
        return self._config.float(IO_RATE) / max(self._config.int(THREADS), 1)

    def _tell_rate(self) -> None:
        for worker in self._workers:
            worker.tell_rate(self._rate())


class CleanerProcess:
    """A worker process, there while there is work for it."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._is_at_work = False

    async def work(
        self, job: CleaningJob, limits: Callable[[], dict[str, float]], is_wanted: Callable[[], bool]
    ) -> AsyncIterator[CleanedGroup | CleanerStats]:
        """Have a job done; ends early when `is_wanted` says no. CleaningFailed when the worker gives up, WorkerDied."""
        rendered = "".join(await _in_turns(render_job(job), 1))
        process = await self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        self._is_at_work = True
        try:
            with suppress(ConnectionError):
                process.stdin.write(f'{{"job": {rendered}, {json.dumps(limits())[1:]}\n'.encode())
                await process.stdin.drain()
            while is_wanted():
                try:
                    async with asyncio.timeout(_LOOK_S):
                        line = await process.stdout.readline()
                except TimeoutError:
                    continue
                if not line.endswith(b"\n"):
                    raise WorkerDied(f"the worker process ended with {await process.wait()}")
                progress = parse_progress(line)
                if progress is None:
                    said = json.loads(line)
                    failed = CleaningFailed(said["error"])
                    if said["errno"] is not None:
                        raise failed from OSError(said["errno"], said["error"])
                    raise failed
                yield progress
                if isinstance(progress, CleanerStats):
                    return
        finally:
            self._is_at_work = False

    def tell_rate(self, bytes_per_second: float) -> None:
        """A new rate for the job at work."""
        if self._is_at_work and self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(json.dumps({"bytes_per_second": bytes_per_second}).encode() + b"\n")

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            home = str(Path(kwire.__file__).parent.parent)
            paths = [home, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "kwire.compaction.worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                limit=_LONGEST_LINE_BYTES,
            )
        return self._process

    async def end(self) -> None:
        """Stop the process, amidst its work if need be: what is unfinished is removed by whoever comes next."""
        process = self._process
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            # Cancelled here, it is waited for by the next call.
            await process.wait()
            self._process = None


async def _in_turns(items: Iterable[T], at_once: int) -> list[T]:
    """A list of the items; the event loop goes on after so many of them."""
    found: list[T] = []
    for item in items:
        found.append(item)
        if len(found) % at_once == 0:
            await asyncio.sleep(0)
    return found


def _report(name: TopicPartition, job: CleaningJob, stats: CleanerStats, elapsed_s: float) -> None:
    logger.info(
        "%s compacted from %d to %d in %.1f s: %.1f MB read (%.1f MB/s), %d of %d records kept in %.1f MB, "
        "map %.0f %% full",
        name,
        job.first_dirty_offset,
        stats.end_offset,
        elapsed_s,
        stats.bytes_read / 1e6,
        stats.bytes_read / 1e6 / max(elapsed_s, 1e-9),
        stats.records_written,
        stats.records_read,
        stats.bytes_written / 1e6,
        100 * stats.map_utilization,
    )
