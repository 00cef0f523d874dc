"""The walk through the segments of one log that carries everything the checks need from batch to batch.

Reads each byte of the logs once, in order. The indexes are read before the log they belong to, so that they never look
younger than it while a broker is writing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from kwire.log.files import INDEX_SUFFIX, LOG_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX, offset_name
from kwire.log.offline.stored_file import BrokenFrameError, StoredBatch, StoredFile, read_sparse, walk
from kwire.log.offline.verify_batch import BatchFault, CheckedBatch, check_batch
from kwire.log.offline.verify_index import OffsetIndexCheck, Report, TimeIndexCheck
from kwire.log.offline.verify_producers import ProducerCheck
from kwire.log.offline.verify_report import DAMAGE, WARNING, PartitionReport
from kwire.log.txn_index import AbortedTransaction
from kwire.wire.record_batch import LOG_OVERHEAD, MAGIC_OFFSET, RECORD_BATCH_OVERHEAD

_MAX_RELATIVE_OFFSET = (1 << 31) - 1
_SEARCH_BYTES = 1 << 20
_NOT_ASCENDING = "offsets would be served twice or out of order; a recovery cuts the log here"


class Segment(NamedTuple):
    """One segment to check: is it the last of its log, and may a broker have left its end unfinished?"""

    base_offset: int
    is_active: bool
    may_be_torn: bool


class LogWalk:
    """The state between the batches of one log."""

    __slots__ = ("_deep", "_is_sound", "_report", "_topic", "epochs", "last_offset", "producers")

    def __init__(
        self, report: PartitionReport, topic: str, producers: ProducerCheck, first_offset: int, *, deep: bool
    ) -> None:
        self._report = report
        self._topic = topic
        self._deep = deep
        self.producers = producers
        self.last_offset = first_offset - 1
        self._is_sound = True
        """Whether nothing was damaged in the segment so far: only then its indexes can be judged."""
        self.epochs: list[tuple[int, int, int]] = []
        """(leader epoch, its first offset in the log, the last offset before it)."""

    def check(self, segment: Segment) -> None:
        """Check one segment with its indexes. Raises OSError."""
        base, report = segment.base_offset, self._report
        path = os.path.join(report.directory, offset_name(base, LOG_SUFFIX))
        offsets, times, aborted = self._read_indexes(segment)
        if self.last_offset >= base:
            self._damage(
                "segments-overlap", path, 0, f"the segment before it reaches offset {self.last_offset}", _NOT_ASCENDING
            )
        self.producers.begin_segment()
        self._is_sound = True
        with StoredFile(path) as file:
            report.segment_count += 1
            report.log_bytes += file.size
            end = self._walk(file, segment, 0, offsets, times)
            if end < file.size:
                self._check_tail(file, segment, end)
        if self._is_sound and offsets is not None:
            offsets.finish(end)
        if self._is_sound and times is not None:
            times.finish()
        if report.first_damage is None:
            self.producers.check_txn_index(path.removesuffix(LOG_SUFFIX) + TXN_INDEX_SUFFIX, aborted, report)

    def _read_indexes(
        self, segment: Segment
    ) -> tuple[OffsetIndexCheck | None, TimeIndexCheck | None, Sequence[AbortedTransaction]]:
        base = segment.base_offset
        paths = [
            os.path.join(self._report.directory, offset_name(base, suffix))
            for suffix in (INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX)
        ]
        offset_data, time_data, txn_data = map(_read_if_there, paths)
        if not segment.is_active:
            for path, data in ((paths[0], offset_data), (paths[1], time_data)):
                log = os.path.join(self._report.directory, offset_name(base, LOG_SUFFIX))
                if data is None and os.stat(log).st_size:
                    self._report.add(
                        WARNING,
                        "index-missing",
                        path,
                        None,
                        "a closed segment has no such index",
                        "a starting broker reads the whole segment to build it anew",
                    )
        aborted = [] if txn_data is None else self.producers.read_txn_index(paths[2], txn_data[0], self._report)
        return (
            None if offset_data is None else OffsetIndexCheck(offset_data, base, self._reporter(paths[0])),
            None if time_data is None else TimeIndexCheck(time_data, base, self._reporter(paths[1])),
            aborted,
        )

    def _reporter(self, path: str) -> Report:
        def report(severity: str, kind: str, position: int | None, text: str, meaning: str) -> None:
            self._report.add(severity, kind, path, position, text, meaning)

        return report

    def _walk(
        self,
        file: StoredFile,
        segment: Segment,
        position: int,
        offsets: OffsetIndexCheck | None,
        times: TimeIndexCheck | None,
    ) -> int:
        """Check the batches from `position` on; where the walk ended. Batches behind damage only count as sound."""
        report = self._report
        try:
            for batch in walk(file, position):
                position = batch.position + len(batch.data)
                found = self._checked(file, segment, batch)
                if found is None:
                    continue
                if report.first_damage is not None:
                    report.sound_behind += found.record_count
                else:
                    self._take(found)
                if not self._is_sound:
                    continue
                if offsets is not None and batch.position >= offsets.next_position >= 0:
                    offsets.see(batch.position, found.last_offset)
                if times is not None:
                    times.see(found.last_offset, found.max_timestamp)
        except BrokenFrameError:
            # Told by what follows the last batch, where the reason is looked for.
            return position
        return position

    def _take(self, found: CheckedBatch) -> None:
        """A sound batch of the log's sound part."""
        report = self._report
        report.batch_count += 1
        report.record_count += found.record_count
        if found.base_offset != self.last_offset + 1:
            # Compaction was here: what producers wrote may be gone.
            self.producers.is_exact = False
        header = found.header
        if header is not None:
            epoch = header.partition_leader_epoch
            if epoch >= 0 and (not self.epochs or self.epochs[-1][0] != epoch):
                self.epochs.append((epoch, found.base_offset, self.last_offset))
            self.producers.see(header, found.marker)
        self.last_offset = found.last_offset
        report.end_offset = found.last_offset + 1

    def _checked(self, file: StoredFile, segment: Segment, batch: StoredBatch) -> CheckedBatch | None:
        """The batch, if it is sound and follows the one before."""
        try:
            found = check_batch(batch, self._topic, deep=self._deep)
        except BatchFault as fault:
            finding = self._report.add(
                DAMAGE, fault.kind, file.path, batch.position, self._with_offset(batch, str(fault)), fault.meaning
            )
            if fault.batch is None:
                self._is_sound = False
                if self._report.first_damage is None:
                    self._report.first_damage = finding
                return None
            found = fault.batch
        if self._report.first_damage is not None:
            return found
        if found.base_offset <= self.last_offset or found.base_offset < segment.base_offset:
            self._damage(
                "offset-order",
                file.path,
                batch.position,
                f"the batch begins at offset {found.base_offset}, before it came {self.last_offset} "
                f"and the segment begins at {segment.base_offset}",
                _NOT_ASCENDING,
            )
            return None
        if found.last_offset - segment.base_offset > _MAX_RELATIVE_OFFSET:
            self._damage(
                "offset-order",
                file.path,
                batch.position,
                f"offset {found.last_offset} is too far from the segment's base offset {segment.base_offset}",
                _NOT_ASCENDING,
            )
            return None
        if found.header is not None and self.epochs and found.header.partition_leader_epoch < self.epochs[-1][0]:
            self._report.add(
                DAMAGE,
                "epoch-order",
                file.path,
                batch.position,
                f"leader epoch {found.header.partition_leader_epoch} after {self.epochs[-1][0]}",
                "followers and consumers may find a wrong place where logs part",
            )
        return found

    @staticmethod
    def _with_offset(batch: StoredBatch, text: str) -> str:
        return f"batch at offset {int.from_bytes(batch.data[:8], signed=True)}: {text}"

    def _damage(self, kind: str, path: str, position: int, text: str, meaning: str) -> None:
        """Damage that a recovery cuts the log at."""
        self._is_sound = False
        finding = self._report.add(DAMAGE, kind, path, position, text, meaning)
        if self._report.first_damage is None:
            self._report.first_damage = finding

    def _check_tail(self, file: StoredFile, segment: Segment, end: int) -> None:
        """Bytes behind the last whole batch: a write that was not finished, or damage with batches behind it."""
        size = file.size - end
        next_batch = find_batch(file, end + 1, self._topic)
        if next_batch < 0 and segment.may_be_torn:
            self._report.add(
                WARNING,
                "torn-tail",
                file.path,
                end,
                f"{size} bytes are no whole batch",
                "a write that is going on, or that a crash cut: it was not acknowledged, and a recovery cuts it",
            )
            return
        if next_batch < 0:
            self._damage(
                "torn-tail",
                file.path,
                end,
                f"{size} bytes at the end are no whole batch",
                "the segment was complete once: what stood there is lost",
            )
            return
        self._damage(
            "batch-length",
            file.path,
            end,
            f"{next_batch - end} bytes are no batch, the next one begins at {next_batch}",
            "a recovery cuts the log here",
        )
        while next_batch >= 0:
            end = self._walk(file, segment, next_batch, None, None)
            next_batch = find_batch(file, end + 1, self._topic) if end < file.size else -1


def _read_if_there(path: str) -> tuple[bytes, int] | None:
    try:
        return read_sparse(path)
    except FileNotFoundError:
        return None


def find_batch(file: StoredFile, position: int, topic: str) -> int:
    """Where the next sound batch of magic 2 begins, at or behind `position`; -1 when there is none."""
    while position + RECORD_BATCH_OVERHEAD <= file.size:
        window = file.read(position, _SEARCH_BYTES + RECORD_BATCH_OVERHEAD)
        at = window.find(b"\x02", MAGIC_OFFSET)
        while 0 <= at < _SEARCH_BYTES + MAGIC_OFFSET:
            start = at - MAGIC_OFFSET
            size = int.from_bytes(window[start + 8 : start + 12], signed=True) + LOG_OVERHEAD
            if RECORD_BATCH_OVERHEAD <= size <= file.size - position - start:
                data = memoryview(file.read(position + start, size))
                try:
                    check_batch(StoredBatch(position + start, 2, data), topic, deep=False)
                except BatchFault:
                    pass
                else:
                    return position + start
            at = window.find(b"\x02", at + 1)
        position += _SEARCH_BYTES
    return -1
