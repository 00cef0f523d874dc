"""One partition's log: append, read, and the offsets that bound them.

`log_start_offset` <= `high_watermark` <= `log_end_offset`, and `last_stable_offset` never above the high watermark. Everything runs on one thread and returns at once:
an append is one write into the page cache. What may block (fsync) is handed out as functions over closed segments (`flush_steps`).
No clock and no threads in here: the caller passes the instant in. Source of the rules: Kafka's `UnifiedLog` and `LocalLog`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from kwire.errors import ErrorCode, KafkaError
from kwire.ids import ZERO_UUID, TopicPartition
from kwire.log import leader_epochs, lookup, producer_journal, recovery, retention, validate
from kwire.log.checkpoints import PARTITION_METADATA, render_partition_metadata
from kwire.log.config import LogConfig
from kwire.log.files import DELETED_SUFFIX, Files
from kwire.log.producer_state import BatchMetadata, Marker, ProducerStateManager
from kwire.log.segment import LogSegment
from kwire.log.segments import LogSegments
from kwire.log.txn_index import AbortedTransaction
from kwire.log.validate import AppendRefused, RecordsInvalid
from kwire.wire.parts import FileRange
from kwire.wire.record_batch import HEADER, BatchHeader, Buffer, batches, set_offset_and_epoch

__all__ = ["AppendRefused", "Log", "LogAppendInfo", "LogConfig", "LogSlice", "RecordsInvalid"]

_FIRST_V2_ONLY_PRODUCE = 3
_LOADED = frozenset(("epochs", "journal", "log_end_offset", "log_start_offset", "producers", "segments"))


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


class LogHost(Protocol):
    """What a log asks of the manager that owns it."""

    def storage_failed(self, log: Log, error: OSError) -> None:
        """The disk failed: the log's directory goes offline."""

    def remove_later(self, paths: Sequence[str], delay_ms: int, now_ms: int) -> None:
        """Unlink files once `file.delete.delay.ms` is over."""

    def segment_jitter_ms(self, config: LogConfig) -> int:
        """How much earlier than `segment.ms` this log rolls."""


