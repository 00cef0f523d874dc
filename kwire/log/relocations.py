"""Which partitions are on their way to another log directory: begun, resumed, given up, completed.

A start goes on with a copy only if the log that was copied vouches for it (`future_note`): whatever else is called
`-future` may lack what was written, compacted or deleted since, and is discarded.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from kwire.errors import ErrorCode, KafkaError
from kwire.ids import ZERO_UUID, TopicPartition
from kwire.log import checkpoints, future_note
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


def _hand_over(move: Relocation) -> None:
    """What the log knows and its batches do not tell is on the target's device: epochs, start, topic id. OSError.

    From the first rename on, a crash leaves nobody else who knows.
    """
    log, future, target = move.log, move.future, move.target
    future.epochs.replace(log.epochs.entries)
    future.epochs.write()
    path = os.path.join(future.directory, checkpoints.PARTITION_METADATA)
    metadata = target.files.read_file(path)
    if ZERO_UUID != log.topic_id != checkpoints.parse_partition_metadata(metadata):
        # A power cut has taken it from a copy that a later start went on with.
        target.files.replace_file(path, checkpoints.render_partition_metadata(log.topic_id), sync=True)
    future.log_start_offset = log.log_start_offset
    starts = target.read_checkpoint(checkpoints.LOG_STARTS)
    known = starts.pop(log.topic_partition, None)
    if log.log_start_offset > next(iter(future.segments)).base_offset:
        starts[log.topic_partition] = log.log_start_offset
    if starts.get(log.topic_partition) != known:
        target.write_checkpoint(checkpoints.LOG_STARTS, starts, sync=True)


def _nobody_waits() -> None:
    pass


class Relocations:
    """The moves of one manager's logs, by partition; `on_change` is called when one begins or is given up."""

    __slots__ = ("_left_alone", "_manager", "_moves", "_preferred", "broken_off_in", "on_change")

    def __init__(self, manager: LogManager) -> None:
        self._manager = manager
        self._left_alone: list[tuple[Log, LogDirectory]] = []
        self._moves: dict[TopicPartition, Relocation] = {}
        self._preferred: dict[TopicPartition, LogDirectory] = {}
        self.broken_off_in: set[LogDirectory] = set()
        """Directories of moves that a failing disk broke off: only the next start, which reads all, sorts them out."""
        self.on_change: Callable[[], None] = _nobody_waits

    def __iter__(self) -> Iterator[Relocation]:
        return iter(list(self._moves.values()))

    def get(self, topic_partition: TopicPartition) -> Relocation | None:
        """The partition's move, if it is moving."""
        return self._moves.get(topic_partition)

    def futures_in(self, directory: LogDirectory) -> list[Log]:
        """The future logs that lie in a directory, also those whose partition has no log here."""
        orphans = [future for future, target in self._left_alone if target is directory]
        return orphans + [move.future for move in self._moves.values() if move.target is directory]

    def forget_orphans(self, topic_partition: TopicPartition) -> bool:
        """Checkpoints tell of a new log of that name from now on, not of a copy that was left alone; was there one?"""
        count = len(self._left_alone)
        self._left_alone = [each for each in self._left_alone if each[0].topic_partition != topic_partition]
        return len(self._left_alone) < count

    def preferred(self, topic_partition: TopicPartition) -> LogDirectory | None:
        """Where a partition was asked to be before it had a log; None where nobody asked, or the disk has failed."""
        directory = self._preferred.pop(topic_partition, None)
        return directory if directory is not None and directory.is_online else None

    def prefer(self, topic_partition: TopicPartition, path: str) -> LogDirectory:
        """Let a partition get its next log in the directory `path` (an entry of `log.dirs`), which is returned.

        INVALID_TOPIC_EXCEPTION for a name too long for its `-future` directory, LOG_DIR_NOT_FOUND, KAFKA_STORAGE_ERROR
        when the directory is offline. Source: Kafka's `ReplicaManager.alterReplicaLogDirs`.
        """
        if len(f"{topic_partition}.{'0' * 32}{FUTURE_DIR_SUFFIX}".encode()) > _MAX_FUTURE_NAME:
            raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, "The topic name is too long.")
        target = next((each for each in self._manager.directories if each.path == path), None)
        if target is None:
            raise KafkaError(ErrorCode.LOG_DIR_NOT_FOUND, f"{path} is not one of log.dirs")
        if not target.is_online:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{path} is offline")
        self._preferred.pop(topic_partition, None)
        if len(self._preferred) == MAX_PREFERRED:
            del self._preferred[next(iter(self._preferred))]
        self._preferred[topic_partition] = target
        return target

    def request(self, topic_partition: TopicPartition, path: str, now_ms: int) -> bool:
        """Let a partition move to the directory `path`; False when it has no log here.

        A partition without a log goes there when it gets one. Raises as `prefer`, and KAFKA_STORAGE_ERROR when another
        directory is offline.
        """
        target = self.prefer(topic_partition, path)
        log = self._manager.get(topic_partition)
        if log is None:
            return False
        del self._preferred[topic_partition]
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
        manager.identify(log)
        manager.settle_checkpoints(log.topic_partition, now_ms)
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
            with suppress(OSError):
                target.files.remove_directory(future.directory)
            manager.fail(target, error)
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{target.path}: {error}") from error
        try:
            future_note.write(log.files, log.directory, future.directory)
        except OSError as error:
            manager.discard([future], target, now_ms)
            raise log.storage_error(error) from error
        self.resume(log, future, target)
        logger.info("%s moves from %s to %s", log.topic_partition, log.directory, target.path)

    def resume(self, log: Log, future: Log, target: LogDirectory, *, agreed_to: int | None = None) -> None:
        """Go on with a move that a former start began; `agreed_to` as in `Relocation`."""
        # Compacted meanwhile, the log would differ from what was copied of it: a deleted key might come back.
        self._manager.cleaner.abort_and_pause(log.topic_partition)
        self._moves[log.topic_partition] = Relocation(log, future, target, self._manager, agreed_to=agreed_to)
        self.on_change()

    def resume_all(self, loaded: Sequence[LoadedDirectory], now_ms: int) -> None:
        """Go on with the moves that the last stop broke off; a disk that fails here takes its directory offline."""
        manager = self._manager
        crashed = {one.directory for one in loaded if not one.was_clean}
        futures = [(future, one.directory) for one in loaded for future in one.futures]
        vouched_for = {future for one in loaded for future in self._vouched_for(one, futures)}
        for future, target in futures:
            name = future.topic_partition
            log = manager.get(name)
            if log is None:
                if len(loaded) == len(manager.directories) and self._is_complete(future, loaded):
                    self._finish(future, target)
                else:
                    logger.warning("%s is left alone: its partition has no log here", future.directory)
                    self._left_alone.append((future, target))
            elif future in vouched_for:
                agreed_to = log.recovery_point if manager.home_of(log) in crashed else None
                self.resume(log, future, target, agreed_to=agreed_to)
            elif not log.is_failed:
                self._discard_stale(future, target, now_ms)

    def _vouched_for(self, source: LoadedDirectory, futures: Sequence[tuple[Log, LogDirectory]]) -> set[Log]:
        """The copies that are to go on, of logs in `source`; a note of one that is not here ends now.

        What its log is given from here on, the copy would not hear of.
        """
        found: set[Log] = set()
        try:
            for name, log in source.logs.items():
                note = future_note.read(log.files, log.directory)
                if note is None:
                    continue
                named = [
                    future
                    for future, target in futures
                    if future.topic_partition == name
                    and target is not source.directory
                    and future_note.is_of(note, future.directory)
                ]
                found.update(named[:1])
                if not named:
                    future_note.remove(log.files, log.directory)
        except OSError as error:
            self._manager.fail(source.directory, error)
            return set()
        return found

    def _is_complete(self, future: Log, loaded: Sequence[LoadedDirectory]) -> bool:
        """Whether its partition's directory is `-delete` since the log was about to go on in this very copy."""
        for one in loaded:
            for path in one.marked_for_removal:
                marked = marked_partition(path)
                if marked is None or marked[0] != future.topic_partition:
                    continue
                try:
                    if future_note.is_of(future_note.read(one.directory.files, path), future.directory):
                        return True
                except OSError as error:
                    self._manager.fail(one.directory, error)
        return False

    def sort_out(self, futures: Sequence[Log], target: LogDirectory, now_ms: int) -> None:
        """A directory is online again: no copy in it belongs to a move, since none goes to an offline directory.

        One whose partition has no log here, or a failed one, may be needed: the next start sees to it.
        """
        self._left_alone = [(future, place) for future, place in self._left_alone if place is not target]
        for future in futures:
            log = self._manager.get(future.topic_partition)
            if log is None:
                self._left_alone.append((future, target))
            elif not log.is_failed:
                self._discard_stale(future, target, now_ms)

    def _discard_stale(self, future: Log, target: LogDirectory, now_ms: int) -> None:
        """A copy that its log does not vouch for becomes `-delete`."""
        logger.info("%s is discarded: its log has gone on without it", future.directory)
        self._manager.discard([future], target, now_ms)

    def cut_back(self, now_ms: int) -> None:
        """`Relocation.cut_back` of those that a crash has met; one whose disk fails is given up."""
        for move in self:
            try:
                move.cut_back(now_ms)
            except KafkaError as error:
                self.give_up(move, error, now_ms)

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
            self._disown(move)
            if move.target.is_online:
                self._manager.discard([move.future], move.target, now_ms)

    def give_up(self, move: Relocation, error: Exception, now_ms: int) -> None:
        """A move has failed, and the log stays where it is; where that was the target's disk, it goes offline."""
        topic_partition = move.log.topic_partition
        if self._moves.get(topic_partition) is not move:
            return
        why = error.message if isinstance(error, KafkaError) else str(error)
        logger.error("%s stays in %s: %s", topic_partition, move.log.directory, why)
        self.cancel(topic_partition, now_ms)
        if move.error is not None:
            self._manager.fail(move.target, move.error)

    def forget_those_of(self, directory: LogDirectory) -> None:
        """A directory is offline: no partition moves to it or out of it until the next start."""
        for topic_partition, move in list(self._moves.items()):
            source = self._manager.home_of(move.log)
            if directory in (source, move.target) and self._moves.pop(topic_partition, None) is not None:
                self.broken_off_in |= {source, move.target}
                self._disown(move)

    def _disown(self, move: Relocation) -> None:
        """The log goes on without its copy, and no start may take that up again; a disk that fails goes offline.

        Where the log's own disk has failed, nothing can be written to it either, and the next start may go on.
        """
        manager, log = self._manager, move.log
        source = manager.home_of(log)
        move.stop()
        self.on_change()
        if source.is_online:
            try:
                future_note.remove(source.files, log.directory)
            except OSError as error:
                self.broken_off_in.add(source)
                manager.fail(source, error)
        # Not before: compacted from now on, the log differs from what was copied of it.
        manager.cleaner.resume(log.topic_partition)

    def complete(self, move: Relocation, now_ms: int) -> None:
        """The future log has caught up: the log goes on in it. A disk that fails here takes its directory offline."""
        log, manager = move.log, self._manager
        source = manager.home_of(log)
        future = move.future
        old = source.path_of(marked_directory_name(log.topic_partition, manager.unique_name(), DELETE_DIR_SUFFIX))
        new = move.target.path_of(str(log.topic_partition))
        manager.identify(log)
        move.stop()
        try:
            _hand_over(move)
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
