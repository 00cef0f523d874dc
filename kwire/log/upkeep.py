"""What a manager does for its logs again and again: retention, flushes, checkpoints, expiry of producers.

The broker says when. A directory whose disk fails meanwhile goes offline with its logs, and nothing else stops.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from kwire.errors import KafkaError
from kwire.ids import TopicPartition
from kwire.log.directory import LogDirectory
from kwire.log.relocations import Relocations

if TYPE_CHECKING:
    from kwire.log.cleaner_manager import CleanerManager
    from kwire.log.log import Log

logger = logging.getLogger(__name__)


class LogUpkeep:
    """The logs by name, and where each one lies; `LogManager` adds how they come and go."""

    relocations: Relocations

    def __init__(self, directories: Sequence[LogDirectory]) -> None:
        self.directories = list(directories)
        self._logs: dict[TopicPartition, Log] = {}
        self._home: dict[TopicPartition, LogDirectory] = {}
        self._rolled: set[Log] = set()
        self._stale_checkpoints: set[TopicPartition] = set()
        self._with_holes: list[TopicPartition] = []
        self._cleaner: CleanerManager | None = None

    def get(self, topic_partition: TopicPartition) -> Log | None:
        """The log, if it is here."""
        return self._logs.get(topic_partition)

    def logs(self) -> Iterator[Log]:
        """All logs, in no order."""
        return iter(self._logs.values())

    @property
    def cleaner(self) -> CleanerManager:
        """What compaction knows of the logs; made when first asked for, to keep a start short."""
        if self._cleaner is None:
            from kwire.log.cleaner_manager import CleanerManager

            self._cleaner = CleanerManager(self.logs, self._home.get)
        return self._cleaner

    def home_of(self, log: Log) -> LogDirectory:
        """The directory that a log of this manager lies in."""
        return self._home[log.topic_partition]

    def fail(self, directory: LogDirectory, error: OSError) -> None:
        """Take a directory offline with all its logs: they answer KAFKA_STORAGE_ERROR from then on."""
        directory.fail(error)
        for log in self.logs_of(directory):
            log.is_failed = True
            self.cleaner.abort(log.topic_partition)
        self.relocations.forget_those_of(directory)

    def retain(self, log: Log, now_ms: int) -> int:
        """Drop what retention lets go in one log; how many segments. A log that was not opened yet is opened."""
        try:
            return 0 if log.is_failed else log.delete_old_segments(now_ms)
        except KafkaError as error:
            logger.error("retention of %s: %s", log.topic_partition, error)
            return 0

    def rolled_logs(self) -> list[Log]:
        """The logs that have closed segments which may not be on the device (`LogState.unflushed_segments`)."""
        rolled, self._rolled = self._rolled, set()
        return [log for log in rolled if not log.is_failed]

    def flush_due(self, now_ms: int) -> int:
        """Flush the logs whose `flush.ms` is over; how many."""
        due = [
            log
            for log in self._logs.values()
            if log.has_unflushed_messages and not log.is_failed and now_ms - log.last_flush_ms >= log.config.flush_ms
        ]
        for log in due:
            try:
                log.flush(now_ms)
            except KafkaError as error:
                logger.error("flush of %s: %s", log.topic_partition, error)
        return len(due)

    def expire_producers(self, now_ms: int, expiration_ms: int) -> int:
        """Forget idle producers (`producer.id.expiration.ms`) in the logs that are open; how many."""
        return sum(log.producers.remove_expired(now_ms, expiration_ms) for log in self._logs.values() if log.is_loaded)

    def checkpoint(self, now_ms: int, *, sync: bool = False) -> None:
        """Write recovery points, high watermarks and log starts of all directories; `sync` puts them on the device.

        Unless it does, a power cut may empty the first two, which costs a longer recovery and nothing else.
        """
        if sync:
            self._stale_checkpoints.clear()
        for directory in self.directories:
            if directory.is_online:
                self._checkpoint(directory, sync=sync)

    def settle_checkpoints(self, topic_partition: TopicPartition, now_ms: int) -> None:
        """What they say of one deleted, or moved away, must not be believed of a new log of that name after a crash."""
        if topic_partition in self._stale_checkpoints:
            self.checkpoint(now_ms, sync=True)

    def _note_holes(self) -> None:
        """Acknowledged records come behind them from now on: no recovery may end a log there, whatever its policy."""
        for topic_partition in self._with_holes:
            log = self.get(topic_partition)
            if log is not None and not log.is_failed:
                try:
                    self.cleaner.announce(log, 0)
                except OSError as error:
                    self.fail(self.home_of(log), error)
        self._with_holes.clear()

    def checkpoint_high_watermarks(self) -> None:
        """Write the high watermarks alone (`replica.high.watermark.checkpoint.interval.ms`)."""
        for directory in self.directories:
            if directory.is_online:
                try:
                    logs = [*self.logs_of(directory), *self.relocations.futures_in(directory)]
                    directory.write_high_watermarks(logs, sync=False)
                except OSError as error:
                    self.fail(directory, error)

    def _checkpoint(self, directory: LogDirectory, *, sync: bool) -> None:
        """Write the three checkpoints; a failing disk takes the directory and its logs offline."""
        logs = list(self.logs_of(directory))
        try:
            for log in logs:
                if log.is_loaded:
                    log.write_metadata(sync=sync)
            # A future log's own files are its thread's.
            logs += self.relocations.futures_in(directory)
            directory.write_checkpoints(logs, sync=sync)
        except OSError as error:
            self.fail(directory, error)
        except KafkaError as error:
            logger.error("%s is not checkpointed: %s", directory.path, error)

    def logs_of(self, directory: LogDirectory) -> Iterator[Log]:
        """The logs in one directory, in no order."""
        return (log for log in list(self._logs.values()) if self._home[log.topic_partition] is directory)
