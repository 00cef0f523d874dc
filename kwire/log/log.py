"""One partition's log: append, read, and the offsets that bound them.

`log_start_offset` <= `high_watermark` <= `log_end_offset`, and `last_stable_offset` never above the high watermark. Everything runs on one thread and returns at once:
an append is one write into the page cache. What may block (fsync) is handed out as functions over closed segments (`flush_steps`).
No clock and no threads in here: the caller passes the instant in. Source of the rules: Kafka's `UnifiedLog` and `LocalLog`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.log import leader_epochs, lookup, producer_journal, validate
from kwire.log.config import LogConfig
from kwire.log.files import Files
from kwire.log.producer_state import Marker, ProducerStateManager
from kwire.log.segment import LogSegment
from kwire.log.segments import LogSegments
from kwire.log.txn_index import AbortedTransaction
from kwire.log.validate import AppendRefused, RecordsInvalid
from kwire.wire.parts import FileRange
from kwire.wire.record_batch import HEADER, BatchHeader, Buffer, batches, set_offset_and_epoch

__all__ = ["AppendRefused", "Log", "LogAppendInfo", "LogConfig", "LogSlice", "RecordsInvalid"]

_FIRST_V2_ONLY_PRODUCE = 3


class LogAppendInfo(NamedTuple):
    """What an append did. Offsets are the first and last record's; times in ms."""

    first_offset: int
    last_offset: int
    log_append_time_ms: int
    """-1 under CreateTime; for a duplicate the stored batch's max timestamp, as Kafka answers."""
    log_start_offset: int
    max_timestamp: int
    duplicate: bool = False


class LogSlice(NamedTuple):
    """What a read found: whole batches, but for a cut where `max_bytes` allowed no better."""

    records: FileRange | bytes
    """`b""` when there is nothing between the offset and the bound."""
    first_batch_incomplete: bool = False


