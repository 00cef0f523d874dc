"""What a partition must hold, kept plainly: a list of batches and a few numbers, no files.

All batches that were ever appended form a tree, since a truncation or a power cut may make the log go on from an
earlier point; the log is a path in it. After a crash that path may have changed, within what was promised:

- every batch on disk was appended once, byte for byte, and stands behind one that it was appended behind;
- every batch below the floor is there: all that was acknowledged after a kill, all that was flushed after a power cut;
- what is missing at the start was deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from kwire.wire.control import read_end_transaction_marker
from kwire.wire.record_batch import BatchHeader, read_header
from kwire.wire.records import Record, read_records

REMEMBERED = 5


class BrokenPromiseError(AssertionError):
    """The log did what it must not."""


def promise(kept: bool, text: str) -> None:
    """Raise BrokenPromiseError unless `kept`."""
    if not kept:
        raise BrokenPromiseError(text)


class Batch:
    """A batch as it was written."""

    __slots__ = ("data", "header", "records")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.header: BatchHeader = read_header(data)
        self.records: list[Record] = list(read_records(data))

    def __repr__(self) -> str:
        return f"[{self.header.base_offset}..{self.header.last_offset}]"


class Transaction(NamedTuple):
    """A transaction on the path; no marker yet while `last_offset` is None."""

    producer_id: int
    first_offset: int
    last_offset: int | None
    is_aborted: bool


class Producer(NamedTuple):
    """What the path says of one producer; its batches of the current epoch, oldest first."""

    epoch: int
    batches: list[Batch]
    has_transaction: bool

    @property
    def next_sequence(self) -> int:
        return self.batches[-1].header.last_sequence + 1 if self.batches else 0


class PartitionModel:
    """One partition. Offsets as the log's; `path` holds every batch from the first, `kept` those that lie on disk."""

    def __init__(self, topic_id: bytes) -> None:
        self.topic_id = topic_id
        self.path: list[Batch] = []
        self.first_kept = 0
        self.start = self.end = self.high_watermark = 0
        self.deleted_to = 0
        """The largest start that there was: epochs do not reach further back, though a crash may undo the deletion."""
        self.first_segment = 0
        """Base offset: all before was deleted."""
        self.flushed = 0
        """Everything below is on the device."""
        self.may_be_flushed = 0
        """Beyond `flushed` after a flush that failed."""
        self.checkpointed_start = self.checkpointed_high_watermark = 0
        self.may_begin_at = 0
        """Where a log whose last deletions were undone in part may begin."""
        self.reloaded_at = 0
        """Batches of the path before this one are known to producer state only as a snapshot tells them."""
        self.uncertain: set[int] = set()
        """Producers that may have been forgotten."""
        self.attempted: list[bytes] = []
        """Appends that failed: nobody was told that they are there, and they may be."""
        self._behind: dict[bytes, set[bytes]] = {}
        self._seen_transactions: tuple[int, Batch | None, list[Transaction]] = (-1, None, [])

    # What happened.

    def appended(self, data: bytes) -> None:
        batch = Batch(data)
        self._stands_behind(data)
        self.path.append(batch)
        self.end = batch.header.next_offset
        self.uncertain.discard(batch.header.producer_id)

    def attempt(self, data: bytes) -> None:
        """An append that is about to happen, or failed amid of it."""
        self._stands_behind(data)
        self.attempted.append(data)

    def _stands_behind(self, data: bytes) -> None:
        self._behind.setdefault(data, set()).add(self.path[-1].data if self.path else b"")

    def truncated_to(self, offset: int) -> None:
        if offset >= self.end:
            return
        while self.path and self.path[-1].header.last_offset >= offset:
            self.path.pop()
        self.first_kept = min(self.first_kept, len(self.path))
        if not self.kept:
            self.may_begin_at = max(self.may_begin_at, self.end)
        self.end = min(self.end, self.path[-1].header.next_offset if self.kept else self.first_segment)
        self.high_watermark = min(self.high_watermark, self.end)
        self.start = min(self.start, self.end)
        self.checkpointed_start = min(self.checkpointed_start, self.end)
        self.flushed = 0 if offset <= self.first_segment else min(self.flushed, self.end)
        self.may_be_flushed = min(self.may_be_flushed, self.end)
        self.reloaded_at = len(self.path)

    def truncation_failed(self, offset: int) -> None:
        """What was to go may be there."""
        flushed = self.flushed
        self.truncated_to(offset)
        self.may_be_flushed = max(self.may_be_flushed, flushed)

    def emptied(self, offset: int) -> None:
        """Truncated fully, to begin at `offset`."""
        self.may_begin_at = max(self.may_begin_at, self.end, offset)
        self.path.clear()
        self.first_kept = self.reloaded_at = 0
        self.start = self.end = self.high_watermark = self.first_segment = self.deleted_to = offset
        self.checkpointed_start = min(self.checkpointed_start, offset)
        self.flushed = self.may_be_flushed = 0
        self.uncertain.clear()

    def emptying_failed(self, offset: int) -> None:
        """Some of it may be gone, and it may begin at `offset` or not."""
        flushed = self.flushed
        self.emptied(offset)
        self.may_be_flushed = flushed
        self.start = self.end = self.high_watermark = 0

    def begins_at_segment(self, base_offset: int) -> None:
        """Retention dropped the segments before `base_offset`."""
        self.first_kept = next(
            (slot for slot, batch in enumerate(self.path) if batch.header.base_offset >= base_offset), len(self.path)
        )
        self.first_segment = base_offset
        if base_offset > self.start:
            self.moved_start(base_offset)

    def moved_start(self, offset: int) -> None:
        self.start = offset
        self.deleted_to = max(self.deleted_to, offset)
        self.high_watermark = max(self.high_watermark, offset)

    def flushed_to(self, offset: int) -> None:
        self.flushed = max(self.flushed, offset)

    # What must be there.

    @property
    def kept(self) -> list[Batch]:
        return self.path[self.first_kept :]

    @property
    def end_of_batches(self) -> int:
        """Where the path ends."""
        return self.path[-1].header.next_offset if self.path else self.start

    @property
    def records(self) -> list[Record]:
        """Every record that a reader may see, in order."""
        return [record for batch in self.kept for record in batch.records if record.offset >= self.start]

    def batches_from(self, offset: int, up_to: int) -> list[Batch]:
        """Those that a read from `offset` bounded by `up_to` may return."""
        return [batch for batch in self.kept if batch.header.last_offset >= offset and batch.header.last_offset < up_to]

    def first_at_or_after(self, timestamp: int) -> Record | None:
        return next((record for record in self.records if record.timestamp >= timestamp), None)

    def with_largest_timestamp(self) -> Record | None:
        return max(self.records, key=lambda record: (record.timestamp, -record.offset), default=None)

    def producer(self, producer_id: int) -> Producer | None:
        """None if nothing on the path is from it."""
        batches: list[Batch] = []
        epoch, is_open, seen = -1, False, False
        for batch in self.path:
            header = batch.header
            if header.producer_id != producer_id:
                continue
            seen = True
            if header.producer_epoch != epoch:
                epoch, batches = header.producer_epoch, []
            if header.is_control:
                is_open = False
            else:
                batches = [*batches, batch]
                is_open |= header.is_transactional
        return Producer(epoch, batches, is_open) if seen else None

    def is_surely_remembered(self, batch: Batch) -> bool:
        """Whether producer state must recognise it as a duplicate: among the last five, and not lost in a snapshot."""
        producer = self.producer(batch.header.producer_id)
        assert producer is not None
        remembered = producer.batches[-REMEMBERED:]
        return batch in remembered and (batch is remembered[-1] or self.path.index(batch) >= self.reloaded_at)

    def transactions(self) -> list[Transaction]:
        """All on the path, in the order of their first offsets."""
        count, last, found = self._seen_transactions
        if count == len(self.path) and (not count or last is self.path[-1]):
            return found
        open_since: dict[int, int] = {}
        found = []
        for batch in self.path:
            header = batch.header
            if not header.is_transactional:
                continue
            if not header.is_control:
                open_since.setdefault(header.producer_id, header.base_offset)
            else:
                marker = read_end_transaction_marker(batch.records[0])
                assert marker is not None
                first = open_since.pop(header.producer_id, -1)
                found.append(Transaction(header.producer_id, first, header.last_offset, not marker.committed))
        found += [Transaction(producer_id, first, None, False) for producer_id, first in open_since.items()]
        self._seen_transactions = (len(self.path), self.path[-1] if self.path else None, found)
        return found

    @property
    def doubtful(self) -> set[int]:
        """Producers with a transaction that began in what is deleted: a lost snapshot may have made it be forgotten.

        All, where a power cut undid the emptying of a log that had lost its beginning before: the path has it not.
        """
        begin = self.kept[0].header.base_offset if self.kept else self.end
        if self.path and b"" not in self._behind[self.path[0].data]:
            begin = self.end
        return {transaction.producer_id for transaction in self.transactions() if transaction.first_offset < begin}

    def may_be_stable(self, offset: int) -> bool:
        """Whether it may be the last stable offset, which stays below the marker of a transaction until replicated.

        A snapshot does not know of such a marker, in Kafka neither: what ended before a restart may count as stable,
        where it lies below the snapshot that was read then.
        """
        reloaded_end = self.path[self.reloaded_at - 1].header.next_offset if self.reloaded_at else 0
        doubtful = self.doubtful
        allowed = set()
        ends = {found.last_offset + 1 for found in self.transactions() if found.last_offset is not None}
        for forgotten_below in {0, reloaded_end} | {end for end in ends if end <= reloaded_end}:
            unstable = [
                max(transaction.first_offset, self.start)
                for transaction in self.transactions()
                if transaction.last_offset is None
                or transaction.last_offset >= max(self.high_watermark, forgotten_below)
            ]
            allowed.add(min([*unstable, self.high_watermark]))
        return offset in allowed or (bool(doubtful) and min(allowed) <= offset <= self.high_watermark)

    def aborted(self, first: int, last: int) -> set[tuple[int, int, int]]:
        """(producer id, first offset, marker's offset) of those that overlap `first` to `last` (exclusive)."""
        return {
            (transaction.producer_id, transaction.first_offset, transaction.last_offset)
            for transaction in self.transactions()
            if transaction.is_aborted
            and transaction.last_offset is not None
            and transaction.last_offset >= first
            and transaction.first_offset < last
        }

    def epoch_ends(self) -> dict[int, range]:
        """Where each leader epoch that wrote something may end: a leader may have begun amid a gap of offsets."""
        ends: dict[int, range] = {}
        visible = [batch for batch in self.kept if batch.header.last_offset >= self.deleted_to]
        for batch, following in pairwise([*visible, None]):
            assert batch is not None
            epoch = batch.header.partition_leader_epoch
            if following is None:
                ends[epoch] = range(self.end, self.end + 1)
            elif following.header.partition_leader_epoch > epoch:
                ends[epoch] = range(batch.header.next_offset, following.header.base_offset + 1)
        return ends

    def was_appended(self, data: bytes) -> bool:
        """Ever, whatever became of it."""
        return data in self._behind

    # After a crash.

    def survived(self, stored: Sequence[bytes], *, end: int, floor: int, exactly: bool) -> None:
        """Check what the disk holds after recovery, up to `end`, and take it for the truth from now on.

        Everything below the offset `floor` must be there; `exactly`: nothing but the path, or an append that failed.
        """
        for data in stored:
            promise(data in self._behind, f"a batch that nobody appended: {Batch(data)}")
        for before, after in pairwise(stored):
            promise(before in self._behind[after], f"{Batch(after)} stands behind {Batch(before)}, and never did")
        there = set(stored)
        for batch in self.kept:
            must_be_there = self.start <= batch.header.last_offset < floor
            promise(not must_be_there or batch.data in there, f"lost {batch}: everything below {floor} was promised")
        if exactly:
            allowed = {batch.data for batch in self.kept} | set(self.attempted)
            extra = [Batch(data) for data in stored if data not in allowed]
            promise(not extra, f"came back, though nothing was lost: {extra}")
        batches = [Batch(data) for data in stored]
        if batches:
            begin = batches[0].header.base_offset
            is_first_kept = bool(self.kept) and self.kept[0].data == stored[0]
            promise(
                is_first_kept or begin <= max(self.start, self.may_begin_at, floor) or b"" in self._behind[stored[0]],
                f"the log begins at {begin}, and nothing up to there was deleted",
            )
        self._adopt(batches, end)

    def _adopt(self, batches: list[Batch], end: int) -> None:
        begin = batches[0].header.base_offset if batches else end
        before = [batch for batch in self.path[: self.first_kept] if batch.header.last_offset < begin]
        self.path = before + batches
        self.first_kept = len(before)
        self.reloaded_at = len(self.path)
        self.attempted.clear()
        kept = {batch.header.producer_id for batch in batches}
        self.uncertain |= {batch.header.producer_id for batch in before} - kept
