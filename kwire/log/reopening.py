"""A log directory whose disk was full comes back when there is room again, without a restart.

A write that finds no room takes its directory offline, whatever it leaves half done. Nothing that was acknowledged is
in memory alone, so the way back is that of a start after a crash: what the files hold is recovered (`recovery`), and
the logs that were held in memory give way to those that were read. Apache Kafka halts when its last directory is full.

A disk that failed otherwise is not trusted again before the next start, nor is a directory in which a move between
directories was broken off.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from kwire.errors import KafkaError
from kwire.log.loading import LoadedDirectory

if TYPE_CHECKING:
    from kwire.log.directory import LogDirectory
    from kwire.log.manager import LogManager

logger = logging.getLogger(__name__)
ENOUGH_BYTES = 16 << 20
"""Room for less would be gone before the recovery is over."""


def can_come_back(manager: LogManager, directory: LogDirectory) -> bool:
    """Whether it was taken offline for lack of room, and there is some now."""
    try:
        return (
            directory.lacked_room
            and directory not in manager.relocations.broken_off_in
            and directory.files.free_bytes(directory.path) >= ENOUGH_BYTES
        )
    except OSError:
        return False


class Reopening:
    """The way back of one directory, in two steps: `recover` may run in a thread, `complete` is for the event loop."""

    __slots__ = ("_directory", "_loaded", "_logs", "_manager", "_now_ms")

    def __init__(self, manager: LogManager, directory: LogDirectory, now_ms: int) -> None:
        self._manager = manager
        self._directory = directory
        self._now_ms = now_ms
        self._logs = list(manager.logs_of(directory))
        self._loaded: LoadedDirectory | None = None

    def recover(self) -> None:
        """Read the directory as after a crash. OSError when the disk still fails: it stays offline then."""
        directory, configs = self._directory, {log.topic_partition.topic: log.config for log in self._logs}
        # What only memory knows of starts and recovery points; and whether there is room indeed.
        directory.write_checkpoints(self._logs, sync=True)
        loaded = LoadedDirectory(
            directory,
            self._manager,
            lambda topic: configs.get(topic, self._manager.default_config),
            was_clean=False,
            now_ms=self._now_ms,
        )
        for log in loaded.to_recover():
            try:
                log.load()
            except KafkaError as error:
                if isinstance(error.__cause__, OSError):
                    raise error.__cause__ from error
                logger.error("%s cannot be recovered: %s", log.topic_partition, error)
                loaded.unrecovered.add(log)
        self._loaded = loaded

    def complete(self) -> bool:
        """Put the logs that `recover` has read in the place of the failed ones; whether the directory is online."""
        loaded, directory = self._loaded, self._directory
        if loaded is None:
            return False
        directory.come_back()
        self._manager.take_again(loaded, self._now_ms)
        self._manager.relocations.sort_out(loaded.futures, directory, self._now_ms)
        if directory.is_online:
            logger.warning(
                "log directory %s has room again: it is online, its %d logs were recovered",
                directory.path,
                len(loaded.logs),
            )
        return directory.is_online
