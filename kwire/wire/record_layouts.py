"""Layouts of batches that were seen before: most producers write batch after batch of one shape.

A batch that is nothing but runs (`record_runs`) leaves its layout behind. The next one with as many records in as many
bytes is laid against it: where all lengths and offset deltas stand as they did, what was proven then holds again. Its
records are not read at all then: one `unpack` takes all values out, one `pack` writes all messages, and what is left
of a step per record is its checksum. Nothing is believed: a batch that differs anywhere is read as if it was the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from struct import Struct

from kwire.wire.crc import load_fast_crc32
from kwire.wire.message_form import HEAD_BYTES, MessageForm, heads
from kwire.wire.record_runs import Run, length_columns, string_at, time_columns

crc32 = load_fast_crc32()
_INT32 = Struct(">i")
_MESSAGE_START = 16
"""Bytes of a message before its magic: offset, size, checksum."""
_MAX_ROWS = 256
"""Of one table: a `Struct` takes some 200 bytes for each."""
_MAX_LAYOUTS = 64

_Key = tuple[int, int]
_layouts: dict[_Key, Layout | None] = {}
"""By (bytes, records): None where such a batch was seen once, which is not worth a layout yet."""


class Layout:
    """Where `checks`, each a slice and what it must be, hold, `tables` fill the data up to `end`."""

    __slots__ = ("checks", "end", "tables")

    def __init__(self, data: bytes, runs: Sequence[Run]) -> None:
        """Of `runs` that were just found in `data`, one behind the other from its beginning."""
        self.checks: list[tuple[slice, bytes]] = []
        self.tables: list[_Table] = []
        self.end = runs[-1].end
        index = 0
        for run in runs:
            begin, end = run.end - run.stride * run.count, run.end
            # All bytes in front of the key that are no attributes, which may be anything, nor a timestamp.
            columns = [*range(begin, run.time_at - 1), *range(run.offset_at, run.key_at)]
            for column in columns + length_columns(data, run.key_at, begin + run.stride):
                where = slice(column, end, run.stride)
                self.checks.append((where, data[where]))
            rows = -(-run.count // -(-run.count // _MAX_ROWS))
            for first in range(0, run.count, rows):
                self.tables.append(_Table(data, run.part(first, min(first + rows, run.count)), index + first))
            index += run.count

    def write(self, data: bytes, form: MessageForm, out: list[bytes | memoryview]) -> bool:
        """Append the messages of `data` to `out` if that has this layout."""
        for where, cells in self.checks:
            if data[where] != cells:
                return False
        times = [time_columns(data, table.run) for table in self.tables]
        if None in times:
            return False
        for table, columns in zip(self.tables, times, strict=True):
            assert columns is not None
            out.append(table.messages(data, columns, form))
        return True


class _Table:
    """Up to 256 records of one shape from record `index` on; `unpack` takes key and value of each."""

    __slots__ = ("after_key", "after_time", "begin", "index", "key_size", "run", "unpack", "value_size")

    def __init__(self, data: bytes, run: Run, index: int) -> None:
        self.run = run
        self.index = index
        self.begin = run.end - run.stride * run.count
        self.key_size, key_at = string_at(data, run.key_at)
        key_end = key_at + max(self.key_size, 0)
        self.value_size, value_at = string_at(data, key_end)
        self.after_key = _INT32.pack(self.value_size)
        self.after_time = _INT32.pack(self.key_size) + (b"" if self.key_size > 0 else self.after_key)
        value_end = value_at + max(self.value_size, 0)
        key = f"{key_at - self.begin}x{self.key_size}s" if self.key_size > 0 else f"{key_at - self.begin}x"
        tail = self.begin + run.stride - value_end
        self.unpack = _struct_of(f"{key}{value_at - key_end}x{value_end - value_at}s{tail}x", run.count).unpack_from

    def messages(self, data: bytes, columns: tuple[bytes, bytes], form: MessageForm) -> bytes:
        count = self.run.count
        values = self.unpack(data, self.begin)
        sums: Iterable[int]
        starts = list(heads(columns, form, then=self.after_time))
        if self.key_size > 0:
            starts = [b"".join((start, key, self.after_key)) for start, key in zip(starts, values[::2], strict=True)]
            values = values[1::2]
            sums = map(crc32, starts)
        else:
            # Without keys what stands before each value depends on the timestamp alone, and so does its checksum.
            sums = map({start: crc32(start) for start in set(starts)}.__getitem__, starts)
        value_bytes = max(self.value_size, 0)
        start_bytes = HEAD_BYTES[form.magic] + 8 + max(self.key_size, 0)
        first = form.base_offset + self.index
        begin = first - form.offset_shift
        fields: list[object] = [start_bytes + 4 + value_bytes] * (5 * count)
        fields[::5] = range(begin, begin + count)
        fields[2::5] = map(crc32, values, sums)
        fields[3::5] = starts
        fields[4::5] = values
        packed = _struct_of(f"qiI{start_bytes}s{value_bytes}s", count).pack(*fields)
        form.last_offset = first + count - 1
        skipped = form.first_offset - first
        if skipped <= 0:
            return packed
        return packed[skipped * (_MESSAGE_START + start_bytes + value_bytes) :]


@lru_cache(128)
def _struct_of(row: str, count: int) -> Struct:
    return Struct(">" + row * count)


def known_layout(size: int, count: int) -> Layout | None:
    """What `count` records in `size` bytes are likely to look like."""
    return _layouts.get((size, count))


def learn(data: bytes, runs: Sequence[Run]) -> None:
    """Remember the layout of `data` that begins with `runs`, if as many records in as many bytes were seen before."""
    key = len(data), sum(run.count for run in runs)
    known = _layouts.get(key, runs)
    if len(_layouts) >= _MAX_LAYOUTS and key not in _layouts:
        _layouts.clear()
    # One that did not fit is given up, so that data which changes its layout all the time is not learnt all the time.
    _layouts[key] = Layout(data, runs) if known is None else None
