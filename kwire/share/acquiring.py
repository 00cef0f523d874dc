"""A member gets records of a share partition: those that became free again first, then new ones, as far as locks go.

In batch-optimised mode whole record batches are acquired, though they hold more records than were asked for; in
record-limit mode no record more (KIP-1206). Records that were delivered often are handed out in ever smaller portions,
and alone for the last time, so that one bad record does not take its neighbours with it.
(apache/kafka `SharePartition.acquire`.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kwire.share.in_flight import Batch, Run
from kwire.share.partition import SharePartition
from kwire.share.states import AVAILABLE, NO_MEMBER, RECORD_LIMIT

MIN_THROTTLE_LIMIT = 2


class RecordBatch(NamedTuple):
    """Offsets of one record batch of the log."""

    base: int
    last: int


class Acquired(NamedTuple):
    """Offsets that a member has got, in their delivery of this number."""

    first: int
    last: int
    deliveries: int


class Wish(NamedTuple):
    """What a member asks for. `batch_size` is about how many new records go into one unit of acquisition."""

    member_id: str
    max_records: int
    batch_size: int
    mode: int


def acquire(
    partition: SharePartition, wish: Wish, fetch_offset: int, fetched: Sequence[RecordBatch], now_ms: int
) -> list[Acquired]:
    """Lock for the member what it may have of the batches that were read from `fetch_offset` on."""
    if wish.max_records <= 0 or not fetched or fetched[-1].last < partition.start_offset:
        return []
    limit, last = _room(partition, fetch_offset, wish.max_records, fetched[-1].last)
    if limit <= 0:
        return []
    return _Acquisition(partition, wish, fetched, last, now_ms).run(fetch_offset, limit)


def _room(partition: SharePartition, fetch_offset: int, max_records: int, last: int) -> tuple[int, int]:
    """How many records, and up to which offset: with all locks taken only what lies between those in flight."""
    limit = min(max_records, partition.limits().max_locks - partition.locked_count)
    if limit <= 0 and fetch_offset <= partition.end_offset:
        return min(max_records, partition.end_offset - fetch_offset + 1), min(last, partition.end_offset)
    return limit, last


class _Acquisition:
    """One member's turn at one partition; `last` is the last offset that it may get."""

    __slots__ = ("_deadline_ms", "_fetched", "_last", "_max_deliveries", "_partition", "_throttle_from", "_wish")

    def __init__(
        self, partition: SharePartition, wish: Wish, fetched: Sequence[RecordBatch], last: int, now_ms: int
    ) -> None:
        limits = partition.limits()
        self._partition = partition
        self._wish = wish
        self._fetched = fetched
        self._last = last
        self._deadline_ms = now_ms + limits.lock_duration_ms
        self._max_deliveries = limits.max_deliveries
        self._throttle_from = max(MIN_THROTTLE_LIMIT, -(-limits.max_deliveries // 2))

    def run(self, fetch_offset: int, limit: int) -> list[Acquired]:
        """The whole of it."""
        partition, first_base = self._partition, self._fetched[0].base
        # What lay before the first batch is gone from the log.
        if fetch_offset < first_base and partition.archive(fetch_offset, first_base - 1, AVAILABLE):
            partition.note_free()
            partition.advance()
        base = first_base
        floor = partition.in_flight.floor(first_base)
        if floor is None:
            base = max(base, partition.start_offset)
        elif floor.last >= base:
            base = floor.first
        known = partition.in_flight.between(min(first_base, base), self._last)
        if not known:
            return self._new(base, self._last, limit)
        result = self._again(known, base, limit)
        if result:
            partition.move_gap(result[-1].last + 1)
        return result

    def _again(self, known: list[Batch], base: int, limit: int) -> list[Acquired]:
        """Batches in flight, what the persister knew nothing of between them, and then new ones."""
        partition, first_base = self._partition, self._fetched[0].base
        result: list[Acquired] = []
        count = 0
        gap_from = base
        for batch in known:
            if count >= limit:
                break
            if partition.gap_start is not None:
                if gap_from < batch.first:
                    count += _extend(result, self._new(gap_from, batch.first - 1, limit - count))
                gap_from = batch.last + 1
                if count >= limit:
                    break
            throttled = self._is_throttled(batch, first_base)
            if throttled and count:
                return result
            is_whole = batch.first >= first_base and batch.last <= self._last
            too_large = self._wish.mode == RECORD_LIMIT and batch.last - batch.first + 1 > limit - count
            if batch.is_split or not is_whole or too_large or throttled:
                if batch.is_split or batch.whole.is_free:
                    got = self._of_split(batch, first_base, limit - count)
                    count += _extend(result, got)
                    if throttled and got:
                        return result
            elif batch.whole.is_free:
                partition.lock(batch.whole, self._wish.member_id, self._deadline_ms)
                count += _extend(result, [Acquired(batch.first, batch.last, batch.whole.deliveries)])
        if count < limit and known[-1].last < self._last:
            _extend(result, self._new(known[-1].last + 1, self._last, limit - count))
        return result

    def _is_throttled(self, batch: Batch, first: int) -> bool:
        """Whether records here were delivered so often that they go out in small portions."""
        if not batch.is_split:
            return batch.whole.deliveries >= self._throttle_from
        return any(
            run.state == AVAILABLE and run.deliveries >= self._throttle_from
            for run in batch.runs
            if run.last >= first and run.first <= self._last
        )

    def _of_split(self, batch: Batch, first: int, limit: int) -> list[Acquired]:
        """Free records of a batch whose parts are in different states."""
        record_limit = limit if self._wish.mode == RECORD_LIMIT else None
        portion: int | None = None
        size = batch.last - batch.first + 1
        got: list[Acquired] = []
        count = 0
        for run in list(batch.between(max(first, batch.first), min(self._last, batch.last))):
            if not run.is_free:
                continue
            is_last_time = self._max_deliveries > MIN_THROTTLE_LIMIT and run.deliveries == self._max_deliveries - 1
            if is_last_time and count:
                break
            if run.deliveries >= self._throttle_from and portion is None:
                portion = max(1, size >> (run.deliveries - self._throttle_from + 1))
            room = 1 if is_last_time else run.last - run.first + 1
            for bound in (record_limit, portion):
                if bound is not None:
                    room = min(room, bound - count)
            for taken in batch.between(run.first, run.first + room - 1):
                self._partition.lock(taken, self._wish.member_id, self._deadline_ms)
                got.append(Acquired(taken.first, taken.last, taken.deliveries))
            count += room
            if is_last_time or count in (record_limit, portion):
                break
        batch.tidy()
        return _joined(got)

    def _new(self, first: int, last: int, limit: int) -> list[Acquired]:
        """Records that nobody has had."""
        partition = self._partition
        if not partition.in_flight:
            first = max(first, partition.end_offset)
        if limit < last - first + 1:
            whole = self._end_of_batch(first + limit - 1)
            last = min(whole, last) if partition.gap_start is not None else whole
        result = self._limited(first, last, limit) if self._wish.mode == RECORD_LIMIT else self._batches(first, last)
        if partition.in_flight.first_offset == first:
            partition.start_offset = first
        partition.end_offset = max(partition.end_offset, last)
        partition.move_gap(result[-1].last + 1)
        return result

    def _batches(self, first: int, last: int) -> list[Acquired]:
        """Units of about `batch_size` records, cut where record batches begin."""
        cuts = [first]
        if last - first + 1 > self._wish.batch_size:
            for base, _ in self._fetched:
                if base > last:
                    break
                if base - cuts[-1] >= self._wish.batch_size:
                    cuts.append(base)
        result = []
        for start, following in zip(cuts, [*cuts[1:], last + 1], strict=True):
            run = Run(start, following - 1, AVAILABLE, 0)
            self._partition.lock(run, self._wish.member_id, self._deadline_ms)
            self._partition.in_flight.put(Batch(run))
            result.append(Acquired(start, following - 1, run.deliveries))
        return result

    def _limited(self, first: int, last: int, limit: int) -> list[Acquired]:
        """One unit of at most `limit` records; the rest of their record batch is in flight, and free."""
        run = Run(first, last, AVAILABLE, 0, NO_MEMBER)
        batch = Batch(run)
        if last - first + 1 > limit:
            (run,) = batch.between(first, first + limit - 1)
            self._partition.note_free()
        self._partition.lock(run, self._wish.member_id, self._deadline_ms)
        self._partition.in_flight.put(batch)
        return [Acquired(run.first, run.last, run.deliveries)]

    def _end_of_batch(self, offset: int) -> int:
        """The last offset of the record batch that holds `offset`; `offset` itself if none does."""
        for base, last in self._fetched:
            if base <= offset <= last:
                return last
        return offset


def _extend(result: list[Acquired], more: list[Acquired]) -> int:
    result += more
    return sum(last - first + 1 for first, last, _ in more)


def _joined(acquired: list[Acquired]) -> list[Acquired]:
    """Neighbours in the same delivery become one."""
    joined: list[Acquired] = []
    for entry in acquired:
        if joined and joined[-1].last + 1 == entry.first and joined[-1].deliveries == entry.deliveries:
            joined[-1] = joined[-1]._replace(last=entry.last)
        else:
            joined.append(entry)
    return joined


def without(acquired: Sequence[Acquired], removed: Sequence[RecordBatch]) -> list[Acquired]:
    """What is left of `acquired` when the offsets of these batches (in order) are taken out."""
    left = list(acquired)
    for base, last in removed:
        parts: list[Acquired] = []
        for entry in left:
            if entry.last < base or entry.first > last:
                parts.append(entry)
                continue
            if entry.first < base:
                parts.append(entry._replace(last=base - 1))
            if entry.last > last:
                parts.append(entry._replace(first=last + 1))
        left = parts
    return left
