"""One partition's log: append and read.

Everything runs on one thread and returns at once: an append is one write into the page cache. The rest of a log's life
is in `log_state`, and the rules it follows in `validate`, `producer_state`, `retention`, `lookup` and `recovery`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from kwire.errors import ErrorCode, KafkaError
from kwire.log import lookup, producer_journal, recovery, retention, validate
from kwire.log.config import LogConfig
from kwire.log.log_state import LOADED, LogState
from kwire.log.producer_state import BatchMetadata, Marker
from kwire.log.segment import MAX_RELATIVE_OFFSET, LogSegment
from kwire.log.txn_index import AbortedTransaction
from kwire.log.validate import AppendRefused, RecordsInvalid
from kwire.named_tuple import NamedTuple
from kwire.wire.parts import FileRange
from kwire.wire.primitives import WireError
from kwire.wire.record_batch import (
    HEADER,
    LOG_OVERHEAD,
    PLACE,
    BatchHeader,
    Buffer,
    as_header,
    batches,
    set_offset_and_epoch,
    verify,
)

if TYPE_CHECKING:
    from kwire.log.record_checks import Prepared

__all__ = ["AppendRefused", "Log", "LogAppendInfo", "LogConfig", "LogSlice", "RecordsInvalid", "UnopenedLog"]


class LogAppendInfo(NamedTuple):
    """What an append did. Offsets are the first and last record's; times in ms."""

    first_offset: int
    last_offset: int
    log_append_time_ms: int
    """-1 under CreateTime; for a duplicate the stored batch's max timestamp, as Kafka answers."""
    log_start_offset: int
    max_timestamp: int
    duplicate: bool = False


_as_info: Callable[[tuple[int, int, int, int, int, bool]], LogAppendInfo] = partial(tuple.__new__, LogAppendInfo)
"""`LogAppendInfo._make` without its own Python frame."""
_set_place = PLACE.pack_into
_ANY_ATTRIBUTE = -1


class LogSlice(NamedTuple):
    """What a read found: whole batches, but for a cut where `max_bytes` allowed no better."""

    records: FileRange | bytes
    """`b""` when there is nothing between the offset and the bound."""
    segment: LogSegment | None = None
    """Where they lie; None when there are none."""
    available: int = 0
    """Bytes of this segment that lie between the offset and the bound, `max_bytes` or not."""
    is_behind: bool = False
    """Whether there is more below the bound, in later segments."""


