"""A partition's move to another log directory while it is written (AlterReplicaLogDirs, KIP-113).

```
<topic>-<partition>.<32 hex>-future   in the new directory: a log that follows the partition's own, slice by slice
<topic>-<partition>/.kwire_future     in the old one: names the above (`future_note`)
```
The future log is a follower in the same process: it takes batches as they lie in the current one, in its own segments
and indexes. When it has all, the current directory becomes `-delete`, the future one takes the partition's name, and
the `Log` goes on in it: whoever holds the `Log` notices nothing. A restart resumes where the future log ends; after a
crash, no further on than the recovery point of the current one, which may have lost what was copied of it. A crash
between the two renames leaves `-delete` beside `-future`: the next start gives the future one its name. Source: Kafka's
`ReplicaAlterLogDirsThread`, `LogManager.replaceCurrentWithFutureLog`, which rename in the other order and cannot start
after such a crash.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kwire.log.config import LogConfig
from kwire.log.directory import LogDirectory
from kwire.wire.parts import FileRange

if TYPE_CHECKING:
    from kwire.log.log import Log
    from kwire.log.log_host import LogHost
    from kwire.log.log_state import LogState

SLICE_BYTES = 1 << 20
LARGEST_SLICE_BYTES = 32 << 20
"""What slices grow to while producers write faster than is copied: the last one has to reach the end."""
_FAR_BEHIND = 1 << 63


class Relocation:
    """One move: `log` goes on in `target` once `future` has caught up. The host (`LogHost`) of the future log.

    `next_slice`, then `copy` of what it gave, and again; `copy` and `flush` may run in a thread, all else belongs to
    the thread of the logs.
    """

    __slots__ = (
        "_agreed_to",
        "_host",
        "_is_stopped",
        "_last_lag",
        "_last_unflushed_bytes",
        "_lock",
        "_slice_bytes",
        "_unflushed_bytes",
        "error",
        "future",
        "log",
        "target",
        "was_flushed",
        "was_rolled",
    )

    def __init__(
        self, log: Log, future: Log, target: LogDirectory, host: LogHost, *, agreed_to: int | None = None
    ) -> None:
        """`agreed_to`: the offset up to which a log that a crash has met is sure to have what was copied of it.

        Behind its recovery point it may have lost what the future log still has, in its middle too (a compacted log may
        have holes). None: it has all of it.
        """
        self.log = log
        self.future = future
        self.target = target
        self.error: OSError | None = None
        """What the new directory's disk failed with."""
        self.was_flushed = False
        """Whether it was flushed when it had caught up."""
        self.was_rolled = False
        """Whether it has a closed segment that is to be flushed."""
        self._agreed_to = agreed_to
        self._host = host
        self._lock = threading.Lock()
        self._is_stopped = False
        self._slice_bytes = SLICE_BYTES
        self._last_lag = _FAR_BEHIND
        self._last_unflushed_bytes = self._unflushed_bytes = 0
        future.host = self

    @property
    def lag(self) -> int:
        """How many offsets the future log is behind."""
        return self.log.log_end_offset - self.future.log_end_offset

    @property
    def needs_flush(self) -> bool:
        """Whether some of the future log is not on the device.

        The current one may be there beyond its recovery point: one that a crash left behind counts for little.
        """
        return self.future.recovery_point < self.future.log_end_offset

    def next_slice(self, now_ms: int) -> tuple[FileRange | None, bool]:
        """The batches that the future log lacks next, or None; whether the log ends behind them.

        About 1 MiB; more after each time that the lag has not shrunk.

        Raises KafkaError, OSError, CorruptRecordError.
        """
        log, future = self.log, self.future
        future.config = log.config
        self._align(now_ms)
        offset = max(future.log_end_offset, log.log_start_offset)
        if self.lag and self.lag >= self._last_lag:
            self._slice_bytes = min(2 * self._slice_bytes, LARGEST_SLICE_BYTES)
        self._last_lag = self.lag
        found = log.read(offset, self._slice_bytes, up_to=log.log_end_offset, min_one_message=True)
        if not isinstance(found.records, FileRange) or found.segment is None:
            if offset > future.log_end_offset:
                # Retention has emptied the log: where it goes on, the name of a segment alone says.
                future.truncate_fully_and_start_at(offset, now_ms)
            elif future.log_end_offset < log.log_end_offset:
                self._go_on_behind_a_gap(now_ms)
            return None, True
        base_offset = found.segment.header_at(found.records.position).base_offset
        if offset > future.log_end_offset or base_offset < future.log_end_offset:
            # The future log begins where the current one does: with the batch that holds the log's start, or amid a gap
            # at that very offset, or after a restart a consumer that waits there would be out of range.
            future.truncate_fully_and_start_at(min(base_offset, offset), now_ms)
        end = found.records.position + found.records.size
        return found.records, found.segment is log.segments.active and end == found.segment.size

    def is_last(self, records: FileRange | None, *, reaches_end: bool) -> bool:
        """Whether the log goes on in the future one after this slice: what is not on the device then is little.

        That is flushed where it holds up everybody. While producers write faster than they should during a flush in a
        thread, what counts as little grows as slices do: the move is to end.
        """
        if not reaches_end or not self.needs_flush:
            return reaches_end
        unflushed_bytes = self._unflushed_bytes + (records.size if records is not None else 0)
        if not self.was_flushed or unflushed_bytes <= self._slice_bytes:
            return self.was_flushed
        is_at_most = self._slice_bytes == LARGEST_SLICE_BYTES
        self._slice_bytes = min(2 * self._slice_bytes, LARGEST_SLICE_BYTES)
        return is_at_most and unflushed_bytes >= self._last_unflushed_bytes

    def _go_on_behind_a_gap(self, now_ms: int) -> None:
        """The log's last offsets hold nothing, as a crash may leave a compacted one: a new segment's name says it."""
        self.future.segments.active.create_files()  # Closed without files it would be missed at the next look.
        self.future.roll_to(self.log.log_end_offset, now_ms).create_files()

    def cut_back(self, now_ms: int) -> None:
        """Drop from the future log what a crash may have taken from the current one. KafkaError.

        As soon as both are recovered: the next start may follow a clean stop, and the log has grown anew.
        """
        if self._agreed_to is not None:
            self.future.truncate_to(self._agreed_to, now_ms)
            self._agreed_to = None

    def _align(self, now_ms: int) -> None:
        """Drop from the future log what the current one has dropped at its end.

        It begins anew where it lacks the beginning: a crash may have brought back what DeleteRecords had taken.
        """
        self.cut_back(now_ms)
        start = self.log.log_start_offset
        if next(iter(self.future.segments)).base_offset > start:
            self.future.truncate_fully_and_start_at(start, now_ms)
        epoch = self.future.latest_epoch
        _, end_offset = self.log.end_offset_for_epoch(epoch)
        end_offset = min(self.log.log_end_offset, end_offset if end_offset >= 0 else self.log.log_end_offset)
        if self.future.log_end_offset > end_offset:
            self.future.truncate_to(end_offset, now_ms)

    def copy(self, records: FileRange, now_ms: int) -> int:
        """Append what `next_slice` gave; bytes. KafkaError, OSError (of reading), CorruptRecordError."""
        with self._lock:
            if self._is_stopped:
                return 0
            self.future.append_as_follower(records.read(), now_ms=now_ms)
            self._unflushed_bytes += records.size
            return records.size

    def flush(self, now_ms: int) -> None:
        """Put the future log on the device. KafkaError."""
        with self._lock:
            if not self._is_stopped:
                self.was_rolled = False
                self._last_unflushed_bytes, self._unflushed_bytes = self._unflushed_bytes, 0
                self.future.flush(now_ms)

    def stop(self) -> None:
        """No copy comes any more. One that a thread is amidst goes on, and what it does has no effect."""
        self._is_stopped = True

    def wait(self) -> None:
        """Until no thread is amid a copy or a flush."""
        with self._lock:
            pass

    # What the future log asks for (`LogHost`).

    def storage_failed(self, log: LogState, error: OSError) -> None:
        """Remembered, since it may be a thread that meets it; whoever drives the move tells the manager."""
        if not self._is_stopped:
            self.error = error

    def remove_later(self, paths: Sequence[str], delay_ms: int, now_ms: int) -> None:
        self._host.remove_later(paths, delay_ms, now_ms)

    def truncated(self, log: LogState, offset: int) -> None:
        """Nothing: compaction goes by the current log, which tells its own truncations."""

    def lower_recovery_point(self, log: LogState, offset: int) -> None:
        """Before a truncation of the future log: its recovery point stands in the target's checkpoint."""
        self.target.lower_recovery_point(log.topic_partition, offset)

    def lower_log_start(self, log: LogState, offset: int) -> None:
        """As the recovery point, its start stands in the target's checkpoint."""
        self.target.lower_log_start(log.topic_partition, offset)

    def segment_closed(self, log: LogState) -> None:
        """To be flushed before long, or a restart would read all of it again."""
        self.was_rolled = True

    def is_expired(self, last_timestamp: int, now_ms: int) -> bool:
        return self._host.is_expired(last_timestamp, now_ms)

    def segment_recovered(self, size_bytes: int) -> None:
        self._host.segment_recovered(size_bytes)

    def hole_taken(self, log: LogState) -> None:
        """Nothing: that of the current log is told of as well."""

    def segment_jitter_ms(self, config: LogConfig) -> int:
        return self._host.segment_jitter_ms(config)