class Log:
    """The log of one partition. Made by `LogManager` or `recovery.load`, never opened twice."""

    __slots__ = (
        "_failed",
        "_high_watermark",
        "_unflushed_messages",
        "config",
        "directory",
        "epochs",
        "files",
        "journal",
        "last_flush_ms",
        "log_end_offset",
        "log_start_offset",
        "producers",
        "recovery_point",
        "segments",
        "topic_id",
        "topic_partition",
    )

    def __init__(
        self,
        topic_partition: TopicPartition,
        topic_id: bytes,
        directory: str,
        config: LogConfig,
        files: Files,
        *,
        segments: LogSegments,
        epochs: leader_epochs.LeaderEpochs,
        producers: ProducerStateManager,
        log_start_offset: int = 0,
        log_end_offset: int = 0,
        recovery_point: int = 0,
        failed: Callable[[OSError], None],
    ) -> None:
        """`failed` is told of an OSError before KAFKA_STORAGE_ERROR is raised: the log's directory goes offline."""
        self.topic_partition = topic_partition
        self.topic_id = topic_id
        self.directory = directory
        self.config = config
        self.files = files
        self.segments = segments
        self.epochs = epochs
        self.producers = producers
        self.journal = producer_journal.ProducerJournal(directory, files)
        self.log_start_offset = log_start_offset
        self.log_end_offset = log_end_offset
        self.recovery_point = recovery_point
        self.last_flush_ms = 0
        self._high_watermark = log_start_offset
        self._unflushed_messages = 0
        self._failed = failed

    # Appending.

    def append_as_leader(
        self,
        records: memoryview,
        *,
        leader_epoch: int,
        now_ms: int,
        from_client: bool = True,
        produce_version: int = 13,
    ) -> LogAppendInfo:
        """Validate one produced record set, give it offsets, and write it; `records` is patched in place.

        Raises AppendRefused (RecordsInvalid with record errors); nothing was written then. `from_client=False` is for
        batches that the broker built itself (coordinators, markers), which are not validated.
        """
        try:
            if from_client:
                if produce_version >= _FIRST_V2_ONLY_PRODUCE:
                    batch = validate.one_batch_of_magic_2(records, produce_version)
                else:
                    batch = validate.one_batch_of_any_magic(records, self.config, now_ms)
                    if not batch:
                        return LogAppendInfo(-1, -1, -1, self.log_start_offset, -1)
                data, header = validate.valid_batch(batch, self.config, now_ms)
                marker = None
            else:
                data, header = records, BatchHeader._make(HEADER.unpack_from(records))
                marker = producer_journal.marker_of(records, header)
            has_producer = header.producer_id >= 0
            if has_producer:
                if from_client:
                    known = self.producers.duplicate_of(header)
                    if known is not None:
                        return LogAppendInfo(
                            known.first_offset,
                            known.last_offset,
                            known.timestamp,
                            self.log_start_offset,
                            known.timestamp,
                            True,
                        )
                self.producers.check(header, marker, from_client=from_client)
            if len(data) > self.config.segment_bytes:
                raise AppendRefused(
                    ErrorCode.RECORD_LIST_TOO_LARGE,
                    f"a batch of {len(data)} bytes is larger than segment.bytes, {self.config.segment_bytes}",
                    names_log_start=False,
                )
        except AppendRefused as refused:
            if refused.names_log_start:
                refused.log_start_offset = self.log_start_offset
            raise
        except KafkaError as error:
            refused = AppendRefused(error.code, error.message or "")
            refused.log_start_offset = self.log_start_offset
            raise refused from None
        first_offset = self.log_end_offset
        last_offset = first_offset + header.last_offset_delta
        set_offset_and_epoch(data, 0, first_offset, leader_epoch)
        self._write(data, first_offset, last_offset, header.max_timestamp, leader_epoch, now_ms)
        if has_producer:
            self._note_producer(header._replace(base_offset=first_offset), marker)
        self._wrote(last_offset, header.record_count, now_ms)
        append_time = now_ms if self.config.append_time and from_client else -1
        return LogAppendInfo(first_offset, last_offset, append_time, self.log_start_offset, header.max_timestamp)

    def append_as_follower(self, records: Buffer, *, now_ms: int) -> LogAppendInfo:
        """Write batches as the leader sent them, offsets and epochs as given; a torn one at the end is left out.

        Raises CorruptRecordError for a wrong checksum, KafkaError (OFFSET_OUT_OF_RANGE) when the first batch does not
        begin at or behind the log's end.
        """
        from kwire.wire.record_batch import verify

        view = memoryview(records)
        headers = [verify(view, at) for at, _ in batches(view)]
        if not headers:
            return LogAppendInfo(-1, -1, -1, self.log_start_offset, -1)
        first, last = headers[0], headers[-1]
        if first.base_offset < self.log_end_offset:
            raise KafkaError(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"batch at {first.base_offset}, but the log ends at {self.log_end_offset}",
            )
        size = sum(header.size for header in headers)
        max_timestamp = max(header.max_timestamp for header in headers)
        self._write(
            view[:size], first.base_offset, last.last_offset, max_timestamp, first.partition_leader_epoch, now_ms
        )
        at = 0
        for header in headers:
            if header.partition_leader_epoch > self.epochs.latest_epoch:
                self.epochs.assign(header.partition_leader_epoch, header.base_offset)
            if header.has_producer:
                self._note_producer(header, producer_journal.marker_of(view[at:], header))
            at += header.size
        self._wrote(last.last_offset, last.next_offset - first.base_offset, now_ms)
        return LogAppendInfo(first.base_offset, last.last_offset, -1, self.log_start_offset, max_timestamp)

    def _write(
        self, data: Buffer, first_offset: int, last_offset: int, max_timestamp: int, leader_epoch: int, now_ms: int
    ) -> None:
        segment = self.segments.active
        config = self.config
        try:
            if segment.is_full_for(len(data), last_offset, config.segment_bytes) or (
                segment.size and segment.waited_ms(now_ms, max_timestamp) > config.segment_ms - self.segments.jitter_ms
            ):
                segment = self.roll(now_ms)
            if leader_epoch > self.epochs.latest_epoch:
                self.epochs.assign(leader_epoch, first_offset)
            self.epochs.write()
            segment.append(data, first_offset, last_offset, max_timestamp)
        except OSError as error:
            raise self._storage_error(error) from error

    def _note_producer(self, header: BatchHeader, marker: Marker | None) -> None:
        completed = self.producers.update(header, marker)
        if completed is not None:
            if completed.is_aborted:
                stable = self.producers.last_stable_offset_after(completed)
                entry = AbortedTransaction(completed.producer_id, completed.first_offset, completed.last_offset, stable)
                try:
                    self.segments.active.txn_index.append(entry)
                except OSError as error:
                    raise self._storage_error(error) from error
            self.producers.complete(completed)

    def _wrote(self, last_offset: int, record_count: int, now_ms: int) -> None:
        self.log_end_offset = self.producers.map_end_offset = last_offset + 1
        self._unflushed_messages += record_count
        if self._unflushed_messages >= self.config.flush_messages:
            self.flush(now_ms)

    def _storage_error(self, error: OSError) -> AppendRefused:
        self._failed(error)
        return AppendRefused(ErrorCode.KAFKA_STORAGE_ERROR, f"{self.directory}: {error}", names_log_start=False)

    # Reading.

    def read(self, offset: int, max_bytes: int, *, up_to: int, min_one_message: bool) -> LogSlice:
        """Batches from the one that holds `offset`, below the offset `up_to` (high watermark, last stable offset or log end).

        KafkaError OFFSET_OUT_OF_RANGE below the start or beyond the end of the log; sizes in bytes.
        """
        if offset < self.log_start_offset or offset > self.log_end_offset:
            raise KafkaError(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"offset {offset} of {self.topic_partition} is not within {self.log_start_offset} and {self.log_end_offset}",
            )
        if offset >= up_to or offset == self.log_end_offset:
            return LogSlice(b"")
        try:
            for segment, next_base in self.segments.from_offset(offset):
                position = segment.locate(offset)
                end = segment.size if up_to >= (next_base or self.log_end_offset) else segment.locate(up_to)
                found = segment.read(position, max_bytes, end, min_one_message=min_one_message)
                if found is not None:
                    return LogSlice(found)
                if next_base is not None and next_base >= up_to:
                    break
            return LogSlice(b"")
        except OSError as error:
            raise self._storage_error(error) from error

    # Offsets.

    @property
    def high_watermark(self) -> int:
        """The offset below which every in-sync replica has everything."""
        return self._high_watermark

    def update_high_watermark(self, offset: int) -> bool:
        """Raise the high watermark, at most to the log's end; False when it stays."""
        offset = min(offset, self.log_end_offset)
        if offset <= self._high_watermark:
            return False
        self._high_watermark = offset
        self.producers.on_high_watermark(offset)
        return True

    @property
    def last_stable_offset(self) -> int:
        """The offset below which every transaction is decided."""
        unstable = self.producers.first_unstable_offset
        return self._high_watermark if unstable is None else min(unstable, self._high_watermark)

    @property
    def latest_epoch(self) -> int:
        """The newest leader epoch, -1 when none has started."""
        return self.epochs.latest_epoch

    def assign_epoch_start(self, epoch: int, offset: int) -> None:
        """A new leader begins at `offset`."""
        self.epochs.assign(epoch, offset)

    def end_offset_for_epoch(self, epoch: int) -> tuple[int, int]:
        """(epoch, end offset) as OffsetForLeaderEpoch answers; (-1, -1) when unknown."""
        return self.epochs.end_offset_for(epoch, self.log_end_offset)

    def offset_for_timestamp(self, timestamp: int) -> lookup.TimestampOffset | None:
        """The first record whose timestamp is at or above `timestamp`; None when there is none."""
        return lookup.offset_for_timestamp(self, timestamp)

    def max_timestamp_offset(self) -> lookup.TimestampOffset | None:
        """The record with the largest timestamp (ListOffsets -3, KIP-734); None when there is none."""
        return lookup.max_timestamp_offset(self)

    def aborted_transactions(self, first: int, last: int) -> list[AbortedTransaction]:
        """Aborted transactions that overlap the offsets from `first` to `last` (exclusive)."""
        found: list[AbortedTransaction] = []
        for segment, _ in self.segments.from_offset(first):
            entries, complete = segment.txn_index.collect(first, last)
            found += entries
            if complete:
                break
        return found

    @property
    def size(self) -> int:
        """Bytes of all `.log` files."""
        return sum(segment.size for segment in self.segments)

    # Life cycle.

    def roll(self, now_ms: int) -> LogSegment:
        """Close the active segment and begin a new one at the log's end; a producer snapshot is taken there."""
        if self.segments.active.base_offset == self.log_end_offset and not self.segments.active.size:
            return self.segments.active
        self.journal.take(self.producers.entries, self.log_end_offset)
        return self.segments.roll(self.log_end_offset, self.config, now_ms)

    def flush(self, now_ms: int) -> None:
        """Put everything on the device and move the recovery point to the end; KAFKA_STORAGE_ERROR if that fails."""
        try:
            for segment, _ in self.segments.from_offset(self.recovery_point):
                segment.flush()
        except OSError as error:
            raise self._storage_error(error) from error
        self.recovery_point = self.log_end_offset
        self._unflushed_messages = 0
        self.last_flush_ms = now_ms

    def close(self) -> None:
        """A clean stop: newest index entries, trimmed index files, a producer snapshot at the end. Raises OSError."""
        self.epochs.write()
        if self.log_end_offset > 0:
            self.journal.take(self.producers.entries, self.log_end_offset)
        self.segments.active.become_inactive()
        self.segments.close()
