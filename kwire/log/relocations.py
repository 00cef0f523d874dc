"""Which partitions are on their way to another log directory: begun, resumed, given up, completed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.log.directory import LogDirectory
from kwire.log.files import DELETE_DIR_SUFFIX, FUTURE_DIR_SUFFIX, marked_directory_name
from kwire.log.loading import LoadedDirectory, marked_partition
from kwire.log.relocation import Relocation

if TYPE_CHECKING:
    from kwire.log.log import Log
    from kwire.log.manager import LogManager

logger = logging.getLogger(__name__)
_MAX_FUTURE_NAME = 255
MAX_PREFERRED = 10_000
"""How many partitions that are not here may have a directory that waits for them; the oldest wish is forgotten."""


def _nobody_waits() -> None:
    pass


class Relocations:
    """The moves of one manager's logs, by partition; `on_begun` is called when there is a new one to drive."""

    __slots__ = ("_manager", "_moves", "_preferred", "broken_off_in", "on_begun")

    def __init__(self, manager: LogManager) -> None:
        self._manager = manager
        self._moves: dict[TopicPartition, Relocation] = {}
        self._preferred: dict[TopicPartition, LogDirectory] = {}
        self.broken_off_in: set[LogDirectory] = set()
        """Directories of moves that a failing disk broke off: only the next start, which reads all, sorts them out."""
        self.on_begun: Callable[[], None] = _nobody_waits

    def __iter__(self) -> Iterator[Relocation]:
        return iter(list(self._moves.values()))

    def get(self, topic_partition: TopicPartition) -> Relocation | None:
        """The partition's move, if it is moving."""
        return self._moves.get(topic_partition)

    def futures_in(self, directory: LogDirectory) -> list[Log]:
        """The future logs that lie in a directory."""
        return [move.future for move in self._moves.values() if move.target is directory]

    def preferred(self, topic_partition: TopicPartition) -> LogDirectory | None:
        """Where a partition was asked to be before it had a log; None where nobody asked, or the disk has failed."""
        directory = self._preferred.pop(topic_partition, None)
        return directory if directory is not None and directory.is_online else None

    def request(self, topic_partition: TopicPartition, path: str, now_ms: int) -> bool:
        """Let a partition move to the directory `path` (an entry of `log.dirs`); False when it has no log here.

        A partition without a log goes there when it gets one. INVALID_TOPIC_EXCEPTION for a name too long for its
        `-future` directory, LOG_DIR_NOT_FOUND, KAFKA_STORAGE_ERROR when the directory is offline, or another is.
        Source: Kafka's `ReplicaManager.alterReplicaLogDirs`.
        """
        if len(f"{topic_partition}.{'0' * 32}{FUTURE_DIR_SUFFIX}".encode()) > _MAX_FUTURE_NAME:
            raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, "The topic name is too long.")
        target = next((each for each in self._manager.directories if each.path == path), None)
        if target is None:
            raise KafkaError(ErrorCode.LOG_DIR_NOT_FOUND, f"{path} is not one of log.dirs")
        if not target.is_online:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{path} is offline")
        log = self._manager.get(topic_partition)
        if log is None:
            self._preferred.pop(topic_partition, None)
            if len(self._preferred) == MAX_PREFERRED:
                del self._preferred[next(iter(self._preferred))]
            self._preferred[topic_partition] = target
            return False
        if log.is_failed:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{log.directory} is offline")
        move = self._moves.get(topic_partition)
        if move is not None and move.target is not target:
            self.cancel(topic_partition, now_ms)
            move = None
        if move is None and self._manager.home_of(log) is not target:
            self._begin(log, target, now_ms)
        return True

    def _begin(self, log: Log, target: LogDirectory, now_ms: int) -> None:
        manager = self._manager
        for directory in manager.directories:
            if not directory.is_online:
                raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{directory.path} is offline and may hold it")
        if not log.is_on_disk:
            log.move_to(target.path_of(str(log.topic_partition)))
            manager.rehome(log, target)
            return
        name = marked_directory_name(log.topic_partition, manager.unique_name(), FUTURE_DIR_SUFFIX)
        from kwire.log.log import Log

        future = Log(
            log.topic_partition,
            log.topic_id,
            target.path_of(name),
            log.config,
            target.files,
            manager,
            created_ms=now_ms,
        )
        try:
            future.put_on_disk()
        except OSError as error:
            manager.fail(target, error)
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{target.path}: {error}") from error
        self.resume(log, future, target)
        logger.info("%s moves from %s to %s", log.topic_partition, log.directory, target.path)

    def resume(self, log: Log, future: Log, target: LogDirectory, *, agreed_to: int | None = None) -> None:
        """Go on with a move that a former start began; `agreed_to` as in `Relocation`."""
        # Compacted meanwhile, the log would differ from what was copied of it: a deleted key might come back.
        self._manager.cleaner.abort_and_pause(log.topic_partition)
        self._moves[log.topic_partition] = Relocation(log, future, target, self._manager, agreed_to=agreed_to)
        self.on_begun()

    def resume_all(self, loaded: Sequence[LoadedDirectory], now_ms: int) -> None:
        """Go on with the moves that the last stop broke off; a disk that fails here takes its directory offline."""
        manager = self._manager
        crashed = {one.directory for one in loaded if not one.was_clean}
        deleted = {each[0] for one in loaded for path in one.marked_for_removal if (each := marked_partition(path))}
        for one in loaded:
            for name, future in one.futures.items():
                log = manager.get(name)
                if log is not None and manager.home_of(log) is not one.directory and name not in self._moves:
                    agreed_to = log.recovery_point if manager.home_of(log) in crashed else None
                    self.resume(log, future, one.directory, agreed_to=agreed_to)
                elif log is not None:
                    manager.discard([future], one.directory, now_ms)
                elif name in deleted and len(loaded) == len(manager.directories):
                    self._finish(future, one.directory)
                else:
                    logger.warning("%s is left alone: its partition has no log here", future.directory)

    def cut_back(self, now_ms: int) -> None:
        """`Relocation.cut_back` of those that a crash has met; one whose disk fails tells when it goes on."""
        for move in self:
            with suppress(KafkaError):
                move.cut_back(now_ms)

    def _finish(self, future: Log, target: LogDirectory) -> None:
        """A move was broken off between the two renames: the future log is complete, and the partition's only one."""
        path = target.path_of(str(future.topic_partition))
        try:
            target.files.rename(future.directory, path)
            target.files.sync_directory(target.path)
        except OSError as error:
            self.broken_off_in.add(target)
            self._manager.fail(target, error)
            return
        future.directory = path
        self._manager.take_in(future, target)

    def cancel(self, topic_partition: TopicPartition, now_ms: int) -> None:
        """Give a move up: the future log becomes `-delete`."""
        move = self._moves.pop(topic_partition, None)
        if move is not None:
            self._manager.cleaner.resume(topic_partition)
            move.stop()
            if move.target.is_online:
                self._manager.discard([move.future], move.target, now_ms)

    def forget_those_of(self, directory: LogDirectory) -> None:
        """A directory is offline: no partition moves to it or out of it until the next start."""
        for topic_partition, move in list(self._moves.items()):
            if move.target is directory or self._manager.home_of(move.log) is directory:
                move.stop()
                del self._moves[topic_partition]
                self.broken_off_in |= {self._manager.home_of(move.log), move.target}
                self._manager.cleaner.resume(topic_partition)

    def complete(self, move: Relocation, now_ms: int) -> None:
        """The future log has caught up: the log goes on in it. A disk that fails here takes its directory offline."""
        log, manager = move.log, self._manager
        source = manager.home_of(log)
        future = move.future
        old = source.path_of(marked_directory_name(log.topic_partition, manager.unique_name(), DELETE_DIR_SUFFIX))
        new = move.target.path_of(str(log.topic_partition))
        move.stop()
        try:
            future.epochs.replace(log.epochs.entries)
            future.epochs.write()
            manager.cleaner.moves(log.topic_partition, source, move.target)
        except OSError as error:
            manager.fail(move.target, error)
            return
        log.segments.close()
        try:
            source.files.rename(log.directory, old)
            # In this order on the device as well, or a power cut might leave the partition twice.
            source.files.sync_directory(source.path)
        except OSError as error:
            self.broken_off_in |= {source, move.target}
            manager.fail(source, error)
            return
        del self._moves[log.topic_partition]
        manager.cleaner.resume(log.topic_partition)
        log.continue_in(future)
        manager.rehome(log, move.target)
        try:
            move.target.files.rename(future.directory, new)
            move.target.files.sync_directory(move.target.path)
        except OSError as error:
            self.broken_off_in |= {source, move.target}
            manager.fail(move.target, error)
            return
        log.move_to(new)
        manager.remove_later((old,), log.config.file_delete_delay_ms, now_ms)
        manager.checkpoint(now_ms)
        logger.info("%s has moved to %s", log.topic_partition, log.directory)
