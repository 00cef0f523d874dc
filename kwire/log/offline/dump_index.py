"""The lines of `.index`, `.timeindex` and `.txnindex` files, held against the log that lies beside them.

An index file that its broker did not close is zero behind its last entry: the first entry that is zero again ends the
walk. Source of the text and of the checks: Kafka's `DumpLogSegments`, `OffsetIndex`, `TimeIndex`; where Kafka's tool
ends with an exception (an index without its log, an entry beyond it), there is a complaint here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from kwire.errors import KafkaError
from kwire.log.files import INDEX_SUFFIX, LOG_SUFFIX
from kwire.log.offline.dump_log import batch_fields
from kwire.log.offline.lines import Line, message
from kwire.log.offline.stored_file import StoredBatch, StoredFile, read_file, read_sparse, walk
from kwire.log.offset_index import OffsetIndex
from kwire.log.time_index import TimeIndex
from kwire.log.txn_index import ENTRY_SIZE as TXN_ENTRY_SIZE
from kwire.wire.legacy import message_batches
from kwire.wire.primitives import WireError
from kwire.wire.records import read_records

_TXN_ENTRY = Struct(">hqqqq")


class IndexDump(NamedTuple):
    """How an index is shown: `sanity_only` looks at it as a starting broker does, `verify_only` hides the entries.

    A batch of more than `max_message_size` bytes is not found, as in Kafka's tool.
    """

    sanity_only: bool = False
    verify_only: bool = False
    max_message_size: int = 5 * 1024 * 1024


def index_lines(path: str, name: str, how: IndexDump) -> Iterator[Line]:
    """The lines of an offset index, its mismatches last. Raises OSError, ValueError for a name without an offset."""
    base = base_offset_of(path)
    entries = _entries(path, OffsetIndex.ENTRY)
    if not entries:
        yield message(f"{name} is empty.", "empty")
        return
    if how.sanity_only:
        last = base + entries[-1][0]
        wrong = None
        if last < base:
            wrong = f"the last offset {last} is less than the base offset {base}"
        yield _sanity(path, name, OffsetIndex.ENTRY_SIZE, wrong)
        return
    mismatches: list[tuple[int, int | None]] = []
    with _log_of(path) as log:
        for slot, (relative, position) in enumerate(entries):
            if relative == 0 and slot > 0:
                break
            offset = base + relative
            found = _batch_at(log, position, how.max_message_size)
            found_offset = None if found is None else _last_offset(found)
            if found_offset != offset:
                mismatches.append((offset, found_offset))
            if not how.verify_only:
                yield Line("offset index entry", {"offset": offset, "position": position})
    if mismatches:
        yield message(f"Mismatches in :{os.path.abspath(path)}", "complaint")
        for offset, found_offset in reversed(mismatches):
            in_log = "no batch" if found_offset is None else found_offset
            yield message(f"  Index offset: {offset}, log offset: {in_log}", "complaint")


def time_index_lines(path: str, name: str, how: IndexDump) -> Iterator[Line]:
    """The lines of a time index, what is wrong with it last. Raises OSError, ValueError."""
    base = base_offset_of(path)
    entries = _entries(path, TimeIndex.ENTRY)
    if how.sanity_only:
        yield _sanity(path, name, TimeIndex.ENTRY_SIZE, _time_index_fault(entries, base))
        return
    untrue: list[tuple[int, int]] = []
    out_of_order: list[tuple[int, int]] = []
    missing: list[tuple[int, int]] = []
    previous = -1
    with _log_of(path) as log:
        offsets = _entries(path.removesuffix("timeindex") + "index", OffsetIndex.ENTRY)
        for slot, (timestamp, relative) in enumerate(entries):
            if relative == 0 and slot > 0:
                break
            offset = base + relative
            batch = _batch_with(log, offset, _position_of(offsets, relative))
            last = -1 if batch is None else _last_offset(batch)
            if batch is None or last != offset:
                missing.append((offset, last))
            else:
                latest = _latest(batch)
                if latest != timestamp:
                    untrue.append((timestamp, latest))
                if previous >= timestamp:
                    out_of_order.append((timestamp, previous))
            if not how.verify_only:
                yield Line("time index entry", {"timestamp": timestamp, "offset": offset})
            previous = timestamp
    full = os.path.abspath(path)
    if untrue:
        yield message(f"Found timestamp mismatch in :{full}", "complaint")
        for first, second in untrue:
            yield message(f"  Index timestamp: {first}, log timestamp: {second}", "complaint")
    if out_of_order:
        yield message(f"Found out of order timestamp in :{full}", "complaint")
        for first, second in out_of_order:
            yield message(f"  Index timestamp: {first}, Previously indexed timestamp: {second}", "complaint")
    if missing:
        yield message(f"The following indexed offsets are not found in :{full}", "complaint")
        for first, second in missing:
            yield message(f"Indexed offset: {first}, found log offset: {second}", "complaint")


def txn_index_lines(path: str) -> Iterator[Line]:
    """The lines of a transaction index. Raises OSError."""
    data = read_file(path)
    whole = len(data) - len(data) % TXN_ENTRY_SIZE
    for version, producer_id, first, last, stable in _TXN_ENTRY.iter_unpack(data[:whole]):
        yield Line(
            "aborted transaction",
            {
                "version": version,
                "producerId": producer_id,
                "firstOffset": first,
                "lastOffset": last,
                "lastStableOffset": stable,
            },
        )
    if whole < len(data):
        yield message(f"{path}: {len(data) - whole} bytes at the end are no whole entry", "complaint")


def base_offset_of(path: str) -> int:
    """The number in a segment file's name. ValueError when there is none."""
    return int(os.path.basename(path).partition(".")[0])


