"""The same appends leave the same files: `.log` byte for byte, the contents of indexes and checkpoints."""

from __future__ import annotations

import struct
from pathlib import Path

from compat_tests.disk.served import records_of, stored_batches
from compat_tests.disk.workload import Topic
from kwire.log.leader_epochs import FILE_NAME
from kwire.wire.record_batch import read_header

ENTRY = {".index": struct.Struct(">ii"), ".timeindex": struct.Struct(">qi")}


class Compared:
    """What was compared, and what was different."""

    def __init__(self) -> None:
        self.logs = self.log_bytes = self.index_entries = self.snapshots = self.decoded = 0
        self.problems: list[str] = []

    def counts(self) -> str:
        return (
            f"{self.logs} .log files ({self.log_bytes} bytes) equal, {self.index_entries} index entries, "
            f"{self.snapshots} snapshots; {self.decoded} records equal where the codec's bytes may differ"
        )


def compare_topic(ours: Path, theirs: Path, topic: Topic, compared: Compared, *, closed: bool) -> None:
    """Compare the files of partition 0 of a topic in two data directories.

    Of a log that was not closed (`closed`) nothing but records and epochs is fixed: either broker makes the rest anew.
    """
    here, there = ours / f"{topic.name}-0", theirs / f"{topic.name}-0"
    if not topic.exact:
        _compare_records(here, there, topic, compared)
        return
    names = [sorted(path.name for path in folder.iterdir() if _is_compared(path, closed)) for folder in (here, there)]
    if names[0] != names[1]:
        compared.problems.append(f"{topic.name}: kwire has {names[0]}, Kafka has {names[1]}")
        return
    for name in names[0]:
        first, second = (here / name).read_bytes(), (there / name).read_bytes()
        suffix = Path(name).suffix
        if suffix in ENTRY:
            entries = (_entries(first, suffix), _entries(second, suffix))
            compared.index_entries += len(entries[0])
            if entries[0] != entries[1]:
                compared.problems.append(f"{topic.name}/{name}: kwire {entries[0][:9]}, Kafka {entries[1][:9]}")
            continue
        if suffix == ".log":
            compared.logs += 1
            compared.log_bytes += len(first)
        elif suffix == ".snapshot":
            compared.snapshots += 1
        if first != second:
            compared.problems.append(f"{topic.name}/{name}: {_first_difference(first, second)}")


def _is_compared(path: Path, closed: bool) -> bool:
    """Not the topic's id, which is drawn, and not what waits for its removal."""
    is_fixed = closed or path.suffix == ".log" or path.name == FILE_NAME
    return is_fixed and path.name != "partition.metadata" and path.suffix != ".deleted"


def _entries(data: bytes, suffix: str) -> list[tuple[int, ...]]:
    """The entries up to the zeros of an index that was not closed."""
    found: list[tuple[int, ...]] = []
    for entry in ENTRY[suffix].iter_unpack(data):
        if found and not any(entry):
            break
        if any(entry):
            found.append(entry)
    return found


def _first_difference(first: bytes, second: bytes) -> str:
    pairs = zip(first, second, strict=False)
    at = next((i for i, (ours, theirs) in enumerate(pairs) if ours != theirs), min(len(first), len(second)))
    sizes = f"kwire has {len(first)} bytes, Kafka {len(second)}"
    return f"{sizes}, different from {at} on: {first[at:][:24]!r} and {second[at:][:24]!r}"


def _compare_records(here: Path, there: Path, topic: Topic, compared: Compared) -> None:
    """Batch headers but for sizes, checksums and the broker's clock; every record but for that clock."""
    is_timed = topic.options.get("message.timestamp.type") != "LogAppendTime"
    rows = [_rows(folder, is_timed) for folder in (here, there)]
    compared.decoded += len(rows[0])
    if rows[0] != rows[1]:
        at = next((i for i, (a, b) in enumerate(zip(*rows, strict=False)) if a != b), min(map(len, rows)))
        compared.problems.append(f"{topic.name}: {rows[0][at : at + 1]} and {rows[1][at : at + 1]}")


def _rows(folder: Path, is_timed: bool) -> list[object]:
    """One row per batch header and per record, over all segments of a partition."""
    found: list[object] = []
    for path in sorted(folder.glob("*.log")):
        data = path.read_bytes()
        for position, _, _ in stored_batches(data):
            header = read_header(data, position)
            times = (header.base_timestamp, header.max_timestamp) if is_timed else ()
            found.append(header._replace(batch_length=0, crc=0, base_timestamp=0, max_timestamp=0))
            found.append(times)
        for records in records_of(data):
            found += [record if is_timed else record._replace(timestamp=0) for record in records]
    return found
