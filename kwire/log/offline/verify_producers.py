"""Producers and transactions, replayed beside the walk and held against snapshots and transaction indexes.

The replay is exact while nothing was removed from the log. Where compaction or retention took batches away, only what
cannot be otherwise is judged: a snapshot that knows less than the log before it, an entry without its marker.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

from kwire.log.offline.stored_file import read_file
from kwire.log.offline.verify_report import DAMAGE, WARNING, PartitionReport
from kwire.log.producer_snapshot import CorruptSnapshotError, decode_snapshot
from kwire.log.producer_state import Marker, ProducerState, ProducerStateManager
from kwire.log.txn_index import ENTRY_SIZE, VERSION, AbortedTransaction
from kwire.wire.record_batch import BatchHeader

_TXN_ENTRY = Struct(">hqqqq")
_SNAPSHOT_MEANING = (
    "after a start idempotent producers may be refused, or write twice; remove the file while the broker is stopped"
)
_TXN_MEANING = (
    "consumers under read_committed would see aborted records, or miss committed ones; remove .kafka_cleanshutdown and "
    "recovery-point-offset-checkpoint while the broker is stopped: a start then reads every log and makes it anew"
)


class ProducerCheck:
    """The producers of one log as of the batch seen last."""

    __slots__ = ("_aborted", "_has_data", "_markers", "_report", "_snapshots", "is_exact", "next_snapshot", "state")

    def __init__(self, snapshots: dict[int, str], first_offset: int, report: PartitionReport) -> None:
        """`snapshots` are offset -> path; the one at `first_offset` is where the replay begins."""
        self.state = ProducerStateManager()
        self.is_exact = first_offset == 0
        self._report = report
        self._aborted: dict[tuple[int, int], int] = {}
        self._markers: dict[int, int] = {}
        self._has_data: set[int] = set()
        self._snapshots: list[tuple[int, str, list[ProducerState]]] = []
        for offset, path in sorted(snapshots.items()):
            entries = self._read(path)
            if entries is None:
                continue
            if offset <= first_offset:
                self.state.reload(entries, offset)
                self.is_exact = offset == first_offset
            else:
                self._snapshots.append((offset, path, entries))
        self.next_snapshot = self._snapshots[0][0] if self._snapshots else -1

    def _read(self, path: str) -> list[ProducerState] | None:
        try:
            return decode_snapshot(read_file(path))
        except FileNotFoundError:
            return None
        except CorruptSnapshotError as error:
            self._report.add(
                DAMAGE,
                "snapshot-corrupt",
                path,
                None,
                str(error),
                "a starting broker takes an older snapshot, or reads the log from its start",
            )
            return None

    def begin_segment(self) -> None:
        """Transaction indexes hold what ended in their own segment."""
        self._aborted.clear()
        self._markers.clear()

    def see(self, header: BatchHeader, marker: Marker | None) -> None:
        """A batch of the log."""
        while 0 <= self.next_snapshot <= header.base_offset:
            self._check_snapshot()
        if not header.has_producer:
            return
        if marker is not None:
            self._markers[header.last_offset] = header.producer_id
        elif header.is_transactional and header.record_count and not header.is_control:
            self._has_data.add(header.producer_id)
        completed = self.state.update(header, marker)
        if completed is not None:
            self.state.complete(completed)
            if completed.is_aborted and header.producer_id in self._has_data:
                self._aborted[completed.producer_id, completed.last_offset] = completed.first_offset
        if marker is not None:
            self._has_data.discard(header.producer_id)

    def finish(self, end_offset: int) -> None:
        """The end of the log: the snapshots there, and those beyond it."""
        while 0 <= self.next_snapshot <= end_offset:
            self._check_snapshot()
        for offset, path, _ in self._snapshots:
            self._report.add(
                WARNING,
                "snapshot-beyond-log",
                path,
                None,
                f"the log ends at offset {end_offset}, before {offset}",
                "a recovery removes it; records may have been cut from the log",
            )

    def _check_snapshot(self) -> None:
        offset, path, entries = self._snapshots.pop(0)
        self.next_snapshot = self._snapshots[0][0] if self._snapshots else -1
        known = {entry.producer_id: entry for entry in entries}
        for entry in entries:
            seen = self.state.entries.get(entry.producer_id)
            wrong = _difference(entry, seen, offset, exact=self.is_exact)
            if wrong:
                self._report.add(
                    DAMAGE, "snapshot-untrue", path, None, f"producer {entry.producer_id}: {wrong}", _SNAPSHOT_MEANING
                )
        for producer_id, seen in self.state.entries.items():
            # Idle producers are forgotten after a while, those with an open transaction never.
            if producer_id not in known and seen.txn_first_offset is not None:
                self._report.add(
                    DAMAGE,
                    "snapshot-untrue",
                    path,
                    None,
                    f"producer {producer_id} is missing, its transaction is open since offset {seen.txn_first_offset}",
                    _SNAPSHOT_MEANING,
                )

    def read_txn_index(self, path: str, data: bytes, report: PartitionReport) -> list[AbortedTransaction]:
        """The entries; what is wrong with them by themselves is reported."""
        if len(data) % ENTRY_SIZE:
            report.add(
                WARNING,
                "txn-index-torn",
                path,
                len(data) - len(data) % ENTRY_SIZE,
                f"{len(data) % ENTRY_SIZE} bytes at the end are no whole entry",
                _TXN_MEANING,
            )
        entries: list[AbortedTransaction] = []
        for slot, fields in enumerate(_TXN_ENTRY.iter_unpack(data[: len(data) - len(data) % ENTRY_SIZE])):
            entry = AbortedTransaction._make(fields[1:])
            if (
                fields[0] != VERSION
                or entry.first_offset > entry.last_offset
                or (entries and entry.last_offset <= entries[-1].last_offset)
            ):
                report.add(
                    DAMAGE,
                    "txn-index-untrue",
                    path,
                    slot * ENTRY_SIZE,
                    f"entry {slot} cannot be: version {fields[0]}, {entry}",
                    _TXN_MEANING,
                )
            else:
                entries.append(entry)
        return entries

    def check_txn_index(self, path: str, entries: Sequence[AbortedTransaction], report: PartitionReport) -> None:
        """Hold the entries against the markers of the segment just walked."""
        listed = set()
        for entry in entries:
            listed.add((entry.producer_id, entry.last_offset))
            if self._markers.get(entry.last_offset) != entry.producer_id:
                report.add(
                    DAMAGE,
                    "txn-index-untrue",
                    path,
                    None,
                    f"no marker of producer {entry.producer_id} lies at offset {entry.last_offset}",
                    _TXN_MEANING,
                )
                continue
            first = self._aborted.get((entry.producer_id, entry.last_offset), entry.first_offset)
            if first != entry.first_offset:
                report.add(
                    DAMAGE,
                    "txn-index-untrue",
                    path,
                    None,
                    f"the transaction that ends at {entry.last_offset} began at {first}, "
                    f"the entry says {entry.first_offset}",
                    _TXN_MEANING,
                )
        for (producer_id, last_offset), first_offset in self._aborted.items():
            if (producer_id, last_offset) not in listed:
                report.add(
                    DAMAGE,
                    "txn-index-untrue",
                    path,
                    None,
                    f"the transaction of producer {producer_id} from offset {first_offset}, aborted at "
                    f"{last_offset}, is missing",
                    _TXN_MEANING,
                )


def _difference(entry: ProducerState, seen: ProducerState | None, offset: int, *, exact: bool) -> str | None:
    """What a snapshot's entry says that the log before it does not; None when they agree."""
    if entry.batches and entry.batches[-1].last_offset >= offset:
        return f"its last offset {entry.batches[-1].last_offset} is not below {offset}"
    if seen is None:
        return "nothing of it is in the log" if exact else None
    if not exact:
        return f"epoch {entry.epoch}, the log says {seen.epoch}" if entry.epoch < seen.epoch else None
    for name, stated, actual in (
        ("epoch", entry.epoch, seen.epoch),
        ("last sequence", entry.last_sequence, seen.last_sequence),
        ("last offset", _last(entry), _last(seen)),
        ("first offset of its open transaction", entry.txn_first_offset, seen.txn_first_offset),
    ):
        if stated != actual:
            return f"{name} {stated}, the log says {actual}"
    return None


def _last(producer: ProducerState) -> int:
    return producer.batches[-1].last_offset if producer.batches else -1
