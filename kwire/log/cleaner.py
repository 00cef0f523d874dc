"""Compaction of one log: its newest record of each key stays, in place, under its offset.

First the *dirty* records, those behind the last compaction, are read into an `OffsetMap`, as many as fit. Then every
segment up to there is copied without the records that the map knows newer ones of. Neighbouring segments go into one
new segment as long as data, indexes and offsets fit, so that a log does not dissolve into tiny ones. Each new segment
is complete and on the device before it is named to the caller, who swaps it in (`swap`).

The first uncleanable offset, producers and transactions come with the job. No clock, no process, no log object: this
runs wherever it is called. Source: Kafka's `Cleaner` (3.9).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from kwire.log.cleaned_segment import CleanedSegment, remove_cleaned
from kwire.log.cleaned_transactions import CleanedTransactions
from kwire.log.cleaning_job import CleanedGroup, CleanerStats, CleaningJob
from kwire.log.files import CLEANED_SUFFIX, INDEX_SUFFIX, LOG_SUFFIX, TIME_INDEX_SUFFIX, Files, offset_name
from kwire.log.keyed_records import outline
from kwire.log.offset_map import KEYLESS, TOMBSTONE, OffsetMap
from kwire.log.record_filter import RecordFilter
from kwire.log.segment import MAX_RELATIVE_OFFSET
from kwire.log.stored_frames import Pause, StoredFrame, stored_frames
from kwire.log.txn_index import AbortedTransaction
from kwire.wire.legacy import message_batches
from kwire.wire.record_batch import read_header
from kwire.wire.records import read_records, records_data

_LEAST_PIECE_BYTES = 4096


class CleaningAborted(Exception):
    """The log was truncated, deleted or moved, or the broker stops: what is unfinished is of no use."""


def clean(
    job: CleaningJob, files: Files, offset_map: OffsetMap, *, io_bytes: int, pause: Pause
) -> Iterator[CleanedGroup | CleanerStats]:
    """Compact; yields each finished group, then the stats, whose `end_offset` is the next first dirty offset.

    `io_bytes` is how much is read at once; `pause` is called with bytes just read or written, may wait (throttling),
    and raises CleaningAborted to end the work. Raises OSError, WireError for damaged batches (CorruptRecordError,
    InvalidRecordError, CompressionError), KafkaError (UNSUPPORTED_COMPRESSION_TYPE) and CleaningAborted; the unfinished
    `.cleaned` files are removed then.
    """
    for name in files.names(job.directory):
        if name.endswith(CLEANED_SUFFIX):
            files.unlink(os.path.join(job.directory, name))
    stats = CleanerStats()
    source = _Source(job, files, max(io_bytes, _LEAST_PIECE_BYTES), pause)
    _fill_map(job, source, offset_map, stats)
    stats.end_offset = offset_map.latest_offset + 1
    stats.map_utilization = offset_map.utilization
    transactions = CleanedTransactions(_aborted(job, job.segments[0][0] if job.segments else 0))
    rules = RecordFilter(job, offset_map, transactions, stats)
    # Tombstones of magic 0 and 1 have no delete horizon: they go with segments that are this much older.
    clean_segments = [base for base, _ in job.segments if base < job.first_dirty_offset]
    legacy_horizon_ms = source.modified_ms(clean_segments[-1]) - job.delete_retention_ms if clean_segments else 0
    for group in source.groups(stats.end_offset):
        try:
            yield _clean_group(job, source, group, rules, transactions, legacy_horizon_ms, stats)
        except BaseException:
            remove_cleaned(job.directory, group[0][0], files)
            raise
    yield stats


def _aborted(job: CleaningJob, from_offset: int) -> list[AbortedTransaction]:
    return [entry for entry in map(AbortedTransaction._make, job.aborted) if entry.last_offset >= from_offset]


class _Source:
    """The job's segments, read in pieces."""

    def __init__(self, job: CleaningJob, files: Files, piece_bytes: int, pause: Pause) -> None:
        self._job = job
        self.files = files
        self._piece_bytes = piece_bytes
        self.pause = pause

    def _path(self, base_offset: int, suffix: str) -> str:
        return os.path.join(self._job.directory, offset_name(base_offset, suffix))

    def modified_ms(self, base_offset: int) -> int:
        return self.files.modified_ms(self._path(base_offset, LOG_SUFFIX))

    def sync(self, base_offset: int) -> None:
        """Put a segment's batches on the device. OSError."""
        self.files.sync(self.files.open(self._path(base_offset, LOG_SUFFIX)))

    def frames(self, base_offset: int, size: int) -> Iterator[StoredFrame]:
        """The batches and messages of a segment; CorruptRecordError, OSError."""
        path = self._path(base_offset, LOG_SUFFIX)
        return stored_frames(self.files, path, size, self._piece_bytes, self.pause)

    def groups(self, end_offset: int) -> Iterator[list[tuple[int, int]]]:
        """The segments that begin below `end_offset`, in runs that fit one segment (Kafka's `groupSegmentsBySize`)."""
        job = self._job
        group: list[tuple[int, int]] = []
        totals = (0, 0, 0)
        for base, size, end in _with_ends(job):
            if base >= end_offset:
                break
            sizes = (size, self._size(base, INDEX_SUFFIX), self._size(base, TIME_INDEX_SUFFIX))
            joined = (totals[0] + sizes[0], totals[1] + sizes[1], totals[2] + sizes[2])
            limits = (job.segment_bytes, job.segment_index_bytes, job.segment_index_bytes)
            in_range = not group or size == 0 or end - 1 - group[0][0] <= MAX_RELATIVE_OFFSET
            if group and not (in_range and all(map(int.__le__, joined, limits))):
                yield group
                group, joined = [], sizes
            group.append((base, size))
            totals = joined
        if group:
            yield group

    def _size(self, base_offset: int, suffix: str) -> int:
        try:
            return self.files.size(self._path(base_offset, suffix))
        except FileNotFoundError:
            return 0


