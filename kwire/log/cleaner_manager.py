"""Which log is compacted next, from where to where, and which must be left alone.

A log is compacted when enough of it is dirty (`min.cleanable.dirty.ratio`), or when a dirty record has waited for
`max.compaction.lag.ms`; the filthiest goes first. Its clean part ends at the *first dirty offset*, which
`cleaner-offset-checkpoint` remembers in the log's directory; one that is old only means that more is read again. That a
partition is in it tells recovery that its log may have holes: its first entry is on the device before anything is
compacted, and no later write loses it. The log is compacted up to the *first uncleanable offset*: the active segment,
the last stable offset, or the first segment with records younger than `min.compaction.lag.ms`.

Compaction and retention of a compacted log exclude each other: one of them *works* on a partition. Work is *aborted*
when the log is truncated, deleted or moved meanwhile; it then ends without effect, and nothing begins before. While a
partition is *paused* nothing begins either.
Source: Kafka's `LogCleanerManager`. No clock and no thread: the instant comes in.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from kwire.ids import TopicPartition
from kwire.log.checkpoints import CLEANER_POINTS
from kwire.log.cleaning_job import CleaningJob
from kwire.log.config import DELETE
from kwire.log.directory import LogDirectory
from kwire.log.log import Log
from kwire.log.segment import LogSegment

logger = logging.getLogger(__name__)


class LogToClean(NamedTuple):
    """A compacted log and how dirty it is."""

    log: Log
    first_dirty_offset: int
    first_uncleanable_offset: int
    clean_bytes: int
    cleanable_bytes: int
    must_be_compacted: bool
    """A record has waited for `max.compaction.lag.ms`."""

    @property
    def cleanable_ratio(self) -> float:
        total = self.clean_bytes + self.cleanable_bytes
        return self.cleanable_bytes / total if total else 0.0

    @property
    def is_due(self) -> bool:
        if self.must_be_compacted and self.cleanable_bytes:
            return True
        return self.cleanable_ratio > self.log.config.min_cleanable_dirty_ratio

    def last_records(self) -> Iterator[tuple[int, int, int]]:
        """`CleaningJob.last_records`, of the producers that are known when the first is asked for.

        Appends may come in between: they are beyond what is compacted.
        """
        for entry in list(self.log.producers.entries.values()):
            yield entry.producer_id, entry.batches[-1].last_offset if entry.batches else -1, entry.epoch

    def job(self, now_ms: int, last_records: list[tuple[int, int, int]] | None = None) -> CleaningJob:
        """All that the compaction needs to know. KafkaError as `Log.read_error`."""
        log, config, end = self.log, self.log.config, self.first_uncleanable_offset
        segments = [segment for segment in log.segments if segment.base_offset < end]
        start = segments[0].base_offset if segments else end
        return CleaningJob(
            directory=log.directory,
            segments=[(segment.base_offset, segment.size) for segment in segments],
            first_dirty_offset=self.first_dirty_offset,
            first_uncleanable_offset=end,
            aborted=list(log.aborted_transactions(start, end)),
            last_records=list(self.last_records()) if last_records is None else last_records,
            now_ms=now_ms,
            segment_bytes=config.segment_bytes,
            segment_index_bytes=config.segment_index_bytes,
            index_interval_bytes=config.index_interval_bytes,
            delete_retention_ms=config.delete_retention_ms,
        )


class CleanerManager:
    """The state of compaction over all logs of a broker."""

    def __init__(
        self, logs: Callable[[], Iterable[Log]], directory_of: Callable[[TopicPartition], LogDirectory | None]
    ) -> None:
        """`logs()` are those there are now; `directory_of` tells where each one lies, None for one that is gone."""
        self._logs = logs
        self._directory_of = directory_of
        self._working: dict[TopicPartition, bool] = {}
        """False once the work is aborted."""
        self._paused: dict[TopicPartition, int] = {}
        self._checkpoints: dict[LogDirectory, dict[TopicPartition, int]] = {}
        self._uncleanable: dict[TopicPartition, Log] = {}

    # Choosing.

    def compacted_logs(self) -> Iterator[Log]:
        """The logs that may be worked on now: compacted ones, of which nothing is under way, paused or uncleanable."""
        for log in list(self._logs()):
            name = log.topic_partition
            is_wanted = log.config.is_compacted and not log.is_failed
            if is_wanted and self.is_free(name) and self._uncleanable.get(name) is not log:
                yield log

    def is_free(self, name: TopicPartition) -> bool:
        """Whether nothing is under way, and nothing forbids that something begins."""
        return name not in self._working and name not in self._paused

    def examine(self, log: Log, now_ms: int) -> LogToClean | None:
        """How dirty a log is; None when nothing of it can be compacted. Opens a log that was not opened yet.

        KafkaError as `Log.read_error`; OSError or WireError when its segments cannot be looked into.
        """
        log.load()
        if len(log.segments) == 1:
            return None
        name, directory = log.topic_partition, self._directory_of(log.topic_partition)
        if directory is None:
            return None
        first_dirty, is_reset = self._first_dirty_offset(log, self._checkpoint(directory).get(name))
        if is_reset:
            self._update(directory, name, first_dirty, log)
        segments = list(log.segments)
        dirty = _closed_from(segments, first_dirty)
        limit = max(_first_uncleanable_offset(log, dirty, now_ms), first_dirty)
        uncleanable = next(iter(_closed_from(segments, limit)), log.segments.active).base_offset
        cleanable = sum(segment.size for segment in dirty if segment.base_offset < uncleanable)
        clean = sum(segment.size for segment in segments if segment.base_offset < first_dirty)
        if not clean + cleanable:
            return None
        return LogToClean(log, first_dirty, uncleanable, clean, cleanable, _has_waited_too_long(log, dirty, now_ms))

    def begin(self, candidates: Iterable[LogToClean]) -> LogToClean | None:
        """The filthiest of those that are due, now in progress; None when none is, or its disk fails."""
        due = [found for found in candidates if found.is_due and self.is_free(found.log.topic_partition)]
        filthiest = max(due, key=lambda found: found.cleanable_ratio, default=None)
        if filthiest is None:
            return None
        try:
            self.announce(filthiest.log, filthiest.first_dirty_offset)
        except OSError as error:
            filthiest.log.storage_error(error)
            return None
        self._working[filthiest.log.topic_partition] = True
        return filthiest

    def announce(self, log: Log, first_dirty_offset: int) -> None:
        """Put it on the device, unless it is there, that the log is compacted and may have holes. Raises OSError."""
        directory = self._directory_of(log.topic_partition)
        if directory is not None and log.topic_partition not in directory.read_checkpoint(CLEANER_POINTS):
            self._write(directory, log.topic_partition, first_dirty_offset, log)

    def grab_filthiest(self, now_ms: int) -> LogToClean | None:
        """`examine` all logs, and `begin` with the filthiest. One that cannot be looked into is uncleanable."""
        return self.begin(found for log in self.compacted_logs() if (found := self.try_examine(log, now_ms)))

    def try_examine(self, log: Log, now_ms: int) -> LogToClean | None:
        """`examine`; a log that fails is marked uncleanable."""
        try:
            return self.examine(log, now_ms)
        except Exception as error:
            self.mark_uncleanable(log, error)
            return None

    def _first_dirty_offset(self, log: Log, checkpoint: int | None) -> tuple[int, bool]:
        """(the offset, whether the checkpoint must be set to it)."""
        start = log.log_start_offset
        if checkpoint is None:
            return start, False
        if checkpoint < start:
            if DELETE not in log.config.cleanup_policy:
                logger.warning("%s was compacted up to %d and begins at %d", log.topic_partition, checkpoint, start)
            return start, True
        if checkpoint > log.log_end_offset:
            # Data was lost at the end, so it is not known what the rest has been compared with.
            logger.warning(
                "%s was compacted up to %d and ends at %d", log.topic_partition, checkpoint, log.log_end_offset
            )
            return start, True
        return checkpoint, False

    # States.

    def may_take_effect(self, name: TopicPartition) -> bool:
        """Whether work is under way that was not aborted."""
        return self._working.get(name, False)

    def done_cleaning(self, log: Log, end_offset: int | None) -> None:
        """The work has ended; `end_offset` is the next first dirty offset, None if it failed or had no effect."""
        name = log.topic_partition
        directory = self._directory_of(name)
        if self._working.pop(name) and end_offset is not None and directory is not None:
            self._update(directory, name, end_offset, log)

    def begin_deletion(self, log: Log) -> bool:
        """Retention of a compacted log begins; False when it must not."""
        if not self.is_free(log.topic_partition):
            return False
        self._working[log.topic_partition] = True
        return True

    def done_deleting(self, log: Log) -> None:
        """Retention has ended."""
        del self._working[log.topic_partition]

    def abort(self, name: TopicPartition) -> None:
        """What is under way must not take effect any more."""
        if name in self._working:
            self._working[name] = False

    def abort_and_pause(self, name: TopicPartition) -> None:
        """`abort`, and begin nothing until `resume` was called as often."""
        self.abort(name)
        self._paused[name] = self._paused.get(name, 0) + 1

    def resume(self, name: TopicPartition) -> None:
        """Undo one `abort_and_pause`; ValueError without one."""
        count = self._paused.pop(name, 0)
        if not count:
            raise ValueError(f"compaction of {name} is not paused")
        if count > 1:
            self._paused[name] = count - 1

    # Uncleanable partitions.

    def mark_uncleanable(self, log: Log, error: BaseException) -> None:
        """Leave the log alone until the next start, or until it is deleted; the others go on."""
        if not log.is_failed:
            logger.error("%s cannot be compacted and is left as it is: %s", log.topic_partition, error)
        self._uncleanable[log.topic_partition] = log

    @property
    def uncleanable_partitions(self) -> set[TopicPartition]:
        """The partitions that were marked, and are still there."""
        self._uncleanable = {
            name: log for name, log in self._uncleanable.items() if any(log is known for known in self._logs())
        }
        return set(self._uncleanable)

    # Checkpoints.

    def first_dirty_offset(self, name: TopicPartition) -> int | None:
        """What the checkpoint says of a partition."""
        directory = self._directory_of(name)
        return None if directory is None else self._checkpoint(directory).get(name)

    def truncated(self, name: TopicPartition, offset: int) -> None:
        """The log ends at `offset` now: what comes behind it is dirty (Kafka's `maybeTruncateCheckpoint`)."""
        self.abort(name)
        directory = self._directory_of(name)
        if directory is not None and self._checkpoint(directory).get(name, 0) > offset:
            self._update(directory, name, offset)

    def removed(self, name: TopicPartition, directory: LogDirectory) -> None:
        """The partition is deleted from the directory."""
        self.abort(name)
        if name in self._checkpoint(directory):
            self._update(directory, name, None)

    def moves(self, name: TopicPartition, source: LogDirectory, target: LogDirectory) -> None:
        """The partition is about to lie in another directory: from now on both know of it. Raises OSError."""
        try:
            offset = self._read(source).get(name)
        except OSError:
            offset = 0  # It may have been compacted.
        if offset is not None:
            self._write(target, name, offset)

    def moved(self, name: TopicPartition, source: LogDirectory, target: LogDirectory) -> None:
        """The partition lies in another directory now (Kafka's `alterCheckpointDir`)."""
        self.abort(name)
        offset = self._checkpoint(source).get(name)
        if offset is not None:
            self._update(target, name, offset)
            self._update(source, name, None)

    def _checkpoint(self, directory: LogDirectory) -> dict[TopicPartition, int]:
        """`_read`, where a disk that fails only means that more is read again: it is judged by those who must know."""
        try:
            return self._read(directory)
        except OSError as error:
            logger.error("%s is taken as empty: %s", os.path.join(directory.path, CLEANER_POINTS), error)
            return {}

    def _read(self, directory: LogDirectory) -> dict[TopicPartition, int]:
        if directory not in self._checkpoints:
            self._checkpoints[directory] = directory.read_checkpoint(CLEANER_POINTS)
        return self._checkpoints[directory]

    def _update(
        self, directory: LogDirectory, name: TopicPartition, offset: int | None, log: Log | None = None
    ) -> None:
        """`_write`, where a disk that fails only makes the next compaction read more."""
        try:
            self._write(directory, name, offset, log)
        except OSError as error:
            logger.error("%s: %s", os.path.join(directory.path, CLEANER_POINTS), error)

    def _write(self, directory: LogDirectory, name: TopicPartition, offset: int | None, log: Log | None = None) -> None:
        """Set or remove an entry, on the device: a power cut would take the others as well. Raises OSError.

        Of a `log` that was compacted from its start on, the start comes first: should a crash bring back what lies
        before, nobody would look at that again.
        """
        if log is not None and directory.is_online:
            directory.secure_log_start(log)
        offsets = {
            known: at
            for known, at in self._read(directory).items()
            if known != name and self._directory_of(known) is directory
        }
        if offset is not None:
            offsets[name] = offset
        self._checkpoints[directory] = offsets
        if directory.is_online:
            directory.write_checkpoint(CLEANER_POINTS, offsets, sync=True)


def _closed_from(segments: list[LogSegment], offset: int) -> list[LogSegment]:
    """The closed segments from the one that holds `offset` on (Kafka's `nonActiveLogSegmentsFrom`)."""
    ends = [segment.base_offset for segment in segments[1:]]
    return [segment for segment, end in zip(segments, ends, strict=False) if end > offset]


def _first_uncleanable_offset(log: Log, dirty: list[LogSegment], now_ms: int) -> int:
    limit = min(log.last_stable_offset, log.segments.active.base_offset)
    lag_ms = log.config.min_compaction_lag_ms
    if lag_ms > 0:
        for segment in dirty:
            if segment.largest_timestamp_and_offset()[0] > now_ms - lag_ms:
                return min(limit, segment.base_offset)
    return limit


def _has_waited_too_long(log: Log, dirty: list[LogSegment], now_ms: int) -> bool:
    first_timestamps = [timestamp for segment in dirty if (timestamp := segment.first_timestamp()) > 0]
    return bool(first_timestamps) and min(first_timestamps) < now_ms - log.config.max_compaction_lag_ms
