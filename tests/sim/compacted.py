"""What compaction may do to a partition: which records may vanish, and what must stay as it was.

A record vanishes if the compaction's map held a newer one of its key, if its transaction was aborted, or if it is a
tombstone or a marker whose delete horizon is over; nothing else does. Then everything that is left stays at its offset,
in a batch with the same offsets, producer, sequence and leader epoch.
"""

from __future__ import annotations

from collections.abc import Sequence

from kwire.log.cleaning_job import CleaningJob
from kwire.wire.control import read_end_transaction_marker
from kwire.wire.record_batch import COMPRESSION_MASK, DELETE_HORIZON_MASK
from kwire.wire.records import Record
from tests.sim.batches import Batch, promise
from tests.sim.model import PartitionModel

_LOST_ATTRIBUTES = ~(COMPRESSION_MASK | DELETE_HORIZON_MASK)


def has_data(model: PartitionModel, producer_id: int, first_offset: int, last_offset: int) -> bool:
    """Whether records of a transaction are left."""
    return any(
        batch.header.producer_id == producer_id and batch.records and not batch.header.is_control
        for batch in model.kept
        if first_offset <= batch.header.base_offset < last_offset
    )


def is_later_emptied(model: PartitionModel, timestamp: int) -> bool:
    """Whether a batch without records is as late."""
    return any(not batch.records and batch.header.max_timestamp >= timestamp for batch in model.kept)


def _aborted(path: Sequence[Batch]) -> set[int]:
    """Base offsets of the batches of aborted transactions."""
    found: set[int] = set()
    open_batches: dict[int, list[int]] = {}
    for batch in path:
        header = batch.header
        if header.is_control and batch.records:
            marker = read_end_transaction_marker(batch.records[0])
            assert marker is not None
            data = open_batches.pop(header.producer_id, [])
            if not marker.committed:
                found.update(data)
        elif header.is_transactional and not header.is_control:
            open_batches.setdefault(header.producer_id, []).append(header.base_offset)
    return found


class Rules:
    """The rules for one compaction, from the path as it was when it began."""

    def __init__(self, model: PartitionModel, job: CleaningJob, stable: int) -> None:
        self._job = job
        self._kept = model.kept
        end = job.first_uncleanable_offset
        promise(end <= stable, f"compacted up to {end}, and only what is below {stable} is decided")
        self._aborted = _aborted(model.path)
        self._newest: dict[bytes | None, Record] | None = None
        for transaction in model.transactions():
            if transaction.last_offset is not None:
                model.ended.setdefault((transaction.producer_id, transaction.last_offset), transaction)

    def _is_aborted(self, batch: Batch) -> bool:
        return batch.header.base_offset in self._aborted

    def know_map(self, end: int) -> None:
        """The map is full, or holds all: the newest record of each key below `end` is in it, if it is dirty."""
        if self._newest is None:
            self._newest = {}
            for batch in self._kept:
                if not self._is_aborted(batch) and not batch.header.is_control:
                    self._newest.update((record.key, record) for record in batch.records if record.offset < end)

    def check_lag(self, model: PartitionModel, now_ms: int, lag_ms: int) -> None:
        """Nothing that is younger than `min.compaction.lag.ms` is compacted for the first time."""
        job = self._job
        for batch in model.kept:
            if job.first_dirty_offset <= batch.header.base_offset < job.first_uncleanable_offset and lag_ms:
                promise(batch.header.max_timestamp <= now_ms - lag_ms, f"{batch} is too young to be compacted")

    def check_group(self, model: PartitionModel, new: Sequence[Batch], begin: int, end: int) -> None:
        """What is to stand for the batches from `begin` to `end` (exclusive); the model notes what may be gone."""
        old = {batch.header.base_offset: batch for batch in model.kept if begin <= batch.header.base_offset < end}
        for batch in new:
            was = old.get(batch.header.base_offset)
            promise(was is not None, f"a compaction made up {batch}")
            assert was is not None
            self._check_batch(was, batch)
            if was.data != batch.data:
                model.may_become(was, batch)
        left = {record.offset for batch in new for record in batch.records}
        model.is_rewritten = True
        for batch in old.values():
            for record in batch.records:
                if record.offset not in left:
                    self._check_gone(batch, record, model)
                    model.may_be_gone.add(record.offset)

    def _check_batch(self, was: Batch, batch: Batch) -> None:
        before, after = was.header, batch.header
        same = before._replace(
            attributes=before.attributes & _LOST_ATTRIBUTES,
            batch_length=after.batch_length,
            crc=after.crc,
            record_count=after.record_count,
            base_timestamp=after.base_timestamp,
            max_timestamp=after.max_timestamp,
        )
        promise(same == after._replace(attributes=after.attributes & _LOST_ATTRIBUTES), f"{before} became {after}")
        records = {record.offset: _content(record) for record in was.records}
        for record in batch.records:
            promise(records.get(record.offset) == _content(record), f"{batch}: {record} was {records}")
        if after.record_count and after.delete_horizon_ms != before.delete_horizon_ms:
            wanted = self._job.now_ms + self._job.delete_retention_ms
            promise(before.delete_horizon_ms is None, f"{batch}: the delete horizon was moved")
            promise(after.delete_horizon_ms == wanted, f"{batch}: delete horizon {after.delete_horizon_ms}")

    def _check_gone(self, batch: Batch, record: Record, model: PartitionModel) -> None:
        horizon = batch.header.delete_horizon_ms
        is_over = horizon is not None and horizon <= self._job.now_ms
        what = f"record {record.offset} of {batch}"
        if batch.header.is_control:
            promise(is_over, f"{what} is a marker, and its time is not over: {horizon}")
            promise(not self._has_transaction(batch), f"{what} is a marker, and its transaction is there")
            return
        if self._is_aborted(batch):
            return
        assert self._newest is not None
        newer = self._newest.get(record.key)
        if newer is not None and newer.offset >= max(record.offset + 1, self._job.first_dirty_offset):
            if record.offset < model.flushed or record.offset in model.also_flushed:
                # Or a power cut might take both.
                model.also_flushed.add(newer.offset)
            return
        promise(record.value is None and is_over, f"{what} is gone, and was the newest: {record}")

    def _has_transaction(self, marker: Batch) -> bool:
        """Whether the log held something of the transaction that a marker ends."""
        for batch in reversed(self._kept[: self._kept.index(marker)]):
            if batch.header.producer_id == marker.header.producer_id and batch.header.is_transactional:
                return not batch.header.is_control
        return False

    def check_done(self, model: PartitionModel, end: int) -> None:
        """Below `end` each key is there once, and nothing that was aborted."""
        seen: set[bytes | None] = set()
        aborted = _aborted(model.path)
        for batch in model.kept:
            if batch.header.base_offset < end and not batch.header.is_control:
                promise(
                    not batch.records or batch.header.base_offset not in aborted, f"{batch} was aborted, and is there"
                )
                for record in (record for record in batch.records if model.start <= record.offset < end):
                    promise(record.key not in seen, f"{record.key!r} is there twice below {end}")
                    seen.add(record.key)


def _content(record: Record) -> tuple[object, ...]:
    return record.offset, record.timestamp, record.key, record.value, record.headers