def _entries(path: str, layout: Struct) -> list[tuple[int, int]]:
    """The entries; of the zeros behind them, in a file that is still open, the first two."""
    data, size = read_sparse(path)
    used = -(-len(data.rstrip(b"\0")) // layout.size) * layout.size
    whole = min(used + 2 * layout.size, size - size % layout.size)
    return list(layout.iter_unpack(data[:whole].ljust(whole, b"\0")))


def _log_of(path: str) -> StoredFile:
    return StoredFile(path.removesuffix(INDEX_SUFFIX).removesuffix(".timeindex") + LOG_SUFFIX)


def _sanity(path: str, name: str, entry_size: int, wrong: str | None) -> Line:
    size = os.stat(path).st_size
    if wrong is None and size % entry_size:
        wrong = f"{size} bytes are no multiple of {entry_size}"
    if wrong is None:
        return message(f"{name} passed sanity check.", "sane")
    return message(f"{name} failed the sanity check, a broker would build it anew: {wrong}", "complaint")


def _time_index_fault(entries: list[tuple[int, int]], base: int) -> str | None:
    if not entries:
        return None
    first, last = entries[0], entries[-1]
    if last[0] < first[0]:
        return f"the last timestamp {last[0]} is less than the first one {first[0]}"
    if last[1] < 0:
        return f"the last offset {base + last[1]} is less than the base offset {base}"
    return None


def _batch_at(log: StoredFile, position: int, max_size: int) -> StoredBatch | None:
    try:
        return next(walk(log, position, position + max_size), None) if position >= 0 else None
    except WireError:
        return None


def _batch_with(log: StoredFile, offset: int, position: int) -> StoredBatch | None:
    """The first batch from `position` on that ends at or behind `offset`."""
    try:
        return next((batch for batch in walk(log, position) if _last_offset(batch) >= offset), None)
    except WireError:
        return None


def _position_of(offsets: list[tuple[int, int]], relative: int) -> int:
    from bisect import bisect_right

    # Zeros behind the entries of an index that is open are no entries.
    real = [entry for slot, entry in enumerate(offsets) if slot == 0 or entry[0] > 0]
    slot = bisect_right(real, relative, key=lambda entry: entry[0]) - 1
    return real[slot][1] if slot >= 0 else 0


def _last_offset(batch: StoredBatch) -> int:
    fields = batch_fields(batch)
    last: int = fields["lastOffset" if batch.magic >= 2 else "offset"]
    return last


def _latest(batch: StoredBatch) -> int:
    """The largest timestamp of the batch's records, -1 for none; what the header says if they cannot be read."""
    try:
        records = read_records(batch.data) if batch.magic >= 2 else next(message_batches(batch.data)).records
    except (WireError, KafkaError):
        stated: int = batch_fields(batch)["timestamp"]
        return stated
    return max((record.timestamp for record in records), default=-1)
