"""ListOffsets: from a timestamp to the record that has it (KIP-79, KIP-734)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kwire.log.segment import LogSegment
from kwire.log.segment_files import StoredBatch
from kwire.log.time_index import NO_TIMESTAMP

if TYPE_CHECKING:
    from kwire.log.log_state import LogState


class TimestampOffset(NamedTuple):
    """A record found by its time: timestamp in ms, offset, and the leader epoch of its batch (-1 unknown)."""

    timestamp: int
    offset: int
    leader_epoch: int


def offset_for_timestamp(log: LogState, timestamp: int) -> TimestampOffset | None:
    """The first record at or behind the log's start whose timestamp is at or above `timestamp` (ms); None without one.

    The first segment whose largest timestamp reaches it is searched: time index, batch headers, then the records of one
    batch.
    """
    for segment in log.segments:
        if segment.size and segment.largest_timestamp_and_offset()[0] >= timestamp:
            found = _in_segment(segment, timestamp, log.log_start_offset)
            if found is not None:
                return found
    return None


def _in_segment(segment: LogSegment, timestamp: int, start_offset: int) -> TimestampOffset | None:
    indexed = segment.time_index.lookup(timestamp - 1)[1]
    position = segment.locate(max(indexed, start_offset))
    for batch in segment.batches(position):
        if batch.header.max_timestamp >= timestamp and batch.header.last_offset >= start_offset:
            found = _in_batch(segment, batch, timestamp, start_offset)
            if found is not None:
                return found
    return None


def _in_batch(segment: LogSegment, batch: StoredBatch, timestamp: int, start_offset: int) -> TimestampOffset | None:
    from kwire.wire.records import read_records

    header = batch.header
    for record in read_records(segment.bytes_at(batch.position, header.size)):
        if record.timestamp >= timestamp and record.offset >= start_offset:
            return TimestampOffset(record.timestamp, record.offset, header.partition_leader_epoch)
    return None


def max_timestamp_offset(log: LogState) -> TimestampOffset | None:
    """The first record with the largest timestamp, at or behind the log's start; None for a log without timestamps."""
    best: LogSegment | None = None
    largest = NO_TIMESTAMP
    for segment, _ in log.segments.from_offset(log.log_start_offset):
        if segment.size:
            found = _largest_behind(segment, log.log_start_offset)
            if found > largest:
                best, largest = segment, found
    if best is None:
        return None
    return _in_segment(best, largest, log.log_start_offset)


def _largest_behind(segment: LogSegment, start_offset: int) -> int:
    """The segment's largest timestamp among the records from `start_offset` on."""
    if start_offset <= segment.base_offset:
        return segment.largest_timestamp_and_offset()[0]
    # DeleteRecords put the start amid this segment: what the segment remembers may lie before it.
    largest = NO_TIMESTAMP
    for position, header in segment.batches(segment.locate(start_offset)):
        if header.max_timestamp <= largest:
            continue
        if header.base_offset >= start_offset:
            largest = header.max_timestamp
        else:
            from kwire.wire.records import read_records

            records = read_records(segment.bytes_at(position, header.size))
            largest = max((record.timestamp for record in records if record.offset >= start_offset), default=largest)
    return largest
