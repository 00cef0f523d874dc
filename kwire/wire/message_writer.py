"""The loop that writes the records of one magic 2 batch as messages of magic 0 or 1, making no record on the way.

Fields are read as `record_codec.parse` reads them and written as `legacy.encode_message` writes them; headers are
passed over, because the old formats have none. Batches of a layout that is known (`record_layouts`) are not read at
all; where neighbours have the same shape (`record_runs`) or are plain (`record_columns`) positions are known without
reading, and the work per message is left to `map`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain, islice, repeat
from operator import add
from struct import Struct

from kwire.wire.crc import load_fast_crc32
from kwire.wire.message_form import HEAD_BYTES, MessageForm, heads
from kwire.wire.record_codec import InvalidRecordError, long_varint
from kwire.wire.record_columns import PlainRecords, find_plain
from kwire.wire.record_layouts import known_layout, learn
from kwire.wire.record_runs import Run, find_run, string_at, time_columns

crc32 = load_fast_crc32()
_HEAD = Struct(">qiI")
_VIEW_BYTES = 512
"""Longer strings are passed on as views of the batch: up to here a copy is cheaper."""
_KEYLESS = tuple(Struct(f">{size + 4}si") for size in HEAD_BYTES)
_INT32 = Struct(">i")
_NULL = _INT32.pack(-1)
_MAX_STEPS = 256


def write_messages(
    data: bytes, pos: int, index: int, stop: int, form: MessageForm, out: list[bytes | memoryview]
) -> int:
    """Append the messages of records `index` to `stop`, of which the first lies at `pos`; the position after the last.

    The pieces in `out` make up whole messages. IndexError, OverflowError or InvalidRecordError where anything is wrong.
    """
    from_start = index == 0 and pos == 0
    if from_start and (layout := known_layout(len(data), stop)) is not None and layout.write(data, form, out):
        return layout.end
    runs: list[Run] = []
    steps = 2
    while index < stop:
        run = find_run(data, pos, index, stop)
        columns = None if run is None else time_columns(data, run)
        if run is not None and columns is not None:
            _write_run(data, index, run, columns, form, out)
            runs.append(run)
            pos = run.end
            index += run.count
            steps = 2
        elif (plain := find_plain(data, pos, index, stop)) is not None:
            _write_plain(index, plain, form, out)
            pos = plain.end
            index += len(plain.sizes)
            steps = 2
        else:
            # Where records differ in size, runs are looked for ever more seldom.
            until = min(index + steps, stop)
            pos = _write_each(data, pos, index, until, form, out)
            index = until
            steps = min(steps * 2, _MAX_STEPS)
    if from_start and sum(run.count for run in runs) == stop > 0:
        learn(data, runs)
    return pos


def _write_each(data: bytes, pos: int, start: int, stop: int, form: MessageForm, out: list[bytes | memoryview]) -> int:
    append, pack_head, pack_size, size = out.append, _HEAD.pack, _INT32.pack, len(data)
    pack_keyless, view = _KEYLESS[form.magic].pack, memoryview(data)
    base_offset, first_offset, shift = form.base_offset, form.first_offset, form.offset_shift
    offset, last_delta = form.last_offset, -1
    for index in range(start, stop):
        n = data[pos]
        pos += 1
        if n > 127:
            n += data[pos] - 1 << 7
            pos += 1
            if n > 16383:
                n, pos = long_varint(data, pos - 2, 5)
        end = pos + (n >> 1)
        if n & 1 or end > size:
            raise InvalidRecordError(index, f"length {(n >> 1) ^ -(n & 1)} with {size - pos} bytes left")
        n = data[pos + 1]
        pos += 2
        if n > 127:
            n, pos = long_varint(data, pos - 1, 10)
        if n != last_delta:  # Neighbours often have one timestamp.
            last_delta = n
            head = form.head_of((n >> 1) ^ -(n & 1))
            keyless = head + _NULL
        n = data[pos]
        pos += 1
        if n > 127:
            n += data[pos] - 1 << 7
            pos += 1
            if n > 16383:
                n, pos = long_varint(data, pos - 2, 5)
        offset = base_offset + ((n >> 1) ^ -(n & 1))
        key_size = data[pos]
        pos += 1
        if key_size != 1:
            if key_size > 127:
                key_size, pos = long_varint(data, pos - 1, 5)
            if not key_size & 1:
                keyed = head + pack_size(key_size >> 1) + data[pos : (pos := pos + (key_size >> 1))]
        n = data[pos]
        pos += 1
        if n > 127:
            n += data[pos] - 1 << 7
            pos += 1
            if n > 16383:
                n, pos = long_varint(data, pos - 2, 5)
        if n & 1:
            body = (keyless if key_size & 1 else keyed) + _NULL
        else:
            n >>= 1
            body = pack_keyless(keyless, n) if key_size & 1 else keyed + pack_size(n)
            body += (data if n < _VIEW_BYTES else view)[pos : (pos := pos + n)]
        if pos >= end:  # One byte at least is left, for the number of headers.
            raise InvalidRecordError(index, f"its fields end {pos - end:+} bytes from where its length says")
        if offset >= first_offset:
            append(pack_head(offset - shift, len(body) + 4, crc32(body)))
            append(body)
        pos = end
    form.last_offset = offset
    return pos


def _write_run(
    data: bytes, index: int, run: Run, columns: tuple[bytes, bytes], form: MessageForm, out: list[bytes | memoryview]
) -> None:
    key_size, key_at = string_at(data, run.key_at)
    value_size, value_at = string_at(data, key_at + max(key_size, 0))
    size_of_value = _INT32.pack(value_size)
    # What stands before each value, and the checksum so far: without keys both depend on the timestamp alone.
    if key_size > 0:
        begun, keys = heads(columns, form, then=_INT32.pack(key_size)), _cells(data, key_at, key_size, run)
        starts = [b"".join((head, key, size_of_value)) for head, key in zip(begun, keys, strict=True)]
        sums = map(crc32, starts)
    else:
        starts = list(heads(columns, form, then=_INT32.pack(key_size) + size_of_value))
        sums = map({start: crc32(start) for start in set(starts)}.__getitem__, starts)
    values = _cells(data, value_at, value_size, run)
    _write_values(index, values, repeat(len(starts[0]) + 4 + max(value_size, 0)), starts, sums, form, out)


def _write_plain(index: int, plain: PlainRecords, form: MessageForm, out: list[bytes | memoryview]) -> None:
    starts = list(map(add, heads(plain.times, form, then=_NULL), plain.lengths))
    sizes = map(add, plain.sizes, repeat(len(starts[0]) + 4))
    _write_values(index, plain.values, sizes, starts, map(crc32, starts), form, out)


def _write_values(
    index: int,
    values: Sequence[bytes | memoryview],
    sizes: Iterable[int],
    starts: list[bytes],
    sums: Iterable[int],
    form: MessageForm,
    out: list[bytes | memoryview],
) -> None:
    """`sizes` of the messages; what stands between their checksums and `values`, all of a size, and its checksums."""
    count = len(starts)
    first = form.base_offset + index
    form.last_offset = first + count - 1
    skipped = min(max(form.first_offset - first, 0), count)
    begin = first - form.offset_shift
    pack = _struct_of(len(starts[0])).pack
    before = map(pack, range(begin, begin + count), sizes, map(crc32, values, sums), starts)
    messages: Iterable[tuple[bytes | memoryview, bytes | memoryview]] = zip(before, values, strict=True)
    out += chain.from_iterable(islice(messages, skipped, None))


@lru_cache(256)
def _struct_of(size: int) -> Struct:
    """What packs offset, size, checksum and the `size` bytes that come before the value."""
    return Struct(f">qiI{size}s")


def _cells(data: bytes, pos: int, size: int, run: Run) -> Sequence[bytes | memoryview]:
    """Each row's `size` bytes, from `pos` on in the first."""
    if size <= 0:
        return [b""] * run.count
    rows = range(pos, pos + run.stride * run.count, run.stride)
    if size > _VIEW_BYTES:
        view = memoryview(data)
        return [view[at : at + size] for at in rows]
    return [data[at : at + size] for at in rows]