class Log(LogState):
    """The log of one partition. Made by `LogManager`, one per directory."""

    __slots__ = ()

    # Appending.

    def append_plain(self, records: memoryview, leader_epoch: int, now_ms: int, *, alone: bool) -> LogAppendInfo | None:
        """`append_as_leader` for a client's batch with which nothing is special, as with most. None, and nothing was
        written or decided, if something is (`validate.plain_batch`), or begins with this batch: the log, a segment, a
        leader epoch, what is known of its producer, its transaction.

        `alone`: no other replica is in sync, so the high watermark is the log's end. Raises what `read_error` makes of
        a disk that fails.
        """
        config = self.config
        fields = validate.plain_batch(records, config, now_ms, _ANY_ATTRIBUTE)
        if fields is None or self.is_failed:
            return None
        _, length, _, _, _, _, delta, _, max_timestamp, producer_id, epoch, sequence, count = fields
        producers, producer = self.producers, None
        if producer_id >= 0:
            producer = producers.expecting(producer_id, epoch, sequence, delta)
            if producer is None:
                return None
        segment = self.segments.active
        first_offset = self.log_end_offset
        last_offset = first_offset + delta
        if (
            leader_epoch != self.epochs.latest_epoch
            or not segment.size
            or segment.must_roll(
                length + LOG_OVERHEAD, last_offset, max_timestamp, now_ms, config, self.segments.jitter_ms
            )
        ):
            return None
        _set_place(records, 0, first_offset, length, leader_epoch)
        try:
            segment.append(records, first_offset, last_offset, (max_timestamp, last_offset))
        except (OSError, WireError) as error:
            raise self.read_error(error) from error
        self.log_end_offset = producers.map_end_offset = last_offset + 1
        if producer is not None:
            producer.remember(BatchMetadata(sequence + delta, last_offset, delta, max_timestamp))
        if alone:
            if producers.unreplicated:
                self.update_high_watermark(last_offset + 1)
            else:
                self.high_watermark = last_offset + 1
        self._unflushed_messages += count
        if self._unflushed_messages >= config.flush_messages:
            self.flush(now_ms)
        return _as_info((first_offset, last_offset, -1, self.log_start_offset, max_timestamp, False))

    def append_as_leader(
        self,
        records: memoryview,
        *,
        leader_epoch: int,
        now_ms: int,
        from_client: bool = True,
        produce_version: int = 13,
        prepared: Prepared | None = None,
        marker: Marker | None = None,
    ) -> LogAppendInfo:
        """Validate one produced record set, give it offsets, and write it; `records` is patched in place.

        Raises AppendRefused (RecordsInvalid with record errors); nothing was written then. `from_client=False` is for
        batches that the broker built itself (coordinators, markers), which are not validated; `marker` is what such a
        batch says of a transaction, if whoever built it tells. Raises PreparationNeeded, with nothing written, for what
        is to be looked into in a thread first and handed in as `prepared`.
        """
        try:
            if from_client:
                valid = validate.valid_record_set(records, self.config, now_ms, produce_version, prepared)
                if valid is None:
                    return LogAppendInfo(-1, -1, -1, self.log_start_offset, -1)
                data, header = valid
            else:
                data, header = records, as_header(HEADER.unpack_from(records))
                marker = marker or producer_journal.marker_of(records, header)
            if header.producer_id >= 0:
                known = self.producers.duplicate_of(header) if from_client else None
                if known is not None:
                    return self._answer_duplicate(known)
                self.producers.check(header, marker, from_client=from_client)
            if len(data) > self.config.segment_bytes:
                raise validate.too_large_for_a_segment(len(data), self.config)
        except AppendRefused as refusal:
            if refusal.names_log_start:
                refusal.log_start_offset = self.log_start_offset
            raise
        except KafkaError as error:
            raise AppendRefused.within_log(error, self.log_start_offset) from None
        first_offset = self.log_end_offset
        last_offset = first_offset + header.last_offset_delta
        set_offset_and_epoch(data, 0, first_offset, leader_epoch)
        largest = header.max_timestamp, last_offset
        self._write(data, first_offset, last_offset, largest, leader_epoch, now_ms)
        if header.producer_id >= 0:
            self._note_producer(as_header(HEADER.unpack_from(data)), marker)
        self._unflushed_messages += header.record_count
        if self._unflushed_messages >= self.config.flush_messages:
            self.flush(now_ms)
        append_time = now_ms if self.config.append_time and from_client else -1
        return _as_info((first_offset, last_offset, append_time, self.log_start_offset, header.max_timestamp, False))

    def _answer_duplicate(self, known: BatchMetadata) -> LogAppendInfo:
        return LogAppendInfo(
            known.first_offset, known.last_offset, known.timestamp, self.log_start_offset, known.timestamp, True
        )

    def append_as_follower(self, records: Buffer, *, now_ms: int) -> LogAppendInfo:
        """Write batches as the leader sent them, offsets and epochs as given; a torn one at the end is left out.

        Raises CorruptRecordError for a wrong checksum, KafkaError (OFFSET_OUT_OF_RANGE) when the first batch does not
        begin at or behind the log's end.
        """
        view = memoryview(records)
        headers: list[BatchHeader] = []
        markers: list[Marker | None] = []
        for at, _ in batches(view):
            header = verify(view, at)
            headers.append(header)
            markers.append(producer_journal.marker_of(view[at:], header))
        if not headers:
            return LogAppendInfo(-1, -1, -1, self.log_start_offset, -1)
        first, last = headers[0], headers[-1]
        if first.base_offset < self.log_end_offset:
            raise KafkaError(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"batch at {first.base_offset}, but the log ends at {self.log_end_offset}",
            )
        if last.last_offset - first.base_offset > MAX_RELATIVE_OFFSET and len(headers) > 1:
            # No segment spans them all.
            for at, header in batches(view):
                info = self.append_as_follower(view[at : at + header.size], now_ms=now_ms)
            return info._replace(first_offset=first.base_offset)
        size = sum(header.size for header in headers)
        max_timestamp = max(header.max_timestamp for header in headers)
        newest = next(header for header in headers if header.max_timestamp == max_timestamp)
        largest = max_timestamp, newest.last_offset
        self._write(view[:size], first.base_offset, last.last_offset, largest, first.partition_leader_epoch, now_ms)
        for header, marker in zip(headers, markers, strict=True):
            if header.partition_leader_epoch > self.epochs.latest_epoch:
                self.epochs.assign(header.partition_leader_epoch, header.base_offset)
            if header.has_producer:
                self._note_producer(header, marker)
        self._unflushed_messages += last.next_offset - first.base_offset
        if self._unflushed_messages >= self.config.flush_messages:
            self.flush(now_ms)
        return LogAppendInfo(first.base_offset, last.last_offset, -1, self.log_start_offset, max_timestamp)

    def _write(
        self,
        data: Buffer,
        first_offset: int,
        last_offset: int,
        largest: tuple[int, int],
        leader_epoch: int,
        now_ms: int,
    ) -> None:
        """`largest` is what `LogSegment.append` calls newest."""
        segments, config = self.segments, self.config
        segment = segments.active
        try:
            if self.is_failed:
                raise OSError("the log directory is offline")
            if segment.size == 0:
                self.put_on_disk()
                segment = self._within_reach(segment, first_offset, last_offset, now_ms)
            elif segment.must_roll(len(data), last_offset, largest[0], now_ms, config, segments.jitter_ms):
                segment = self._within_reach(self.roll(now_ms), first_offset, last_offset, now_ms)
            if leader_epoch > self.epochs.latest_epoch:
                self.epochs.assign(leader_epoch, first_offset)
            segment.append(data, first_offset, last_offset, largest)
        except (OSError, WireError) as error:
            raise self.read_error(error) from error
        # At once: whatever fails from here on, these offsets are taken.
        self.log_end_offset = self.producers.map_end_offset = last_offset + 1

    def _within_reach(self, empty: LogSegment, first_offset: int, last_offset: int, now_ms: int) -> LogSegment:
        """The empty segment, or another one where a leader's gap is wider than the offsets that one segment spans."""
        if last_offset - empty.base_offset > MAX_RELATIVE_OFFSET:
            return self.roll_to(first_offset, now_ms)
        return empty

    def _note_producer(self, header: BatchHeader, marker: Marker | None) -> None:
        completed = self.producers.update(header, marker)
        if completed is not None:
            if completed.is_aborted:
                try:
                    self.segments.active.txn_index.append(recovery.aborted(completed, self.producers))
                except OSError as error:
                    raise self.storage_error(error) from error
            self.producers.complete(completed)

    # Reading.

    def read(self, offset: int, max_bytes: int, *, up_to: int, min_one_message: bool) -> LogSlice:
        """Batches from the one that holds `offset`, below the offset `up_to` (high watermark, last stable offset or log
        end).

        KafkaError OFFSET_OUT_OF_RANGE below the start or beyond the end of the log, else as `read_error`; sizes in
        bytes.
        """
        if offset < self.log_start_offset or offset > self.log_end_offset:
            raise KafkaError(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"{self.topic_partition} has no {offset}: it spans {self.log_start_offset} to {self.log_end_offset}",
            )
        if offset >= up_to or offset == self.log_end_offset:
            return LogSlice(b"")
        try:
            for segment, next_base in self.segments.from_offset(offset):
                position = segment.locate(offset)
                end = segment.size if up_to >= (next_base or self.log_end_offset) else segment.locate(up_to)
                found = segment.read(position, max_bytes, end, min_one_message=min_one_message)
                if found is not None:
                    return LogSlice(found, segment, end - position, next_base is not None and next_base < up_to)
                if next_base is not None and next_base >= up_to:
                    break
            return LogSlice(b"")
        except (OSError, WireError) as error:
            raise self.read_error(error) from error

    # Lookups: what cannot be read raises `read_error`.

    def offset_for_timestamp(self, timestamp: int) -> lookup.TimestampOffset | None:
        """The first record whose timestamp is at or above `timestamp`; None when there is none."""
        try:
            return lookup.at_once(lookup.offset_for_timestamp(self, timestamp))
        except (OSError, WireError) as error:
            raise self.read_error(error) from error

    def max_timestamp_offset(self) -> lookup.TimestampOffset | None:
        """The record with the largest timestamp (ListOffsets -3, KIP-734); None when there is none."""
        try:
            return lookup.at_once(lookup.max_timestamp_offset(self))
        except (OSError, WireError) as error:
            raise self.read_error(error) from error

    def aborted_in(self, offset: int, found: LogSlice) -> list[AbortedTransaction]:
        """Aborted transactions that overlap what a read from `offset` found, for a fetch under read_committed.

        The end of what was found is rounded up to the next index entry, or to the next segment (Kafka's
        `LocalLog.addAbortedTransactions`): batch headers are not walked for it.
        """
        records, segment = found.records, found.segment
        if segment is None or not isinstance(records, FileRange):
            return []
        try:
            end = segment.index.offset_at_or_behind(records.position + records.size)
        except (OSError, WireError) as error:
            raise self.read_error(error) from error
        if end is None:
            following = [next_base for _, next_base in islice(self.segments.from_offset(segment.base_offset), 1)]
            end = following[0] if following[0] is not None else self.log_end_offset
        return self.aborted_transactions(offset, end)

    def aborted_transactions(self, first: int, last: int) -> list[AbortedTransaction]:
        """Aborted transactions that overlap the offsets from `first` to `last` (exclusive)."""
        found: list[AbortedTransaction] = []
        try:
            for segment, _ in self.segments.from_offset(first):
                entries, complete = segment.txn_index.collect(first, last)
                found += entries
                if complete:
                    break
        except OSError as error:
            raise self.storage_error(error) from error
        return found

    # Both ends.

    def truncate_to(self, offset: int, now_ms: int) -> None:
        """Drop everything from `offset` on (a follower that parted from its leader)."""
        try:
            retention.truncate_to(self, offset, now_ms)
        except (OSError, WireError) as error:
            raise self.read_error(error) from error

    def truncate_fully_and_start_at(self, offset: int, now_ms: int) -> None:
        """Drop everything; the log is empty and begins at `offset`."""
        try:
            retention.truncate_fully_and_start_at(self, offset, now_ms)
        except (OSError, WireError) as error:
            raise self.read_error(error) from error

    def delete_records(self, up_to: int) -> int:
        """Move the log's start to `up_to` (-1: the high watermark); the new start. DeleteRecords (KIP-107)."""
        return retention.delete_records(self, up_to)

    def delete_old_segments(self, now_ms: int) -> int:
        """Drop the segments that retention lets go; how many."""
        try:
            return retention.delete_old_segments(self, now_ms)
        except (OSError, WireError) as error:
            raise self.read_error(error) from error


class UnopenedLog(Log):
    """A log whose directory was not looked at yet. The first use of what it alone can tell makes this a plain `Log`.

    It is a class of its own because `__getattr__` slows down every attribute of an object that has it.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        # Reached only for a slot that has no value.
        if name in LOADED:
            self.load()
            return getattr(self, name)
        raise AttributeError(name)

    def load(self) -> None:
        super().load()
        self.__class__ = Log  # type: ignore[assignment]  # the same slots, without the hook
