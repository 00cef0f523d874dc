"""What a partition must hold, kept plainly: a list of batches and a few numbers, no files.

All batches that were ever appended form a tree, since a truncation or a power cut may make the log go on from an
earlier point; the log is a path in it. After a crash that path may have changed, within what was promised:

- every batch on disk was appended once, byte for byte, and stands behind one that it was appended behind;
- every batch below the floor is there: all that was acknowledged after a kill, all that was flushed after a power cut;
- what is missing at the start was deleted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise

from kwire.wire.control import read_end_transaction_marker
from kwire.wire.records import Record
from tests.sim.batches import Batch, Producer, Transaction, promise

REMEMBERED = 5


class PartitionModel:
    """One partition. Offsets as the log's; `path` holds every batch from the first, `kept` those that lie on disk."""

    def __init__(self, topic_id: bytes, *, is_compacted: bool = False) -> None:
        self.topic_id = topic_id
        self.is_compacted = is_compacted
        """Whether a hole may be what a compaction left, so that recovery takes one that a power cut left as well."""
        self.path: list[Batch] = []
        self.first_kept = 0
        self.start = self.end = self.high_watermark = 0
        self.deleted_to = 0
        """The largest start that there was: epochs do not reach further back, though a crash may undo the deletion."""
        self.may_be_deleted_to = 0
        """Where the first segment would be, had retention not failed."""
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
        self.certain_since: dict[int, int] = {}
        """Offset of the batch that made one certain again: without it that one may be forgotten as before."""
        self.attempted: list[bytes] = []
        """Appends that failed: nobody was told that they are there, and they may be."""
        self.is_rewritten = False
        """Whether a compaction has been at work."""
        self.may_be_gone: set[int] = set()
        """Offsets of records that a compaction left out of a segment which may lie on the device, or may not yet."""
        self.also_flushed: set[int] = set()
        """Offsets of records for which flushed ones were given up: they are promised as those were."""
        self.ended: dict[tuple[int, int], Transaction] = {}
        """The transactions that a compaction has met, by (producer id, marker's offset): what it left of them may begin
        later, and a snapshot of the producers knows better."""
        self.reopened: dict[int, int] = {}
        """Where those of them began whose marker went with the log's end, by producer id."""
        self.newest_epochs: dict[int, int] = {}
        self._origins: dict[bytes, bytes] = {}
        self._known: dict[bytes, Batch] = {}
        self._behind: dict[bytes, set[bytes]] = {}
        self._seen_transactions: tuple[int, Batch | None, list[Transaction]] = (-1, None, [])

    # What happened.

    def appended(self, data: bytes) -> None:
        batch = self.batch(data)
        self._stands_behind(data)
        self.path.append(batch)
        self.newest_epochs[batch.header.producer_id] = batch.header.producer_epoch
        self.end = batch.header.next_offset
        if batch.header.is_control:
            self.reopened.pop(batch.header.producer_id, None)
        elif batch.header.producer_id in self.uncertain:
            self.uncertain.remove(batch.header.producer_id)
            self.certain_since[batch.header.producer_id] = batch.header.base_offset

    def attempt(self, data: bytes) -> None:
        """An append that is about to happen, or failed amid of it."""
        self._stands_behind(data)
        self.attempted.append(data)

    def _stands_behind(self, data: bytes) -> None:
        self._behind.setdefault(data, set()).add(self.origin(self.path[-1].data) if self.path else b"")

    def batch(self, data: bytes) -> Batch:
        """The batch that these bytes are."""
        known = self._known.get(data)
        if known is None:
            known = self._known[data] = Batch(data)
        return known

    def origin(self, data: bytes) -> bytes:
        """A batch as it was appended, before compaction thinned it out."""
        return self._origins.get(data, data)

    def may_become(self, was: Batch, becomes: Batch) -> None:
        """A compaction makes one batch into another."""
        self._origins[becomes.data] = self.origin(was.data)

    def rewritten(self, begin: int, end: int, batches: Iterable[Batch]) -> None:
        """The batches from `begin` to `end` (exclusive) are now these."""
        bases = [batch.header.base_offset for batch in self.path]
        known_from = bases[self.reloaded_at] if self.reloaded_at < len(bases) else None
        self.path[bisect_left(bases, begin) : bisect_left(bases, end)] = batches
        bases = [batch.header.base_offset for batch in self.path]
        self.reloaded_at = len(bases) if known_from is None else bisect_left(bases, known_from)
        self._seen_transactions = (-1, None, [])

    def truncated_to(self, offset: int, *, goes_on_at: int = 0) -> None:
        if offset >= self.end:
            return
        markers = self._markers()
        while self.path and self.path[-1].header.last_offset >= offset:
            self.path.pop()
        self.first_kept = min(self.first_kept, len(self.path))
        if not self.kept:
            self.may_begin_at = max(self.may_begin_at, self.end)
        end = self.path[-1].header.next_offset if self.kept else self.first_segment
        self.end = min(self.end, max(end, goes_on_at))
        self.high_watermark = min(self.high_watermark, self.end)
        self.start = min(self.start, self.end)
        self.checkpointed_start = min(self.checkpointed_start, self.end)
        self.flushed = 0 if offset < self.first_segment else min(self.flushed, self.end)
        self.may_be_flushed = min(self.may_be_flushed, self.end)
        self.also_flushed = {kept for kept in self.also_flushed if kept < self.end}
        self.reloaded_at = len(self.path)
        self._reopen(markers)
        self._forget_again()

    def _forget_again(self) -> None:
        end = self.path[-1].header.next_offset if self.path else 0
        lost = [producer_id for producer_id, offset in self.certain_since.items() if offset >= end]
        for producer_id in lost:
            del self.certain_since[producer_id]
            self.uncertain.add(producer_id)

    def _markers(self) -> set[tuple[int, int]]:
        """(producer id, offset) of those on the path."""
        return {(b.header.producer_id, b.header.base_offset) for b in self.path if b.header.is_control}

    def _reopen(self, markers: set[tuple[int, int]]) -> None:
        """There were these: transactions whose marker is gone are open again."""
        for producer_id, marker in markers - self._markers():
            ended = self.ended.get((producer_id, marker))
            if ended is not None:
                first = ended.first_offset
                self.reopened[producer_id] = min(first, self.reopened.get(producer_id, first))

    def truncation_failed(self, offset: int) -> None:
        """What was to go may be there; if it has gone, the log may still begin where it began."""
        flushed, start = self.flushed, self.start
        self.truncated_to(offset)
        self.may_begin_at = max(self.may_begin_at, start)
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
        self.certain_since.clear()
        self.reopened.clear()
        self.also_flushed.clear()

    def emptying_failed(self, offset: int) -> None:
        """Some of it may be gone, and it may begin at `offset` or not."""
        flushed = self.flushed
        self.emptied(offset)
        self.may_be_flushed = flushed
        self.start = self.end = self.high_watermark = 0

    def begins_at_segment(self, base_offset: int) -> None:
        """Retention dropped the segments before `base_offset`."""
        kept = (slot for slot, batch in enumerate(self.path) if batch.header.base_offset >= base_offset)
        self.first_kept = max(self.first_kept, next(kept, len(self.path)))
        self.first_segment = base_offset
        if base_offset > self.start:
            self.moved_start(base_offset)

    def goes_on_in_copy(self, base_offset: int, first_batch: int) -> None:
        """A move is over. What retention took from the log meanwhile may stand in the copy."""
        copied = sum(batch.header.base_offset < first_batch for batch in self.path)
        self.first_kept = min(self.first_kept, copied)
        self.begins_at_segment(base_offset)

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

    def is_known_by_its_marker(self, producer_id: int) -> bool:
        """Whether it may have been forgotten before a marker told its epoch: then no sequence but 0 goes on."""
        newest = next((batch for batch in reversed(self.path) if batch.header.producer_id == producer_id), None)
        return producer_id in self.uncertain and newest is not None and newest.header.is_control

    def is_surely_remembered(self, batch: Batch) -> bool:
        """Whether producer state must recognise it as a duplicate: among the last five, and not lost in a snapshot."""
        producer = self.producer(batch.header.producer_id)
        assert producer is not None
        remembered = producer.batches[-1 if self.is_compacted else -REMEMBERED :]
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
            elif batch.records:
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
        if self.path and b"" not in self._behind[self.origin(self.path[0].data)]:
            begin = self.end
        return {transaction.producer_id for transaction in self.transactions() if transaction.first_offset < begin}

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
                # Compaction may have taken what a later epoch wrote, and a truncation what came behind.
                ends[epoch] = range(batch.header.next_offset, self.end + 1)
            elif following.header.partition_leader_epoch > epoch:
                ends[epoch] = range(batch.header.next_offset, following.header.base_offset + 1)
        return ends

    def was_appended(self, data: bytes) -> bool:
        """Ever, whatever became of it."""
        return self.origin(data) in self._behind

    # After a crash.

    def survived(self, stored: Sequence[bytes], *, end: int, floor: int, exactly: bool) -> None:
        """Check what the disk holds after recovery, up to `end`, and take it for the truth from now on.

        Everything below the offset `floor` must be there; `exactly`: nothing but the path, or an append that failed.
        """
        batches = [self.batch(data) for data in stored]
        for data in stored:
            promise(self.was_appended(data), f"a batch that nobody appended: {self.batch(data)}")
        for before, after in pairwise(batches):
            promise(self._may_stand_behind(before, after), f"{after} stands behind {before}, and never did")
        there = set(stored)
        offsets = {record.offset for batch in batches for record in batch.records} if self.is_rewritten else set()
        for batch in self.kept:
            if batch.data in there or batch.header.last_offset < self.start:
                continue
            wanted = [batch.header.last_offset]
            if self.is_rewritten:
                wanted = [record.offset for record in batch.records if record.offset not in self.may_be_gone]
            for offset in wanted:
                must_be_there = self.start <= offset and (offset < floor or offset in self.also_flushed)
                is_there = self.is_rewritten and offset in offsets
                promise(not must_be_there or is_there, f"lost {offset} of {batch}, and {floor} was promised")
        if exactly:
            allowed = {batch.data for batch in self.kept} | set(self.attempted)
            extra = [self.batch(data) for data in stored if data not in allowed]
            promise(not extra, f"came back, though nothing was lost: {extra}")
        if batches and not self.is_compacted:
            begin = batches[0].header.base_offset
            is_first_kept = bool(self.kept) and self.kept[0].data == stored[0]
            promise(
                is_first_kept or begin <= max(self.start, self.may_begin_at, floor) or b"" in self._behind[stored[0]],
                f"the log begins at {begin}, and nothing up to there was deleted",
            )
        self._adopt(batches, end)

    def _may_stand_behind(self, before: Batch, after: Batch) -> bool:
        """Whether it did; in a log that was compacted also with others in between."""
        behind = self._behind[self.origin(after.data)]
        if not self.is_compacted:
            return before.data in behind
        if before.header.last_offset >= after.header.base_offset:
            return False
        wanted, seen, waiting = self.origin(before.data), set(behind), list(behind)
        while waiting and wanted not in seen:
            more = self._behind.get(waiting.pop(), set()) - seen
            seen |= more
            waiting += more
        return wanted in seen

    def _adopt(self, batches: list[Batch], end: int) -> None:
        begin = batches[0].header.base_offset if batches else end
        markers = self._markers()
        # With what a deletion took that failed half way.
        first_kept = max(self.first_kept, sum(batch.header.last_offset < self.may_be_deleted_to for batch in self.path))
        self.may_be_deleted_to = 0
        before = [batch for batch in self.path[:first_kept] if batch.header.last_offset < begin]
        self.path = before + batches
        self.first_kept = len(before)
        self.reloaded_at = len(self.path)
        self._reopen(markers)
        self.attempted.clear()
        self.may_be_gone.clear()
        kept = {batch.header.producer_id for batch in batches}
        self.uncertain |= {batch.header.producer_id for batch in before} - kept
        self._forget_again()
