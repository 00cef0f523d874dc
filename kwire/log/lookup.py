"""ListOffsets: from a timestamp to the record that has it (KIP-79, KIP-734).

A search is a generator: it yields the work that may take long (a batch of a great many records, an old message set),
which is pure and may be done in a thread, and is sent what came out of it. `at_once` drives it without a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from kwire.log.segment import LogSegment
from kwire.log.time_index import NO_TIMESTAMP
from kwire.log.validate import MOST_BYTES_AT_ONCE, MOST_RECORDS_AT_ONCE
from kwire.named_tuple import NamedTuple
from kwire.wire.primitives import WireError
from kwire.wire.record_batch import BatchHeader

if TYPE_CHECKING:
    from kwire.log.log_state import LogState

T = TypeVar("T")
_MAX_BYTES = 128 << 20
"""What a batch may decompress to, as everywhere (`wire.records`)."""


class TimestampOffset(NamedTuple):
    """A record found by its time: timestamp in ms, offset, and the leader epoch of its batch (-1 unknown)."""

    timestamp: int
    offset: int
    leader_epoch: int


Search = Generator[Callable[[], Any], Any, "TimestampOffset | None"]


def offset_for_timestamp(log: LogState, timestamp: int) -> Search:
    """The first record at or behind the log's start whose timestamp is at or above `timestamp` (ms); None without one.

    The first segment whose largest timestamp reaches it is searched: time index, batch headers, then the records of one
    batch.
    """
    return _while_segments_last(log, partial(_first_from, log, timestamp))


def _while_segments_last(log: LogState, search: Callable[[], Search]) -> Search:
    """What `search` finds, begun anew if a segment that it knew has gone.

    Retention, compaction and moves do not wait for a search that has work in a thread.
    """
    while True:
        segments = set(log.segments)
        try:
            found = yield from search()
        except (OSError, WireError):
            if segments <= set(log.segments):
                raise
        else:
            # A compacted segment has the name of the one whose place it took: what was found there may be of neither.
            if segments <= set(log.segments):
                return found


def _first_from(log: LogState, timestamp: int) -> Search:
    for segment in log.segments:
        if segment.size and segment.largest_timestamp_and_offset()[0] >= timestamp:
            found = yield from _in_segment(segment, timestamp, log.log_start_offset)
            if found is not None:
                return found
    return None


def _in_segment(segment: LogSegment, timestamp: int, start_offset: int) -> Search:
    indexed = segment.time_index.lookup(timestamp - 1)[1]
    for position, header in segment.batches(segment.locate(max(indexed, start_offset))):
        if header.max_timestamp >= timestamp and header.last_offset >= start_offset:
            data = segment.bytes_at(position, header.size)
            found = yield from _in_turn(header, partial(_first_at_or_after, data, header, timestamp, start_offset))
            if found is not None:
                return found
    return None


def _first_at_or_after(
    batch: bytes, header: BatchHeader, timestamp: int, start_offset: int, max_bytes: int = _MAX_BYTES
) -> TimestampOffset | None:
    for offset, stamp in _times(batch, header, max_bytes):
        if stamp >= timestamp and offset >= start_offset:
            return TimestampOffset(stamp, offset, header.partition_leader_epoch)
    return None


def _largest_from(batch: bytes, header: BatchHeader, start_offset: int, max_bytes: int = _MAX_BYTES) -> int:
    times = _times(batch, header, max_bytes)
    return max((stamp for offset, stamp in times if offset >= start_offset), default=NO_TIMESTAMP)


def _times(batch: bytes, header: BatchHeader, max_bytes: int) -> Iterable[tuple[int, int]]:
    """(offset, timestamp) of each record of a stored batch of any magic."""
    if header.magic < 2:
        from kwire.wire.legacy import read_message_set

        return [(record.offset, record.timestamp) for record in read_message_set(batch)]
    from kwire.wire.record_times import offsets_and_timestamps
    from kwire.wire.records import data_for_count

    return offsets_and_timestamps(data_for_count(batch, 0, header, max_bytes), header)


def _in_turn(header: BatchHeader, work: Callable[..., T]) -> Generator[Callable[[], Any], Any, T]:
    """What `work` returns; whoever drives the search does it elsewhere if it may take long."""
    if header.record_count <= MOST_RECORDS_AT_ONCE and header.magic == 2:
        from kwire.wire.compression import TooLargeError

        with suppress(TooLargeError):
            return work(max_bytes=MOST_BYTES_AT_ONCE)
    result: T = yield work
    return result


def at_once(search: Generator[Callable[[], Any], Any, T]) -> T:
    """Drive a search to its end here and now."""
    result: Any = None
    while True:
        try:
            work = search.send(result)
        except StopIteration as end:
            value: T = end.value
            return value
        result = work()


def max_timestamp_offset(log: LogState) -> Search:
    """The first record with the largest timestamp, at or behind the log's start; None for an empty log.

    Where no record has a timestamp, -1 is the largest, and the first record has it, as in Kafka.
    """
    return _while_segments_last(log, partial(_first_of_largest, log))


def _first_of_largest(log: LogState) -> Search:
    best: LogSegment | None = None
    largest = NO_TIMESTAMP
    for segment, _ in log.segments.from_offset(log.log_start_offset):
        if segment.size:
            found = yield from _largest_behind(segment, log.log_start_offset)
            if found > largest or best is None:
                best, largest = segment, found
    if best is None:
        return None
    return (yield from _in_segment(best, largest, log.log_start_offset))


def _largest_behind(segment: LogSegment, start_offset: int) -> Generator[Callable[[], Any], Any, int]:
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
            data = segment.bytes_at(position, header.size)
            found = yield from _in_turn(header, partial(_largest_from, data, header, start_offset))
            largest = max(largest, found)
    return largest
