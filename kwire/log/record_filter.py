"""What compaction keeps of one batch.

A record stays if it is its key's newest, if nothing newer than the map's end is known of it, or if it is a tombstone
whose time has not come. A batch without records stays, empty, where it alone says which offset or which sequence was
the last one. Tombstones and markers get a *delete horizon* when a compaction first keeps them: the base timestamp field
then says from when on they may go (KIP-534). Magic 0 and 1 have no such field and go by the segments' file times.

Kept records are copied as they are, so base timestamp and deltas stay, where Kafka makes the first kept record's
timestamp the base; consumers see no difference. Checksums are verified first: a flipped bit must not get a new,
matching checksum. Sources: Kafka's `Cleaner.cleanInto`, `MemoryRecords.filterTo`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress

from kwire.log.cleaned_transactions import CleanedTransactions
from kwire.log.cleaning_job import CleanerStats, CleaningJob
from kwire.log.keyed_records import Outline, max_timestamp_delta, outline, record_ends
from kwire.log.offset_map import KEYLESS, TOMBSTONE, OffsetMap
from kwire.wire.legacy import MessageBatch, build_message_set, message_batches
from kwire.wire.record_batch import (
    CONTROL_MASK,
    DELETE_HORIZON_MASK,
    LOG_APPEND_TIME,
    NO_TIMESTAMP,
    TIMESTAMP_TYPE_MASK,
    TRANSACTIONAL_MASK,
    BatchHeader,
    Buffer,
    verify,
)
from kwire.wire.records import Record, read_records, rebuild_batch, records_data, seal_batch

Kept = tuple[Buffer, int, int]
"""(bytes, last offset, max timestamp) of what stays of a batch."""


class RecordFilter:
    """The rules of one cleaning; `stats` counts what goes through."""

    __slots__ = ("_job", "_last_records", "_map", "_stats", "_transactions")

    def __init__(
        self, job: CleaningJob, offset_map: OffsetMap, transactions: CleanedTransactions, stats: CleanerStats
    ) -> None:
        self._job = job
        self._map = offset_map
        self._transactions = transactions
        self._stats = stats
        self._last_records = {producer_id: (offset, epoch) for producer_id, offset, epoch in job.last_records}

    # Magic 2.

    def filter_batch(self, piece: bytes, pos: int) -> Kept | None:
        """What stays of the magic 2 batch at `pos`; None for nothing.

        Raises CorruptRecordError, InvalidRecordError, CompressionError, KafkaError (UNSUPPORTED_COMPRESSION_TYPE).
        """
        header = verify(piece, pos)
        horizon = header.delete_horizon_ms
        if header.is_control:
            records = read_records(piece, pos)
            self._stats.records_read += len(records)
            is_empty_transaction = self._transactions.can_discard(header, records)
            if not records or (is_empty_transaction and horizon is not None and horizon <= self._job.now_ms):
                return self._emptied(header)
            self._stats.records_written += len(records)
            if is_empty_transaction and horizon is None:
                return self._with_delete_horizon(header, records)
            return piece[pos : pos + header.size], header.last_offset, header.max_timestamp
        if self._transactions.is_aborted(header):
            self._stats.records_read += header.record_count
            return self._emptied(header)
        return self._filter_data(piece, pos, header)

    def _filter_data(self, piece: bytes, pos: int, header: BatchHeader) -> Kept | None:
        count = header.record_count
        marks = self._map.marks_between(header.base_offset, header.last_offset)
        # The marks are by offset: they fit the records if no compaction has taken any of them yet.
        if marks is not None and count == len(marks) and TOMBSTONE not in marks:
            self._stats.records_read += count
            self._stats.records_written += marks.count(0)
            self._stats.invalid_records_read += marks.count(KEYLESS)
            if marks.count(0) in (0, count):
                whole = piece[pos : pos + header.size], header.last_offset, header.max_timestamp
                return whole if count and not any(marks) else self._emptied(header)
            data = records_data(piece, pos, header)
            return self._thinned(header, data, record_ends(data, count), [not mark for mark in marks])
        data = records_data(piece, pos, header)
        found = outline(data, count)
        keep = self._kept(header, found)
        count = sum(keep)
        self._stats.records_read += len(keep)
        self._stats.records_written += count
        if not count:
            return self._emptied(header)
        if header.delete_horizon_ms is None and any(keep[index] for index in found.tombstones):
            return self._with_delete_horizon(header, list(compress(read_records(piece, pos), keep)))
        if count == len(keep):
            return piece[pos : pos + header.size], header.last_offset, header.max_timestamp
        return self._thinned(header, data, found.ends, keep)

    def _thinned(self, header: BatchHeader, data: bytes, ends: list[int], keep: list[bool]) -> Kept:
        """The batch with those of its records that are kept, copied as they are."""
        starts = list(compress([0, *ends[:-1]], keep))
        kept = b"".join(map(data.__getitem__, map(slice, starts, compress(ends, keep))))
        max_timestamp = header.max_timestamp
        if header.timestamp_type != LOG_APPEND_TIME:
            max_timestamp = header.base_timestamp + max_timestamp_delta(data, starts)
        rebuilt = seal_batch(header._replace(record_count=len(starts), max_timestamp=max_timestamp), kept)
        return rebuilt, header.last_offset, max_timestamp

    def _kept(self, header: BatchHeader, found: Outline) -> list[bool]:
        base, latest = header.base_offset, self._map.latest_offset
        if base > latest:
            return [True] * len(found.keys)
        newest = self._map.get_all(found.keys)
        # This keeps what lies behind the map's end as well: nothing in the map is newer.
        keep = [base + delta >= offset for delta, offset in zip(found.deltas, newest, strict=True)]
        dropped = found.keyless
        self._stats.invalid_records_read += len(dropped)
        horizon = header.delete_horizon_ms
        if horizon is not None and self._job.now_ms >= horizon:
            dropped = dropped + found.tombstones
        for index in dropped:
            keep[index] = base + found.deltas[index] > latest
        return keep

    def _with_delete_horizon(self, header: BatchHeader, records: list[Record]) -> Kept:
        max_timestamp = max(record.timestamp for record in records)
        wanted = header._replace(
            attributes=header.attributes | DELETE_HORIZON_MASK,
            base_timestamp=self._job.now_ms + self._job.delete_retention_ms,
            max_timestamp=max_timestamp,
        )
        return rebuild_batch(wanted, records), header.last_offset, max_timestamp

    def _emptied(self, header: BatchHeader) -> Kept | None:
        """The header alone where it must stay, without a codec (Kafka's `DefaultRecordBatch.writeEmptyHeader`)."""
        if not (header.next_offset == self._job.first_uncleanable_offset or self._is_last_of_producer(header)):
            return None
        attributes = header.attributes & (TIMESTAMP_TYPE_MASK | TRANSACTIONAL_MASK | CONTROL_MASK)
        empty = header._replace(attributes=attributes, base_timestamp=NO_TIMESTAMP, record_count=0)
        return seal_batch(empty, b""), header.last_offset, header.max_timestamp

    def _is_last_of_producer(self, header: BatchHeader) -> bool:
        last = self._last_records.get(header.producer_id) if header.has_producer else None
        if last is None:
            return False
        offset, epoch = last
        if offset >= 0:
            return header.last_offset == offset
        return header.is_control and header.producer_epoch == epoch

    # Magic 0 and 1.

    def filter_messages(self, piece: bytes, pos: int, end: int, *, keep_tombstones: bool) -> Iterator[Kept]:
        """What stays of the message of magic 0 or 1 at `pos`, a wrapper with all that is in it; errors as above."""
        for batch in message_batches(piece, pos, end):
            kept = [record for record in batch.records if self._is_kept(record, keep_tombstones)]
            self._stats.records_read += len(batch.records)
            # These formats know no empty batch: the last one of a cleaning stays as it is, to hold its offset.
            if not kept and batch.last_offset + 1 != self._job.first_uncleanable_offset:
                continue
            self._stats.records_written += len(kept)
            if len(kept) == len(batch.records) or not kept:
                yield piece[pos:end], batch.last_offset, batch.max_timestamp
            else:
                yield _message_set(batch, kept), kept[-1].offset, max(record.timestamp for record in kept)

    def _is_kept(self, record: Record, keep_tombstones: bool) -> bool:
        if record.offset > self._map.latest_offset:
            return True
        if record.key is None:
            self._stats.invalid_records_read += 1
            return False
        is_newest = record.offset >= self._map.get_all([record.key])[0]
        return is_newest and (keep_tombstones or record.value is not None)


def _message_set(batch: MessageBatch, kept: list[Record]) -> bytes:
    return build_message_set(
        kept, magic=batch.magic, compression=batch.compression, timestamp_type=max(batch.timestamp_type, 0)
    )
