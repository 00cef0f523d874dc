"""Offset index, time index and transaction index: bytes on disk, lookups, preallocation, truncation."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from pathlib import Path

import pytest

from kwire.log.files import FILES, Files, OpenFile
from kwire.log.offset_index import OffsetIndex
from kwire.log.time_index import TimeIndex
from kwire.log.txn_index import AbortedTransaction, TxnIndex


def offset_index(path: Path, base: int = 100, max_bytes: int = 8000) -> OffsetIndex:
    size = path.stat().st_size if path.exists() else 0
    return OffsetIndex(str(path), base, max_bytes, FILES, file_size=size)


def time_index(path: Path, base: int = 100, max_bytes: int = 8000) -> TimeIndex:
    size = path.stat().st_size if path.exists() else 0
    return TimeIndex(str(path), base, max_bytes, FILES, file_size=size)


def test_entries_are_relative_and_the_file_is_preallocated_until_trimmed(tmp_path: Path) -> None:
    path = tmp_path / "x.index"
    index = offset_index(path, max_bytes=803)
    assert not path.exists()
    index.append(101, 72)
    index.append(115, 816)
    assert not path.exists()
    index.write_out()
    assert path.stat().st_size == 800
    assert path.read_bytes()[:24] == bytes.fromhex("00000001 00000048 0000000f 00000330 0000000000000000")
    reread = offset_index(path, max_bytes=803)
    assert (reread.entry_count, reread.last_entry()) == (2, (115, 816))
    index.trim()
    assert path.stat().st_size == 16


def test_time_index_bytes_and_rule_of_later_timestamps(tmp_path: Path) -> None:
    path = tmp_path / "x.timeindex"
    index = time_index(path, max_bytes=40)
    index.append_if_later(0x18BCFE56801, 101)
    index.append_if_later(0x18BCFE56801, 109)
    index.append_if_later(0x18BCFE56802, 102)
    assert index.is_full
    index.append_if_later(0x18BCFE56803, 103)
    index.append_if_later(0x18BCFE56804, 104)
    index.trim()
    assert path.read_bytes() == bytes.fromhex(
        "0000018bcfe56801 00000001 0000018bcfe56802 00000002 0000018bcfe56803 00000003"
    )


def test_empty_indexes(tmp_path: Path) -> None:
    offsets, times = offset_index(tmp_path / "a"), time_index(tmp_path / "b")
    assert (offsets.lookup(500), offsets.last_entry(), offsets.batch_position_up_to(9)) == ((100, 0), (100, 0), 0)
    assert (times.lookup(500), times.last_entry()) == ((-1, 100), (-1, 100))
    offsets.trim()
    assert (tmp_path / "a").read_bytes() == b""


@pytest.mark.parametrize("seed", range(20))
def test_lookups_agree_with_a_list(tmp_path: Path, seed: int) -> None:
    choice = random.Random(seed)
    offsets, times = offset_index(tmp_path / "a"), time_index(tmp_path / "b", max_bytes=12_000)
    rows: list[tuple[int, int, int]] = []
    offset, position, timestamp = 100, 0, 5
    for _ in range(choice.randrange(1, 400)):
        offset += choice.randrange(1, 9)
        position += choice.randrange(1, 9)
        timestamp += choice.randrange(1, 9)
        offsets.append(offset, position)
        times.append_if_later(timestamp, offset)
        rows.append((offset, position, timestamp))
    for again in range(3):
        for _ in range(50):
            wanted = choice.randrange(100, offset + 10)
            slot = bisect_right([row[0] for row in rows], wanted) - 1
            assert offsets.lookup(wanted) == (rows[slot][:2] if slot >= 0 else (100, 0))
            wanted = choice.randrange(position + 10)
            slot = bisect_right([row[1] for row in rows], wanted) - 1
            assert offsets.batch_position_up_to(wanted) == (rows[slot][1] if slot >= 0 else 0)
            wanted = choice.randrange(timestamp + 10)
            slot = bisect_right([row[2] for row in rows], wanted) - 1
            assert times.lookup(wanted) == ((rows[slot][2], rows[slot][0]) if slot >= 0 else (-1, 100))
        if again == 0:
            cut = choice.randrange(100, offset + 5)
            offsets.truncate_to(cut)
            times.truncate_to(cut)
            rows = [row for row in rows if row[0] < cut]
        else:
            # A crash: what is held in memory is written, the file stays preallocated.
            offsets.write_out()
            times.write_out()
            offsets, times = offset_index(tmp_path / "a"), time_index(tmp_path / "b", max_bytes=12_000)


def test_a_missing_transaction_index_is_looked_for_once(tmp_path: Path) -> None:
    class CountingFiles(Files):
        reads = 0

        def read_file(self, path: str) -> bytes | None:
            CountingFiles.reads += 1
            return super().read_file(path)

    index = TxnIndex(str(tmp_path / "x.txnindex"), CountingFiles())
    assert [index.collect(0, 9) for _ in range(3)] == [([], False)] * 3
    assert CountingFiles.reads == 1
    entry = AbortedTransaction(1, 2, 3, 4)
    index.append(entry)
    assert index.entries() == [entry]


def test_transaction_index(tmp_path: Path) -> None:
    path = tmp_path / "x.txnindex"
    index = TxnIndex(str(path), FILES)
    assert index.entries() == []
    entries = [AbortedTransaction(0x3E9, 3, 5, 6), AbortedTransaction(7, 4, 9, 8), AbortedTransaction(0x3E9, 8, 11, 12)]
    for entry in entries:
        index.append(entry)
    assert path.read_bytes()[:34] == bytes.fromhex(
        "0000 00000000000003e9 0000000000000003 0000000000000005 0000000000000006"
    )
    assert path.stat().st_size == 102
    assert index.collect(0, 6) == (entries[:1], True)
    assert index.collect(6, 12) == (entries[1:], True)
    assert index.collect(6, 99) == (entries[1:], False)
    path.write_bytes(path.read_bytes() + b"torn")
    assert index.entries() == entries
    index.append(AbortedTransaction(1, 20, 21, 22))
    assert path.stat().st_size == 4 * 34
    index.truncate_to(9)
    assert index.entries() == entries[:1]
    index.truncate_to(0)
    assert path.stat().st_size == 0
    assert index.entries() == []


class CountingFiles(Files):
    """How often was anything read."""

    __slots__ = ("reads",)

    def __init__(self) -> None:
        self.reads = 0

    def read_at(self, file: OpenFile, size: int, position: int) -> bytes:
        self.reads += 1
        return super().read_at(file, size, position)


@pytest.mark.parametrize("count", [1, 63, 64, 65, 256, 257, 1000, 5000])
@pytest.mark.parametrize("is_even", [True, False])
def test_what_is_looked_for_is_found_wherever_it_lies(tmp_path: Path, count: int, is_even: bool) -> None:
    rng = random.Random(count)
    files = CountingFiles()
    index = OffsetIndex(str(tmp_path / "i"), 100, 1 << 20, files, file_size=0)
    offsets: list[int] = []
    positions: list[int] = []
    for n in range(1, count + 1):
        # Batches of all sizes, most of them small.
        offsets.append(offsets[-1] + rng.choice((1, 1, 1, 5000)) if offsets and not is_even else 99 + 10 * n)
        positions.append(positions[-1] + rng.choice((100, 100, 90_000)) if positions and not is_even else 1000 * n)
        index.append(offsets[-1], positions[-1])
    for _ in range(300):
        offset = rng.randrange(99, offsets[-1] + 2)
        position = rng.randrange(positions[-1] + 2)
        files.reads = 0
        slot = bisect_right(offsets, offset)
        assert index.lookup(offset) == ((offsets[slot - 1], positions[slot - 1]) if slot else (100, 0))
        # One entry behind what is in memory is told by a look at it; then the block, then the entry.
        assert not is_even or files.reads <= 2
        slot = bisect_right(positions, position)
        assert index.batch_position_up_to(position) == (positions[slot - 1] if slot else 0)
        slot = bisect_left(positions, position)
        assert index.offset_at_or_behind(position) == (offsets[slot] if slot < count else None)
