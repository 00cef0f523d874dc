"""All logs of a broker, over its log directories (`log.dirs`).

`open` locks the directories and finds what is there; after a clean stop that is all, and each log is opened when it is
first asked for something. After a crash every log is recovered before `open` returns. Nothing runs by itself: the
broker calls `retain`, `flush_due` and `checkpoint_*` from time to time, and in threads it flushes closed segments and
removes what `removals` says.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

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
from kwire.log.loading import LoadedDirectory, RecoveryProgress, recover_all
from kwire.log.relocations import Relocations
from kwire.log.removals import Removals
from kwire.log.upkeep import LogUpkeep
from kwire.wire.primitives import WireError

if TYPE_CHECKING:
    from kwire.log.log import Log
    from kwire.log.log_state import LogState

logger = logging.getLogger(__name__)
_CLOSING_THREADS = 8


class LogManager(LogUpkeep):
    """Opens, creates, deletes and closes logs, and keeps the directories' checkpoints."""

    def __init__(
        self,
        directories: Sequence[LogDirectory | os.PathLike[str] | str],
        *,
        default_config: LogConfig,
        config_for: Callable[[str], LogConfig],
        broker_id: int,
        cluster_id: str,
        draw_jitter_ms: Callable[[int], int] = lambda maximum: 0,
        unique_name: Callable[[], str] = lambda: "0" * 32,
        producer_expiration_ms: Callable[[], int] = lambda: 86_400_000,
        files: Files = FILES,
    ) -> None:
        """A directory that is locked already comes as a LogDirectory.

        `draw_jitter_ms(maximum)` and `unique_name()` (32 hex digits) come from whoever owns randomness.
        """
        super().__init__(
            [
                directory if isinstance(directory, LogDirectory) else LogDirectory(os.path.abspath(directory), files)
                for directory in directories
            ]
        )
        self.default_config = default_config
        self._config_for = config_for
        self._broker_id = broker_id
        self._cluster_id = cluster_id
        self._draw_jitter_ms = draw_jitter_ms
        self.unique_name = unique_name
        self._files = files
        self._unrecovered: set[Log] = set()
        self.removals = Removals(files)
        self._recovery = RecoveryProgress()
        self._producer_expiration_ms = producer_expiration_ms
        self.relocations = Relocations(self)

    # Opening and closing.

    def open(self, now_ms: int, *, recovery_threads: int = 1, settles: bool = True) -> None:
        """Lock and read all directories, recover what was not stopped cleanly, in so many threads for each directory.

        With `settles=False` somebody else calls `LogDirectory.settle` in a thread, and a start need not wait for it.
        A directory that cannot be used stays offline; LogDirectoryError when that holds for all of them, or for any
        that is locked or another broker's.
        """
        unusable: list[DirectoryUnusableError] = []
        loaded: list[LoadedDirectory] = []
        try:
            for directory in self.directories:
                try:
                    loaded.append(self._open_directory(directory, now_ms))
                except DirectoryUnusableError as error:
                    logger.error("%s", error)
                    unusable.append(error)
                    directory.error = OSError(str(error))
            self.relocations.resume_all(loaded, now_ms)
            recover_all(loaded, threads_per_directory=recovery_threads, progress=self._recovery)
            self._note_holes()
            self.relocations.cut_back(now_ms)
        except LogDirectoryError:
            for directory in self.directories:
                directory.release()
            raise
        if len(unusable) == len(self.directories):
            raise unusable[0]
        if all(directory.is_online for directory in self.directories):
            # Until then one of them may be all that tells of a move which is to be finished in a directory not here.
            paths = [path for each in loaded for path in each.marked_for_removal]
            self.removals.add(paths, self.default_config.file_delete_delay_ms, now_ms)
        for each in loaded:
            self._unrecovered |= each.unrecovered
            if not each.was_clean and each.directory.is_online:
                # Where a log now ends before its recovery point, what is appended next must be recovered again.
                self._checkpoint(each.directory, sync=True)
                self._end_recovery(each)
            elif settles and each.directory.is_online:
                try:
                    each.directory.settle()
                except OSError as error:
                    self.fail(each.directory, error)

    def _end_recovery(self, loaded: LoadedDirectory) -> None:
        try:
            if loaded.directory.is_online and not loaded.unrecovered:
                loaded.directory.end_recovery()
        except OSError as error:
            self.fail(loaded.directory, error)

    def _open_directory(self, directory: LogDirectory, now_ms: int) -> LoadedDirectory:
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
            self.take_in(log, directory)
        self._stale_checkpoints |= loaded.stale_checkpoints
        return loaded

    def take_again(self, loaded: LoadedDirectory, now_ms: int) -> None:
        """A directory is online again: its failed logs give way to those that were read from it anew.

        A log that has no files yet is forgotten, and made again by whoever asks for it. One that was deleted while its
        directory was offline, or was about to be when that failed, goes now.
        """
        found = dict(loaded.logs)
        for log in list(self.logs_of(loaded.directory)):
            name = log.topic_partition
            if name in found:
                self._logs[name] = found.pop(name)
            else:
                del self._logs[name], self._home[name]
        self.discard(list(found.values()), loaded.directory, now_ms)
        self._stale_checkpoints |= loaded.stale_checkpoints
        self._unrecovered |= loaded.unrecovered
        self._note_holes()
        self._checkpoint(loaded.directory, sync=True)
        self._end_recovery(loaded)

    def close(self, *, clean: bool = True) -> None:
        """Stop. `clean` writes everything out, then the checkpoints, then the clean-shutdown markers."""
        for move in self.relocations:
            move.stop()
            # What it writes is about to be closed.
            move.wait()
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
        logs = [*self.logs_of(directory), *self.relocations.futures_in(directory)]
        logs = [log for log in logs if log.is_loaded]
        if len(logs) <= _CLOSING_THREADS:
            return all(list(map(_is_closed, logs)))
        from concurrent.futures import ThreadPoolExecutor

        # A log's close touches nothing but its own directory, and no append comes any more.
        with ThreadPoolExecutor(_CLOSING_THREADS) as pool:
            return all(list(pool.map(_is_closed, logs)))

    # Logs.

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
            self.identify(log)
            if ZERO_UUID in (log.topic_id, topic_id) or log.topic_id == topic_id:
                if log.topic_id == ZERO_UUID != topic_id:
                    log.adopt_topic_id(topic_id)
                if log.is_failed:
                    raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{log.directory} is offline")
                log.config = config
                return log
            logger.warning("%s has another topic id than the cluster's topic: put aside", log.directory)
            self.relocations.cancel(topic_partition, now_ms)
            self._put_aside([log], self._forget(log), STRAY_DIR_SUFFIX)
        elif not is_new:
            for directory in self.directories:
                if not directory.is_online:
                    raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{directory.path} is offline and may hold it")
        if self.relocations.forget_orphans(topic_partition):
            self._stale_checkpoints.add(topic_partition)
        self.settle_checkpoints(topic_partition, now_ms)
        from kwire.log.log import Log  # with the first one: two dozen modules that a start does not need

        directory = self.relocations.preferred(topic_partition) or self._emptiest()
        log = Log(
            topic_partition,
            topic_id,
            directory.path_of(str(topic_partition)),
            config,
            self._files,
            self,
            created_ms=now_ms,
        )
        self.take_in(log, directory)
        return log

    def identify(self, log: Log) -> None:
        """Look up whose log it is, which a start leaves for the first who asks. KAFKA_STORAGE_ERROR."""
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
        for directory in [*self._home.values(), *(move.target for move in self.relocations)]:
            if directory in counts:
                counts[directory] += 1
        return min(online, key=counts.__getitem__)

    def delete(self, names: Iterable[TopicPartition], now_ms: int) -> None:
        """Forget these logs; their directories are renamed to `-delete`, and removed after `file.delete.delay.ms`."""
        found: dict[LogDirectory, list[Log]] = {}
        for name in names:
            self.relocations.cancel(name, now_ms)
            log = self._logs.get(name)
            if log is not None:
                found.setdefault(self._forget(log), []).append(log)
        for directory, logs in found.items():
            self.discard(logs, directory, now_ms)

    def _forget(self, log: Log) -> LogDirectory:
        self.cleaner.removed(log.topic_partition, self._home[log.topic_partition])
        del self._logs[log.topic_partition]
        self._stale_checkpoints.add(log.topic_partition)
        return self._home.pop(log.topic_partition)

    def discard(self, logs: Sequence[Log], directory: LogDirectory, now_ms: int) -> None:
        """Rename the directories of logs that lie here to `-delete`; they are removed after `file.delete.delay.ms`."""
        self._stale_checkpoints.update(log.topic_partition for log in logs)
        for log, path in self._put_aside(logs, directory, DELETE_DIR_SUFFIX):
            self.removals.add((path,), log.config.file_delete_delay_ms, now_ms)

    def _put_aside(self, logs: Sequence[Log], directory: LogDirectory, suffix: str) -> list[tuple[Log, str]]:
        """The logs that had a directory, and what it is called now; none where the disk failed."""
        renamed: list[tuple[Log, str]] = []
        for log in logs:
            log.is_failed = True
        try:
            for log in logs:
                path = directory.path_of(marked_directory_name(log.topic_partition, self.unique_name(), suffix))
                with suppress(FileNotFoundError):
                    self._files.rename(log.directory, path)
                    renamed.append((log, path))
            if renamed:
                # A power cut must not bring them back under the name of the next topic that is called so.
                self._files.sync_directory(directory.path)
        except OSError as error:
            self.fail(directory, error)
            return []
        return renamed

    def take_in(self, log: Log, directory: LogDirectory) -> None:
        """A log that is here now, in this directory."""
        self._logs[log.topic_partition] = log
        self._home[log.topic_partition] = directory

    def rehome(self, log: Log, directory: LogDirectory) -> None:
        """A log has moved to another directory."""
        source, self._home[log.topic_partition] = self._home[log.topic_partition], directory
        self._stale_checkpoints.add(log.topic_partition)
        self.cleaner.moved(log.topic_partition, source, directory)

    # What logs ask for (`LogHost`).

    def truncated(self, log: LogState, offset: int) -> None:
        """A log was cut back to `offset`: compaction forgets what it knew of the rest."""
        self.cleaner.truncated(log.topic_partition, offset)

    def storage_failed(self, log: LogState, error: OSError) -> None:
        """The log's directory goes offline with all its logs."""
        directory = self._home.get(log.topic_partition)
        # A log that was deleted tells nothing about the disk; its name may be another log's by now.
        if directory is not None and directory.is_online and self._logs[log.topic_partition] is log:
            self.fail(directory, error)

    def remove_later(self, paths: Sequence[str], delay_ms: int, now_ms: int) -> None:
        """Unlink files after `delay_ms`."""
        self.removals.add(paths, delay_ms, now_ms)

    def lower_recovery_point(self, log: LogState, offset: int) -> None:
        """Before a truncation: what is appended after it was not flushed."""
        self._around(log).lower_recovery_point(log.topic_partition, offset)

    def lower_log_start(self, log: LogState, offset: int) -> None:
        """After a truncation below the start: what is appended now begins a log of its own."""
        self._around(log).lower_log_start(log.topic_partition, offset)

    def _around(self, log: LogState) -> LogDirectory:
        """Where a log lies, also one that was deleted meanwhile."""
        path = os.path.dirname(log.directory)
        return next(directory for directory in self.directories if directory.path == path)

    def segment_closed(self, log: LogState) -> None:
        """A log has rolled: what it closed is to be flushed in a thread."""
        self._rolled.add(self._logs[log.topic_partition])

    def is_expired(self, last_timestamp: int, now_ms: int) -> bool:
        """Whether `producer.id.expiration.ms` is over for a producer that a snapshot remembers."""
        return now_ms - last_timestamp >= self._producer_expiration_ms()

    def segment_recovered(self, size_bytes: int) -> None:
        """A segment was read whole. May be called in a thread."""
        self._recovery.read_bytes += size_bytes

    def hole_taken(self, log: LogState) -> None:
        """Remembered until recovery is over; the cleaner's checkpoint says it then. May be called in a thread."""
        self._with_holes.append(log.topic_partition)

    def segment_jitter_ms(self, config: LogConfig) -> int:
        """How much earlier than `segment.ms` a log rolls, so that many do not roll at once."""
        most = min(config.segment_jitter_ms, config.segment_ms)
        return self._draw_jitter_ms(most) if most else 0

    # What the broker calls from time to time.


def _is_closed(log: Log) -> bool:
    try:
        log.close()
    except FileExistsError as error:
        # Nobody has written to it, and its directory could not be made: there is nothing to recover.
        logger.error("%s has no directory: %s", log.topic_partition, error)
    except WireError as error:
        logger.error("%s is left for recovery: %s", log.topic_partition, error)
        return False
    return True
