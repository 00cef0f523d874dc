"""One ShareFetch: reads what its share partitions are at, and acquires it for the member (KIP-932).

`attempt` may be called again and again until it has `min_bytes`, an error everywhere, or no more time.
(apache/kafka `DelayedShareFetch`, `ShareFetchUtils`.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from kwire.errors import ErrorCode, KafkaError
from kwire.share.aborted import aborted_batches
from kwire.share.acquiring import Acquired, RecordBatch, Wish, acquire, without
from kwire.share.manager import SharePartitionManager
from kwire.share.partition import SharePartition
from kwire.share.served import ServedPartition
from kwire.share.sessions import TopicIdPartition
from kwire.share.states import ACQUIRED
from kwire.wire.primitives import WireError
from kwire.wire.record_batch import BatchHeader, batches

FIRST_READ_BYTES = 128 * 1024
GROWTH = 4
"""A read that ends before the records that are asked for is made anew, so many times as large."""


class Watched(Protocol):
    """What calls its watchers when it has moved."""

    @property
    def watchers(self) -> set[Callable[[], None]]: ...


class Fetched(NamedTuple):
    """What one partition gives: record batches, and the offsets of them that the member has got; or why not."""

    data: bytes | memoryview = b""
    acquired: Sequence[Acquired] = ()
    error: KafkaError | None = None


Results = dict[TopicIdPartition, Fetched]


class _Piece(NamedTuple):
    """Record batches as they were read from `offset` on: each one's position and header, those that were aborted."""

    offset: int
    data: bytes
    headers: list[tuple[int, BatchHeader]]
    aborted: list[RecordBatch]


class ShareFetch:
    """What a member wants, from the partitions `wanted` in this order; `wish.max_records` is for all of them."""

    __slots__ = ("_group_id", "_manager", "_max_bytes", "_min_bytes", "_wanted", "_wish")

    def __init__(
        self,
        manager: SharePartitionManager,
        group_id: str,
        wanted: Sequence[TopicIdPartition],
        wish: Wish,
        *,
        max_bytes: int,
        min_bytes: int,
    ) -> None:
        self._manager = manager
        self._group_id = group_id
        self._wanted = wanted
        self._wish = wish
        self._max_bytes = min(max_bytes, manager.config.fetch_max_bytes)
        self._min_bytes = min(min_bytes, self._max_bytes)

    def attempt(self, expired: bool) -> Results | None:
        """What there is, if it is enough or must be; None to be called again when something has moved."""
        results: Results = {}
        candidates: list[tuple[TopicIdPartition, ServedPartition]] = []
        for where in self._wanted:
            try:
                served = self._manager.partition(self._group_id, where)
            except KafkaError as error:
                results[where] = Fetched(error=error)
                continue
            if served.phase is served.ACTIVE and served.core.can_acquire():
                candidates.append((where, served))
        if len(results) == len(self._wanted) or not self._max_bytes or not self._wish.max_records:
            return results
        read_committed = self._manager.config.reads_committed(self._group_id)
        pieces: list[tuple[TopicIdPartition, ServedPartition, _Piece]] = []
        failed = False
        for where, served in candidates:
            try:
                share = max(self._max_bytes // len(candidates), 1)
                piece = _read(served, self._wish.max_records, share, read_committed)
            except KafkaError as error:
                results[where] = self._unreadable(served, error)
                failed = True
                continue
            pieces.append((where, served, piece))
        size = sum(len(piece.data) for _, _, piece in pieces)
        if not (expired or failed or (size >= self._min_bytes and (size or not self._min_bytes))):
            return None
        left = self._wish.max_records
        for where, served, piece in pieces:
            fetched = self._acquire(served, piece, left)
            left -= sum(last - first + 1 for first, last, _ in fetched.acquired)
            results[where] = fetched
        return results

    def watched(self) -> list[Watched]:
        """Whatever may bring more: the logs, and records that others give back."""
        found: list[Watched] = []
        for where in self._wanted:
            try:
                served = self._manager.partition(self._group_id, where)
            except KafkaError:
                continue
            found += [served, served.log]
        return found

    def _unreadable(self, served: ServedPartition, error: KafkaError) -> Fetched:
        """Below the start of the log is nothing to get any more, which is no error to the member."""
        if error.code is ErrorCode.OFFSET_OUT_OF_RANGE:
            served.core.on_log_start(served.log.start_offset)
            return Fetched()
        self._manager.fence_after(served, error)
        return Fetched(error=error)

    def _acquire(self, served: ServedPartition, piece: _Piece, max_records: int) -> Fetched:
        core = served.core
        fetched = [RecordBatch(header.base_offset, header.last_offset) for _, header in piece.headers]
        now_ms = self._manager.now_ms()
        acquired = acquire(core, self._wish._replace(max_records=max_records), piece.offset, fetched, now_ms)
        if piece.aborted and acquired:
            acquired = _without_aborted(core, acquired, piece.aborted)
        if not acquired:
            return Fetched()
        self._manager.note_locks(served)
        first, last = acquired[0].first, acquired[-1].last
        positions = [
            (position, position + header.size)
            for position, header in piece.headers
            if header.last_offset >= first and header.base_offset <= last
        ]
        if not positions:
            return Fetched(b"", acquired)
        return Fetched(memoryview(piece.data)[positions[0][0] : positions[-1][1]], acquired)


def _without_aborted(core: SharePartition, acquired: list[Acquired], aborted: list[RecordBatch]) -> list[Acquired]:
    """Nobody gets records of aborted transactions: they are given up as if they had been rejected."""
    for base, last in aborted:
        core.archive(base, last, ACQUIRED)
    core.advance()
    return without(acquired, aborted)


def _read(served: ServedPartition, max_records: int, max_bytes: int, read_committed: bool) -> _Piece:
    """Whole batches from the next offset on: as many as hold the records that are asked for, or as `max_bytes` allows.

    Where the state is ahead of the log (the log has lost its end) there is nothing, until it has grown.
    """
    offset = served.core.next_fetch_offset()
    size = min(FIRST_READ_BYTES, max_bytes)
    while True:
        if offset >= served.log.high_watermark:
            return _Piece(offset, b"", [], [])
        data, aborted = served.log.read(offset, size, read_committed=read_committed)
        try:
            headers = list(batches(data))
        except WireError as error:  # A log from before Kafka 0.11, whose messages no share group can count.
            raise KafkaError(ErrorCode.CORRUPT_MESSAGE, str(error)) from error
        enough = bool(headers) and headers[-1][1].last_offset - offset + 1 >= max_records
        if enough or size >= max_bytes or len(data) < size // 2:
            break
        size = min(size * GROWTH, max_bytes)
    if not headers:
        return _Piece(offset, b"", [], [])
    return _Piece(offset, data, headers, aborted_batches(data, headers, aborted) if aborted else [])