def _with_ends(job: CleaningJob) -> list[tuple[int, int, int]]:
    """(base offset, size, offset behind it) of each segment."""
    ends = [base for base, _ in job.segments[1:]] + [job.first_uncleanable_offset]
    return [(base, size, end) for (base, size), end in zip(job.segments, ends, strict=bool(job.segments))]


# Building the map.


def _fill_map(job: CleaningJob, source: _Source, offset_map: OffsetMap, stats: CleanerStats) -> None:
    dirty = [(base, size, end) for base, size, end in _with_ends(job) if end > job.first_dirty_offset]
    start = job.first_dirty_offset
    offset_map.clear(start, job.first_uncleanable_offset - start)
    transactions = CleanedTransactions(_aborted(job, start))
    for base, size, end in dirty:
        # For what is newer here, older records go that may be on the device long since: a power cut must not take both.
        if size:
            source.sync(base)
        for piece, pos, frame_bytes, magic in source.frames(base, size):
            stats.map_bytes_read += frame_bytes
            taken, last_offset = (
                _put_batch(piece, pos, start, offset_map, transactions, stats)
                if magic == 2
                else _put_messages(piece, pos, pos + frame_bytes, start, offset_map, stats)
            )
            if last_offset >= start:
                offset_map.latest_offset = last_offset
            if not taken:
                return
        # Offsets are missing at the end of a segment where an earlier compaction took the last batches.
        offset_map.latest_offset = max(offset_map.latest_offset, end - 1)


def _put_batch(
    piece: bytes,
    pos: int,
    start: int,
    offset_map: OffsetMap,
    transactions: CleanedTransactions,
    stats: CleanerStats,
) -> tuple[bool, int]:
    """(whether all of the batch is in the map, the last offset up to which it is)."""
    header = read_header(piece, pos)
    if header.last_offset < start:
        return True, header.last_offset
    stats.map_records_read += header.record_count
    if header.is_control:
        transactions.can_discard(header, read_records(piece, pos))
        return True, header.last_offset
    if transactions.is_aborted(header):
        return True, header.last_offset
    found = outline(records_data(piece, pos, header), header.record_count)
    base = header.base_offset
    offsets = [base + delta for delta in found.deltas]
    keys = found.keys
    if found.keyless or base < start:
        keyless = set(found.keyless)
        chosen = [index for index, offset in enumerate(offsets) if offset >= start and index not in keyless]
        offsets, keys = [offsets[index] for index in chosen], [keys[index] for index in chosen]
    for index in found.tombstones:
        if base + found.deltas[index] >= start:
            offset_map.mark(base + found.deltas[index], TOMBSTONE)
    for index in found.keyless:
        if base + found.deltas[index] >= start:
            offset_map.mark(base + found.deltas[index], KEYLESS)
    return _put(keys, offsets, header.last_offset, offset_map)


def _put(keys: list[bytes], offsets: list[int], last_offset: int, offset_map: OffsetMap) -> tuple[bool, int]:
    """As `_put_batch`. A part counts: else a batch with more keys than the map holds would never be compacted."""
    taken = offset_map.put_all(keys, offsets)
    return (True, last_offset) if taken == len(keys) else (False, offsets[taken] - 1)


def _put_messages(
    piece: bytes, pos: int, end: int, start: int, offset_map: OffsetMap, stats: CleanerStats
) -> tuple[bool, int]:
    last_offset = -1
    for batch in message_batches(piece, pos, end):
        stats.map_records_read += len(batch.records)
        last_offset = batch.last_offset
        keyed = [(record.key, record.offset) for record in batch.records if record.key is not None]
        keyed = [(key, offset) for key, offset in keyed if offset >= start]
        taken, last_offset = _put([key for key, _ in keyed], [offset for _, offset in keyed], last_offset, offset_map)
        if not taken:
            return False, last_offset
    return True, last_offset


# Copying.


def _clean_group(
    job: CleaningJob,
    source: _Source,
    group: list[tuple[int, int]],
    rules: RecordFilter,
    transactions: CleanedTransactions,
    legacy_horizon_ms: int,
    stats: CleanerStats,
) -> CleanedGroup:
    cleaned = CleanedSegment(
        job.directory,
        group[0][0],
        source.files,
        index_max_bytes=job.segment_index_bytes,
        index_interval_bytes=job.index_interval_bytes,
    )
    transactions.retained.clear()
    written = 0
    for base, size in group:
        keep_tombstones = source.modified_ms(base) > legacy_horizon_ms
        for piece, pos, frame_bytes, magic in source.frames(base, size):
            stats.bytes_read += frame_bytes
            if magic == 2:
                kept = rules.filter_batch(piece, pos)
                if kept is not None:
                    cleaned.append(*kept)
            else:
                for kept in rules.filter_messages(piece, pos, pos + frame_bytes, keep_tombstones=keep_tombstones):
                    cleaned.append(*kept)
            if cleaned.size - written >= _LEAST_PIECE_BYTES:
                source.pause(cleaned.size - written)
                written = cleaned.size
    modified_ms = source.modified_ms(group[-1][0])
    size = cleaned.finish(list(transactions.retained), modified_ms)
    source.files.sync_directory(job.directory)
    stats.bytes_written += size
    return CleanedGroup(group[0][0], size, [base for base, _ in group])
