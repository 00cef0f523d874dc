"""All logs of a broker, over its log directories (`log.dirs`).

`open` locks the directories and finds what is there; after a clean stop that is all, and each log is opened when it is
first asked for something. After a crash every log is recovered before `open` returns. Nothing runs by itself: the
broker calls `retain`, `flush_due`,
`checkpoint_*` and `remove_due` when `next_deadline` says so, and flushes closed segments in a thread.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from kwire.errors import ErrorCode, KafkaError
from kwire.ids import ZERO_UUID, TopicPartition
from kwire.log import checkpoints
from kwire.log.config import LogConfig
from kwire.log.directory import DirectoryUnusableError, LogDirectory, LogDirectoryError
from kwire.log.files import (
    DELETE_DIR_SUFFIX,
    FILES,
    STRAY_DIR_SUFFIX,
    Files,
    marked_directory_name,
)
from kwire.log.loading import LoadedDirectory
from kwire.log.log import Log
from kwire.log.log_state import LogState
from kwire.log.removals import Removals
from kwire.wire.primitives import WireError

logger = logging.getLogger(__name__)
_CLOSING_THREADS = 8


class LogManager:
    """Opens, creates, deletes and closes logs, and keeps the directories' checkpoints."""

    def __init__(
        self,
        directories: Sequence[LogDirectory | Path | str],
        *,
        default_config: LogConfig,
        config_for: Callable[[str], LogConfig],
        broker_id: int,
        cluster_id: str,
        draw_jitter_ms: Callable[[int], int] = lambda maximum: 0,
        unique_name: Callable[[], str] = lambda: "0" * 32,
        files: Files = FILES,
    ) -> None:
        """A directory that is locked already comes as a LogDirectory.

        `draw_jitter_ms(maximum)` and `unique_name()` (32 hex digits) come from whoever owns randomness.
        """
        self.directories = [
            directory if isinstance(directory, LogDirectory) else LogDirectory(os.path.abspath(directory), files)
            for directory in directories
        ]
        self.default_config = default_config
        self._config_for = config_for
        self._broker_id = broker_id
        self._cluster_id = cluster_id
        self._draw_jitter_ms = draw_jitter_ms
        self._unique_name = unique_name
        self._files = files
        self._logs: dict[TopicPartition, Log] = {}
        self._home: dict[TopicPartition, LogDirectory] = {}
        self._rolled: set[Log] = set()
        self._unrecovered: set[Log] = set()
        self._stale_checkpoints: set[TopicPartition] = set()
        self._removals = Removals(files)

    # Opening and closing.

    def open(self, now_ms: int) -> None:
        """Lock and read all directories, recover what was not stopped cleanly.

        A directory that cannot be used stays offline; LogDirectoryError when that holds for all of them, or for any
        that is locked or another broker's.
        """
        unusable: list[DirectoryUnusableError] = []
        try:
            for directory in self.directories:
                try:
                    self._open_directory(directory, now_ms)
                except DirectoryUnusableError as error:
                    logger.error("%s", error)
                    unusable.append(error)
                    directory.error = OSError(str(error))
        except LogDirectoryError:
            for directory in self.directories:
                directory.release()
            raise
        if len(unusable) == len(self.directories):
            raise unusable[0]

    def _open_directory(self, directory: LogDirectory, now_ms: int) -> None:
        was_clean = directory.open(self._broker_id, self._cluster_id, now_ms)
        try:
            loaded = LoadedDirectory(directory, self, self._config_for, was_clean=was_clean, now_ms=now_ms)
        except OSError as error:
            raise directory.unusable(error) from error
        for topic_partition, log in loaded.logs.items():
            if topic_partition in self._logs:
                raise LogDirectoryError(
                    f"{topic_partition} is in two log directories: {self._logs[topic_partition].directory} "
                    f"and {log.directory}; move one of them away"
                )
            self._logs[topic_partition] = log
            self._home[topic_partition] = directory
        for path in loaded.marked_for_removal:
            self._removals.add((path,), self.default_config.file_delete_delay_ms, now_ms)
        self._stale_checkpoints |= loaded.stale_checkpoints
        loaded.recover()
        self._unrecovered |= loaded.unrecovered

    def close(self, *, clean: bool = True) -> None:
        """Stop. `clean` writes everything out, then the checkpoints, then the clean-shutdown markers."""
        for directory in self.directories:
            if clean and directory.is_online:
                try:
                    all_closed = self._close_logs(directory)
                    self._checkpoint(directory, sync=True)
                    if all_closed and self._is_recovered(directory):
                        directory.mark_clean()
                except OSError as error:
                    directory.fail(error)
            directory.release(remove_name=clean and directory.is_online)
        self._logs.clear()
        self._home.clear()

    def _is_recovered(self, directory: LogDirectory) -> bool:
        """Whether the next start may trust what lies there: a log that could not be recovered is still to be."""
        return directory.is_online and all(
            log.is_loaded or log not in self._unrecovered for log in self.logs_of(directory)
        )

    def _close_logs(self, directory: LogDirectory) -> bool:
        """Close each log, several at once: nearly all of the time goes into fsync. False if one is damaged; OSError."""
        logs = [log for log in self.logs_of(directory) if log.is_loaded]
        if len(logs) <= _CLOSING_THREADS:
            return all(list(map(_is_closed, logs)))
        from concurrent.futures import ThreadPoolExecutor

        # A log's close touches nothing but its own directory, and no append comes any more.
        with ThreadPoolExecutor(_CLOSING_THREADS) as pool:
            return all(list(pool.map(_is_closed, logs)))

    # Logs.

    def get(self, topic_partition: TopicPartition) -> Log | None:
        """The log, if it is here."""
        return self._logs.get(topic_partition)

    def logs(self) -> Iterator[Log]:
        """All logs, in no order."""
        return iter(self._logs.values())

    def get_or_create(
        self, topic_partition: TopicPartition, topic_id: bytes, config: LogConfig, now_ms: int, *, is_new: bool = True
    ) -> Log:
        """The log; a new one goes to the directory with the fewest partitions (Kafka's choice).

        A log that is there under another topic id belonged to a deleted topic of the same name: it is put aside as
        `-stray`. KAFKA_STORAGE_ERROR when no directory is online, or the log's own is offline, or may be: a partition
        that is not new (`is_new`) is not begun anew while a directory is missing that may hold it.
        """
        log = self._logs.get(topic_partition)
        if log is not None:
            self._identify(log)
            if ZERO_UUID in (log.topic_id, topic_id) or log.topic_id == topic_id:
                if log.topic_id == ZERO_UUID != topic_id:
                    log.adopt_topic_id(topic_id)
                if log.is_failed:
                    raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{log.directory} is offline")
                log.config = config
                return log
            logger.warning("%s has another topic id than the cluster's topic: put aside", log.directory)
            self._put_aside(log, STRAY_DIR_SUFFIX)
        elif not is_new:
            for directory in self.directories:
                if not directory.is_online:
                    raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{directory.path} is offline and may hold it")
        if topic_partition in self._stale_checkpoints:
            # What they say of a deleted log of that name must not be believed of this one after a crash.
            self.checkpoint(now_ms, sync=True)
        directory = self._emptiest()
        log = Log(
            topic_partition,
            topic_id,
            directory.path_of(str(topic_partition)),
            config,
            self._files,
            self,
            created_ms=now_ms,
        )
        self._logs[topic_partition] = log
        self._home[topic_partition] = directory
        return log

    def _identify(self, log: Log) -> None:
        if log.topic_id == ZERO_UUID:
            path = os.path.join(log.directory, checkpoints.PARTITION_METADATA)
            try:
                log.topic_id = checkpoints.parse_partition_metadata(self._files.read_file(path))
            except OSError as error:
                raise log.storage_error(error) from error

    def _emptiest(self) -> LogDirectory:
        online = [directory for directory in self.directories if directory.is_online]
        if not online:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, "no log directory is online")
        if len(online) == 1:
            return online[0]
        counts = dict.fromkeys(online, 0)
        for directory in self._home.values():
            if directory in counts:
                counts[directory] += 1
        return min(online, key=counts.__getitem__)

    def delete(self, topic_partition: TopicPartition, now_ms: int) -> None:
        """Forget the log; its directory is renamed to `-delete`, and removed after `file.delete.delay.ms`."""
        log = self._logs.get(topic_partition)
        if log is not None:
            path = self._put_aside(log, DELETE_DIR_SUFFIX)
            if path is not None:
                self._removals.add((path,), log.config.file_delete_delay_ms, now_ms)

    def _put_aside(self, log: Log, suffix: str) -> str | None:
        directory = self._home.pop(log.topic_partition)
        del self._logs[log.topic_partition]
        self._stale_checkpoints.add(log.topic_partition)
        name = marked_directory_name(log.topic_partition, self._unique_name(), suffix)
        path = directory.path_of(name)
        log.is_failed = True
        try:
            self._files.rename(log.directory, path)
            # A power cut must not bring it back under the name of the next topic that is called so.
            self._files.sync_directory(directory.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._fail(directory, error)
            return None
        return path

    # What logs ask for (`LogHost`).

    def storage_failed(self, log: LogState, error: OSError) -> None:
        """The log's directory goes offline with all its logs."""
        directory = self._home.get(log.topic_partition)
        # A log that was deleted tells nothing about the disk; its name may be another log's by now.
        if directory is not None and directory.is_online and self._logs[log.topic_partition] is log:
            self._fail(directory, error)

    def _fail(self, directory: LogDirectory, error: OSError) -> None:
        directory.fail(error)
        for log in self.logs_of(directory):
            log.is_failed = True

    def remove_later(self, paths: Sequence[str], delay_ms: int, now_ms: int) -> None:
        """Unlink files after `delay_ms`."""
        self._removals.add(paths, delay_ms, now_ms)

    def lower_recovery_point(self, log: LogState, offset: int) -> None:
        """Before a truncation: what is appended after it was not flushed."""
        self._home[log.topic_partition].lower_recovery_point(log.topic_partition, offset)

    def segment_closed(self, log: LogState) -> None:
        """A log has rolled: what it closed is to be flushed in a thread."""
        self._rolled.add(self._logs[log.topic_partition])

    def segment_jitter_ms(self, config: LogConfig) -> int:
        """How much earlier than `segment.ms` a log rolls, so that many do not roll at once."""
        return self._draw_jitter_ms(config.segment_jitter_ms) if config.segment_jitter_ms else 0

    # What the broker calls from time to time.

    def remove_due(self, now_ms: int) -> int:
        """Remove the files and directories whose delay is over; how many removals."""
        return self._removals.due(now_ms)

    def next_deadline(self) -> int | None:
        """When `remove_due` has something to do, ms; None for never."""
        return self._removals.next_deadline()

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

    def checkpoint_high_watermarks(self) -> None:
        """Write the high watermarks alone (`replica.high.watermark.checkpoint.interval.ms`)."""
        for directory in self.directories:
            if directory.is_online:
                try:
                    directory.write_high_watermarks(self.logs_of(directory), sync=False)
                except OSError as error:
                    self._fail(directory, error)

    def _checkpoint(self, directory: LogDirectory, *, sync: bool) -> None:
        """Write the three checkpoints; a failing disk takes the directory and its logs offline."""
        logs = list(self.logs_of(directory))
        try:
            for log in logs:
                if log.is_loaded:
                    log.write_metadata()
            directory.write_checkpoints(logs, sync=sync)
        except OSError as error:
            self._fail(directory, error)
        except KafkaError as error:
            logger.error("%s is not checkpointed: %s", directory.path, error)

    def logs_of(self, directory: LogDirectory) -> Iterator[Log]:
        """The logs in one directory, in no order."""
        return (log for log in list(self._logs.values()) if self._home[log.topic_partition] is directory)


def _is_closed(log: Log) -> bool:
    try:
        log.close()
    except WireError as error:
        logger.error("%s is left for recovery: %s", log.topic_partition, error)
        return False
    return True
