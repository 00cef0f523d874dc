"""Logs that an older Kafka began: segments of magic 0 and 1 are opened, recovered, read, searched and appended to."""

from __future__ import annotations

from pathlib import Path

import pytest

from kwire.log.config import LogConfig
from kwire.log.log import Log
from kwire.log.manager import LogManager
from kwire.wire.compression import GZIP, NONE
from kwire.wire.legacy import build_message_set, frames, outer_header, read_message_set
from kwire.wire.record_batch import CorruptRecordError
from kwire.wire.records import Record, read_records
from tests.log.building import NOW, append, batch, config, crash, open_manager, read_bytes
from tests.log.compacting import COMPACT, compact, write

SETTINGS = config(index_interval_bytes=100)


def old_records(first: int, count: int) -> list[Record]:
    return [Record(first + n, NOW + first + n, b"k%d" % n, b"value %d" % n, (), -1) for n in range(count)]


def written_by_an_older_kafka(magic: int, compression: int) -> bytes:
    """Forty records, in sets of four."""
    return b"".join(
        build_message_set(old_records(first, 4), magic=magic, compression=compression) for first in range(0, 40, 4)
    )


def opened(directory: Path, data: bytes, *, clean: bool) -> Log:
    return opened_with_manager(directory, {0: data}, clean=clean, settings=SETTINGS)[1]


def opened_with_manager(
    directory: Path, segments: dict[int, bytes], *, clean: bool, settings: LogConfig
) -> tuple[LogManager, Log]:
    folder = directory / "topic-0"
    folder.mkdir(parents=True)
    for base_offset, data in segments.items():
        (folder / f"{base_offset:020}.log").write_bytes(data)
    (folder / "partition.metadata").write_text("version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw\n")
    if clean:
        (directory / ".kafka_cleanshutdown").write_text('{"version":0,"brokerEpoch":-1}')
    manager = open_manager(directory, settings=settings)
    (log,) = manager.logs()
    return manager, log


def everything(log: Log) -> list[Record]:
    found: list[Record] = []
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        raw = read_bytes(log, offset, 500)
        for pos, size, magic in frames(raw):
            part = raw[pos : pos + size]
            found += read_records(part) if magic == 2 else read_message_set(part)
        offset = found[-1].offset + 1
    return found


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("compression", [NONE, GZIP])
@pytest.mark.parametrize("magic", [0, 1])
def test_an_old_log_is_read_and_goes_on_in_the_new_format(
    tmp_path: Path, magic: int, compression: int, clean: bool
) -> None:
    log = opened(tmp_path, written_by_an_older_kafka(magic, compression), clean=clean)
    assert (log.log_start_offset, log.log_end_offset) == (0, 40)
    expected = [(n, NOW + n if magic else -1, b"value %d" % (n % 4)) for n in range(40)]
    assert [(r.offset, r.timestamp, r.value) for r in everything(log)] == expected
    for offset in range(40):
        first = next(frames(raw := read_bytes(log, offset, 1)))
        records = read_message_set(raw[: first[1]])
        assert records[0].offset <= offset <= records[-1].offset
    assert append(log, batch(b"new", timestamp=NOW + 100)).first_offset == 40
    assert everything(log)[-1].value == b"new"


@pytest.mark.parametrize("compression", [NONE, GZIP])
def test_an_old_log_is_searched_by_time(tmp_path: Path, compression: int) -> None:
    log = opened(tmp_path, written_by_an_older_kafka(1, compression), clean=False)
    for offset in range(40):
        found = log.offset_for_timestamp(NOW + offset)
        assert found is not None
        assert (found.offset, found.timestamp, found.leader_epoch) == (offset, NOW + offset, -1)
    assert log.offset_for_timestamp(NOW + 40) is None
    last = log.max_timestamp_offset()
    assert last is not None
    assert last.offset == 39


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("damage", ["torn", "flipped", "zeros"])
def test_a_damaged_tail_is_cut_off_at_recovery(tmp_path: Path, magic: int, damage: str) -> None:
    data = bytearray(written_by_an_older_kafka(magic, NONE))
    whole = len(data)
    last = build_message_set(old_records(40, 1), magic=magic)
    if damage == "torn":
        data += last[:-3]
    elif damage == "flipped":
        data += last[:-1] + bytes([last[-1] ^ 1])
    else:
        data += bytes(300)
    log = opened(tmp_path, bytes(data), clean=False)
    assert (log.log_end_offset, log.segments.active.size) == (40, whole)
    assert append(log, batch(b"v")).first_offset == 40