class Log:
    """The log of one partition. Made by `LogManager`, one per directory.

    After a clean stop a log is opened when something is asked of it that its directory must answer: the fields of
    `_LOADED` have no value until then, and the first use of one of them loads them all (`recovery.load`). A new log has no
    directory until its first append, checkpoint or clean stop, so that creating hundreds costs nothing.
    """

    __slots__ = (
        "_high_watermark",
        "_is_on_disk",
        "_lacks_metadata",
        "_loader",
        "_pending_epoch",
        "_unflushed_messages",
        "config",
        "created_ms",
        "directory",
        "epochs",
        "files",
        "host",
        "is_failed",
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

    epochs: leader_epochs.LeaderEpochs
    journal: producer_journal.ProducerJournal
    log_end_offset: int
    log_start_offset: int
    producers: ProducerStateManager
    segments: LogSegments

    def __init__(
        self,
        topic_partition: TopicPartition,
        topic_id: bytes,
        directory: str,
        config: LogConfig,
        files: Files,
        host: LogHost,
        *,
        created_ms: int,
        loader: Callable[[Log], None] | None = None,
    ) -> None:
        """Without `loader` the log is new and empty; with it, it is there and not loaded yet."""
        self.topic_partition = topic_partition
        self.topic_id = topic_id
        self.directory = directory
        self.config = config
        self.files = files
        self.created_ms = created_ms
        self.recovery_point = 0
        self.last_flush_ms = created_ms
        self.is_failed = False
        self.host = host
        self._loader = loader
        self._is_on_disk = loader is not None
        self._high_watermark = 0
        self._unflushed_messages = 0
        self._pending_epoch: tuple[int, int] | None = None
        self._lacks_metadata = False
        if loader is None:
            self.epochs = leader_epochs.LeaderEpochs(os.path.join(directory, leader_epochs.FILE_NAME), files)
            self.producers = ProducerStateManager()
            self.journal = producer_journal.ProducerJournal(directory, files)
            self.segments = LogSegments(directory, files, [], jitter_ms=host.segment_jitter_ms(config))
            self.segments.add(0, config, created_ms)
            self.log_start_offset = self.log_end_offset = 0

    def __getattr__(self, name: str) -> Any:
        # Reached only for a slot that has no value: a loaded log never comes here.
        if name in _LOADED and self._loader is not None:
            self.load()
            return getattr(self, name)
        raise AttributeError(name)

    @property
    def is_loaded(self) -> bool:
        """Whether the directory was looked at."""
        return self._loader is None

    def load(self) -> None:
        """Look at the directory, once. KAFKA_STORAGE_ERROR if that fails."""
        loader = self._loader
        if loader is None:
            return
        try:
            loader(self)
        except OSError as error:
            raise self._storage_error(error) from error
        self._loader = None
        self._high_watermark = min(max(self._high_watermark, self.log_start_offset), self.log_end_offset)
        self.recovery_point = min(self.recovery_point, self.log_end_offset)
        if self._pending_epoch is not None:
            self.epochs.assign(*self._pending_epoch)

    def expect(self, *, log_end_offset: int | None, high_watermark: int, recovery_point: int) -> None:
        """What the checkpoints say, for as long as the log is not loaded; the end offset only after a clean stop."""
        self._high_watermark = high_watermark
        self.recovery_point = recovery_point
        if log_end_offset is not None:
            self.log_end_offset = log_end_offset

    def put_on_disk(self) -> None:
        """Create the directory and say whose it is, unless that was done. Raises OSError."""
        if not self._is_on_disk:
            self.files.make_directory(self.directory)
            self._write_topic_id()
            self._is_on_disk = True

    def adopt_topic_id(self, topic_id: bytes) -> None:
        """A directory without `partition.metadata` learns whose it is; written with the next checkpoint."""
        self.topic_id = topic_id
        self._lacks_metadata = True

    def write_metadata(self) -> None:
        """What the partition's directory has to say beside its segments. KAFKA_STORAGE_ERROR."""
        try:
            if self._lacks_metadata:
                self._write_topic_id()
            if self._is_on_disk:
                self.epochs.write()
        except OSError as error:
            raise self._storage_error(error) from error

    def _write_topic_id(self) -> None:
        if self.topic_id != ZERO_UUID:
            path = os.path.join(self.directory, PARTITION_METADATA)
            self.files.create_file(path, render_partition_metadata(self.topic_id))
        self._lacks_metadata = False

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
                    batch = validate.one_batch_of_any_magic(records)
                    if not batch:
                        return LogAppendInfo(-1, -1, -1, self.log_start_offset, -1)
                data, header = validate.valid_batch(batch, self.config, now_ms)
                marker = None
            else:
                data, header = records, BatchHeader._make(HEADER.unpack_from(records))
                marker = producer_journal.marker_of(records, header)
            if header.producer_id >= 0:
                known = self.producers.duplicate_of(header) if from_client else None
                if known is not None:
                    return self._answer_duplicate(known)
                self.producers.check(header, marker, from_client=from_client)
            validate.check_fits_segment(len(data), self.config)
        except AppendRefused as refusal:
            if refusal.names_log_start:
                refusal.log_start_offset = self.log_start_offset
            raise
        except KafkaError as error:
            raise AppendRefused.within_log(error, self.log_start_offset) from None
        first_offset = self.log_end_offset
        last_offset = first_offset + header.last_offset_delta
        set_offset_and_epoch(data, 0, first_offset, leader_epoch)
        self._write(data, first_offset, last_offset, header.max_timestamp, leader_epoch, now_ms)
        if header.producer_id >= 0:
            self._note_producer(header._replace(base_offset=first_offset), marker)
        self._wrote(last_offset, header.record_count, now_ms)
        append_time = now_ms if self.config.append_time and from_client else -1
        return LogAppendInfo(first_offset, last_offset, append_time, self.log_start_offset, header.max_timestamp)

    def _answer_duplicate(self, known: BatchMetadata) -> LogAppendInfo:
        return LogAppendInfo(
            known.first_offset, known.last_offset, known.timestamp, self.log_start_offset, known.timestamp, True
        )

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
            if self.is_failed:
                raise OSError("the log directory is offline")
            if segment.size == 0:
                self.put_on_disk()
            elif segment.is_full_for(len(data), last_offset, config.segment_bytes) or (
                segment.waited_ms(now_ms, max_timestamp) > config.segment_ms - self.segments.jitter_ms
            ):
                segment = self.roll(now_ms)
            if leader_epoch > self.epochs.latest_epoch:
                self.epochs.assign(leader_epoch, first_offset)
            segment.append(data, first_offset, last_offset, max_timestamp)
        except OSError as error:
            raise self._storage_error(error) from error

    def _note_producer(self, header: BatchHeader, marker: Marker | None) -> None:
        completed = self.producers.update(header, marker)
        if completed is not None:
            if completed.is_aborted:
                try:
                    self.segments.active.txn_index.append(recovery.aborted(completed, self.producers))
                except OSError as error:
                    raise self._storage_error(error) from error
            self.producers.complete(completed)

    def _wrote(self, last_offset: int, record_count: int, now_ms: int) -> None:
        self.log_end_offset = self.producers.map_end_offset = last_offset + 1
        self._unflushed_messages += record_count
        if self._unflushed_messages >= self.config.flush_messages:
            self.flush(now_ms)

    def _storage_error(self, error: OSError) -> AppendRefused:
        # Running out of descriptors is the process's trouble, not the disk's.
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            self.host.storage_failed(self, error)
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
        """A new leader begins at `offset`; written with the next roll, flush or checkpoint, since batches say it too."""
        if self._loader is not None:
            self._pending_epoch = epoch, offset
        else:
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
        """Close the active segment and begin a new one at the log's end; a producer snapshot is taken there. Raises OSError."""
        if not self.segments.active.size and self.segments.active.base_offset == self.log_end_offset:
            return self.segments.active
        self.epochs.write()
        self.journal.take(self.producers.entries, self.log_end_offset)
        return self.segments.roll(self.log_end_offset, self.config, now_ms)

    def unflushed_segments(self) -> list[LogSegment]:
        """Closed segments that are not known to be on the device. `flush` each of them in a thread, then `flushed_to`."""
        if not self.is_loaded or self.recovery_point >= self.segments.active.base_offset:
            return []
        return [
            segment for segment, following in self.segments.from_offset(self.recovery_point) if following is not None
        ]

    def flushed_to(self, offset: int) -> None:
        """Everything below `offset` is on the device: recovery may start there."""
        self.recovery_point = max(self.recovery_point, min(offset, self.log_end_offset))

    def flush(self, now_ms: int) -> None:
        """Put everything on the device, on this thread; KAFKA_STORAGE_ERROR if that fails."""
        try:
            if self._is_on_disk:
                self.epochs.write()
                for segment, _ in self.segments.from_offset(self.recovery_point):
                    segment.flush()
        except OSError as error:
            raise self._storage_error(error) from error
        self.recovery_point = self.log_end_offset
        self._unflushed_messages = 0
        self.last_flush_ms = now_ms

    @property
    def has_unflushed_messages(self) -> bool:
        """Whether `flush.ms` has something to do."""
        return self._unflushed_messages > 0

    def reset_after_truncation(self, end_offset: int) -> None:
        """The log's end moved back to `end_offset`: nothing above it counts any more."""
        self.log_end_offset = self.producers.map_end_offset = end_offset
        self._high_watermark = min(self._high_watermark, end_offset)
        self.recovery_point = min(self.recovery_point, end_offset)

    def remove_later(self, segments: Sequence[LogSegment], now_ms: int) -> None:
        """Rename the files of closed or dropped segments to `.deleted`, to be unlinked after `file.delete.delay.ms`."""
        renamed: list[str] = []
        for segment in segments:
            segment.close()
            snapshot = segment.base_offset
            paths = list(segment.paths)
            if snapshot in self.journal.offsets and snapshot != self.journal.newest_offset:
                paths.append(self.journal.path(snapshot))
                self.journal.offsets.remove(snapshot)
            for path in paths:
                try:
                    self.files.rename(path, path + DELETED_SUFFIX)
                except FileNotFoundError:
                    continue
                renamed.append(path + DELETED_SUFFIX)
        self.host.remove_later(renamed, self.config.file_delete_delay_ms, now_ms)

    def truncate_to(self, offset: int, now_ms: int) -> None:
        """Drop everything from `offset` on (a follower that parted from its leader)."""
        retention.truncate_to(self, offset, now_ms)

    def truncate_fully_and_start_at(self, offset: int, now_ms: int) -> None:
        """Drop everything; the log is empty and begins at `offset`."""
        retention.truncate_fully_and_start_at(self, offset, now_ms)

    def delete_records(self, up_to: int) -> int:
        """Move the log's start to `up_to` (-1: the high watermark); the new start. DeleteRecords (KIP-107)."""
        return retention.delete_records(self, up_to)

    def delete_old_segments(self, now_ms: int) -> int:
        """Drop the segments that retention lets go; how many."""
        try:
            return retention.delete_old_segments(self, now_ms)
        except OSError as error:
            raise self._storage_error(error) from error

    def close(self) -> None:
        """A clean stop: everything written and on the device, index files trimmed, a producer snapshot at the end. Raises OSError."""
        if self._loader is not None:
            return
        self.put_on_disk()
        self.epochs.write()
        self.journal.take(self.producers.entries, self.log_end_offset)
        active = self.segments.active
        if active.size or self._unflushed_messages:
            active.become_inactive()
            for segment, _ in self.segments.from_offset(self.recovery_point):
                segment.flush()
        else:
            active.create_files()
        self.recovery_point = self.log_end_offset
        self.segments.close()
