"""What a broker does again and again beside serving: retention, compaction, flushes, checkpoints, expiry, removals."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kwire.config.broker_config import BrokerConfig
from kwire.log.manager import LogManager
from kwire.log.relocation import Relocation

if TYPE_CHECKING:
    from kwire.log.directory import LogDirectory
    from kwire.log.log import Log

logger = logging.getLogger("kwire.broker")

REMOVAL_INTERVAL_MS = 1000
"""How often files whose `file.delete.delay.ms` is over are looked for."""

FLUSH_INTERVAL_MS = 1000
"""How soon after a roll the closed segment is flushed."""

SETTLE_AFTER_MS = 200
"""The first requests come before what a start has left to do."""

START_OF_COMPACTION_MS = 1000
"""A broker that starts has better things to do than to import what compaction needs."""

REOPENING_INTERVAL_MS = 1000
"""How often it is looked whether a full disk has room again."""

MOVE_AGAIN_AFTER_MS = 1000
"""What failed unexpectedly fails again at once."""

MOVE_LIMIT = "replica.alter.log.dirs.io.max.bytes.per.second"

MAX_INTERVAL_MS = 86_400_000
"""No duty sleeps longer: an interval of 2^63 - 1 means "never", and a day comes close."""


def duties(
    logs: LogManager, config: BrokerConfig, now_ms: Callable[[], int], on_return: Callable[[], Awaitable[None]]
) -> list[Coroutine[Any, Any, None]]:
    """Coroutines that the broker runs as tasks until it stops; but for `_settle`, none returns.

    `on_return` is called when a directory that was offline is online again, with other logs.
    """
    expiration = "producer.id.expiration.ms"
    by_option: dict[str, Callable[[], object]] = {
        "log.flush.scheduler.interval.ms": lambda: logs.flush_due(now_ms()),
        "log.flush.offset.checkpoint.interval.ms": lambda: logs.checkpoint(now_ms()),
        "log.flush.start.offset.checkpoint.interval.ms": lambda: logs.checkpoint(now_ms()),
        "replica.high.watermark.checkpoint.interval.ms": logs.checkpoint_high_watermarks,
        "producer.id.expiration.check.interval.ms": lambda: logs.expire_producers(now_ms(), config.int(expiration)),
    }
    return [
        *(_every(config.int(option), duty) for option, duty in by_option.items()),
        _remove(logs, now_ms),
        _retain(logs, config.int("log.retention.check.interval.ms"), now_ms),
        _settle(logs),
        _flush_closed_segments(logs),
        _reopen(logs, now_ms, on_return),
        _move_logs(logs, config, now_ms),
        *([_compact(logs, config, now_ms)] if config.bool("log.cleaner.enable") else []),
    ]


async def _every(interval_ms: int, duty: Callable[[], object]) -> None:
    """Do it every `interval_ms`; when it fails it is logged, and tried again next time."""
    while True:
        await asyncio.sleep(min(interval_ms, MAX_INTERVAL_MS) / 1000)
        try:
            duty()
        except Exception:
            logger.exception("a periodic duty failed")


async def _retain(logs: LogManager, interval_ms: int, now_ms: Callable[[], int]) -> None:
    """Apply retention log by log; others run in between, since a log may have to be opened for it."""
    while True:
        await asyncio.sleep(min(interval_ms, MAX_INTERVAL_MS) / 1000)
        for log in list(logs.logs()):
            # Of compacted logs the cleaner takes care, so that both never work on one log at the same time.
            if log.config.is_compacted or not logs.cleaner.is_free(log.topic_partition):
                continue
            try:
                logs.retain(log, now_ms())
            except Exception:
                logger.exception("retention of %s failed", log.topic_partition)
            await asyncio.sleep(0)


async def _remove(logs: LogManager, now_ms: Callable[[], int]) -> None:
    """Remove files whose delay is over, in a thread: those of a large topic take seconds."""
    while True:
        await asyncio.sleep(REMOVAL_INTERVAL_MS / 1000)
        if paths := logs.removals.take(now_ms()):
            try:
                await asyncio.to_thread(logs.removals.remove, paths)
            except Exception:
                logger.exception("a periodic duty failed")


async def _compact(logs: LogManager, config: BrokerConfig, now_ms: Callable[[], int]) -> None:
    """Compact and delete in logs with `cleanup.policy=compact`; its rooms are opened once the broker serves."""
    await asyncio.sleep(START_OF_COMPACTION_MS / 1000)
    from kwire.compaction.log_cleaner import LogCleaner

    await LogCleaner(logs, config, now_ms).run()


async def _settle(logs: LogManager) -> None:
    """What a start leaves for the time when it is over, once: names that must be on the device."""
    await asyncio.sleep(SETTLE_AFTER_MS / 1000)
    for directory in logs.directories:
        try:
            if directory.is_online:
                await asyncio.to_thread(directory.settle)
        except OSError as error:
            logs.fail(directory, error)


async def _flush_closed_segments(logs: LogManager) -> None:
    """Put closed segments on the device, in a thread, and let recovery start behind them."""
    while True:
        await asyncio.sleep(FLUSH_INTERVAL_MS / 1000)
        for log in logs.rolled_logs():
            try:
                # A stop flushes too, and must know of what fails here.
                await _to_its_end(asyncio.ensure_future(_flush_closed_segments_of(log)))
            except Exception:
                logger.exception("a periodic duty failed")


async def _flush_closed_segments_of(log: Log) -> None:
    segments, end_offset, directory = log.unflushed_segments(), log.segments.active.base_offset, log.directory
    truncation_count = log.truncation_count
    try:
        await asyncio.to_thread(log.flush_segments, segments)
        if log.is_failed or log.directory != directory:
            return
        if log.truncation_count == truncation_count:
            log.flushed_to(end_offset)
        else:
            # Below that offset there may be batches that were appended since.
            await _flush_closed_segments_of(log)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not set(segments) <= set(log.segments):
            # Retention took a segment, and its names, while the thread was on its way to it: what is left is flushed.
            await _flush_closed_segments_of(log)
            return
        logger.error("%s: closed segments cannot be flushed: %s", log.topic_partition, error)
        # What the kernel failed to write once it does not try again. (A log that was deleted or has moved to another
        # directory meanwhile has lost these files.)
        if not log.is_failed and log.directory == directory:
            log.storage_error(error)


async def _reopen(logs: LogManager, now_ms: Callable[[], int], on_return: Callable[[], Awaitable[None]]) -> None:
    """Bring directories back whose disk was full and has room again."""
    while True:
        await asyncio.sleep(REOPENING_INTERVAL_MS / 1000)
        for directory in logs.directories:
            try:
                if not directory.is_online and await reopened(logs, directory, now_ms()):
                    await on_return()
            except Exception as error:
                logger.error("log directory %s stays offline: %s", directory.path, error)


async def reopened(logs: LogManager, directory: LogDirectory, now_ms: int) -> bool:
    """Recover an offline directory in a thread, if it may come back; whether it has. OSError if it fails again."""
    from kwire.log.reopening import Reopening, can_come_back

    if not can_come_back(logs, directory):
        return False
    reopening = Reopening(logs, directory, now_ms)
    # Once the broker has stopped, another one may have the directory.
    await _to_its_end(asyncio.get_running_loop().run_in_executor(None, reopening.recover))
    return reopening.complete()


async def _to_its_end(work: asyncio.Future[None]) -> None:
    """Wait for work with a thread in it; a task that is cancelled meanwhile ends when the work has ended."""
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


async def _move_logs(logs: LogManager, config: BrokerConfig, now_ms: Callable[[], int]) -> None:
    """Drive the moves between log directories, a slice of each in turn, not faster than `MOVE_LIMIT` allows for all."""
    changed = asyncio.Event()
    logs.relocations.on_change = changed.set
    config.on_change([MOVE_LIMIT], lambda names: changed.set())
    while True:
        # The newest first: it need not wait for the next turn of one that has to wait after it.
        for move in reversed([*logs.relocations]):
            changed.clear()
            try:
                copied_bytes = await _move_on(logs, move, now_ms)
            except Exception:
                logger.exception("a move between log directories failed")
                await asyncio.sleep(MOVE_AGAIN_AFTER_MS / 1000)
                continue
            limit = config.get(MOVE_LIMIT)
            await _pause(changed, copied_bytes / limit if limit else 0)
        if not any(logs.relocations):
            changed.clear()
            await changed.wait()


async def _pause(changed: asyncio.Event, seconds: float) -> None:
    """Wait, but not for what is of the past: another limit, or other moves."""
    await asyncio.sleep(0)
    if seconds:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await changed.wait()


async def _move_on(logs: LogManager, move: Relocation, now_ms: Callable[[], int]) -> int:
    """Copy the next slice in a thread; the last one here, and with it the log changes its place. Bytes copied.

    A move that fails is given up, and the log stays where it is.
    """
    copied_bytes = 0
    if logs.relocations.get(move.log.topic_partition) is not move:
        return 0  # Given up while another one had its turn.
    try:
        records, reaches_end = move.next_slice(now_ms())
        is_last = move.is_last(records, reaches_end=reaches_end)
        if records is not None:
            if is_last:
                copied_bytes = move.copy(records, now_ms())
            else:
                copied_bytes = await asyncio.to_thread(move.copy, records, now_ms())
        if is_last and move.needs_flush:
            move.flush(now_ms())
        elif not is_last and (reaches_end or move.was_rolled):
            await asyncio.to_thread(move.flush, now_ms())
            move.was_flushed = reaches_end
    except Exception as error:
        logs.relocations.give_up(move, error, now_ms())
        return 0
    if is_last:
        logs.relocations.complete(move, now_ms())
    return copied_bytes