def test_a_message_too_short_for_a_batch_header_is_found_at_the_end(tmp_path: Path) -> None:
    tiny = build_message_set([Record(0, -1, None, None, (), -1), Record(1, -1, None, None, (), -1)], magic=0)
    assert len(tiny) == 2 * 26
    log = opened(tmp_path, tiny, clean=False)
    assert log.log_end_offset == 2
    assert len(everything(log)) == 2


def test_outer_headers() -> None:
    (one,) = old_records(7, 1)
    for magic in (0, 1):
        data = build_message_set([one], magic=magic)
        header = outer_header(data)
        assert header is not None
        assert (header.base_offset, header.last_offset, header.size, header.magic) == (7, 7, len(data), magic)
        assert (header.max_timestamp, header.has_producer) == (NOW + 7 if magic else -1, False)
        assert outer_header(data[:17]) is None
        with pytest.raises(CorruptRecordError):
            outer_header(data[:8] + b"\0\0\0\1" + data[12:])


@pytest.mark.parametrize("compression", [NONE, GZIP])
@pytest.mark.parametrize("magic", [0, 1])
def test_an_old_log_is_compacted_and_swapped(tmp_path: Path, magic: int, compression: int) -> None:
    """Three closed segments of eight keys, one tombstone among them, and an active one that is of the new format."""
    settings = config(**COMPACT, index_interval_bytes=100, delete_retention_ms=0)
    segments = {
        base: b"".join(
            build_message_set(
                [Record(n, NOW + n, b"k%d" % (n % 8), b"value %d" % n, (), -1) for n in range(first, first + 4)],
                magic=magic,
                compression=compression,
            )
            for first in range(base, base + 20, 4)
        )
        for base in (0, 20, 40)
    }
    segments[60] = build_message_set([Record(60, NOW + 60, b"k4", None, (), -1)], magic=magic)
    manager, log = opened_with_manager(tmp_path, segments, clean=False, settings=settings)
    log.update_high_watermark(log.log_end_offset)
    log.roll(NOW)
    write(log, [(b"new", b"v")])
    before = {record.offset: record for record in everything(log)}
    stats = compact(manager)
    assert (stats.end_offset, stats.records_read, stats.records_written) == (61, 61, 8)
    expected = [53, 54, 55, 56, 57, 58, 59, 60, 61]
    assert [record.offset for record in everything(log)] == expected
    assert everything(log) == [before[offset] for offset in expected]
    # What is left keeps its format and its codec.
    magics = [found for _, _, found in frames(read_bytes(log, 0, 1 << 20))]
    assert magics == [magic] * len(magics)
    # Found by offset again after a crash, which makes the indexes anew, and compacted once more with what came after.
    write(log, [(b"k5", b"newest"), (b"new", b"w")])
    log.roll(NOW)
    write(log, [(b"active", b"v")])
    crash(manager)
    again = open_manager(tmp_path, settings=settings)
    (log,) = again.logs()
    log.update_high_watermark(log.log_end_offset)
    assert [record.offset for record in everything(log)] == [*expected, 62, 63, 64]
    compact(again, now_ms=NOW + 1000)
    kept = [(record.offset, record.key) for record in everything(log)]
    assert kept[-3:] == [(62, b"k5"), (63, b"new"), (64, b"active")]
    assert [offset for offset, _ in kept] == [54, 55, 56, 57, 58, 59, 62, 63, 64]
