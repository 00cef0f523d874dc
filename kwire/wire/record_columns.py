"""Plain records of any size, checked column by column: those without keys and headers, which most producers send.

Where sizes differ, records are no table as in `record_runs`, but their lengths say where each one begins, and what
stands at the same distance behind that is a column again: `itemgetter` picks it at the speed of C. In a plain record
all that comes before the value follows from the record's length, its number, and how many bytes its timestamp delta
takes; so a column is either equal to what it must be, or one of these records is not plain, and is read one by one.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from itertools import repeat
from operator import add, itemgetter, sub

from kwire.named_tuple import NamedTuple
from kwire.wire.record_runs import HAS_MORE, MIN_RUN, are_positive, offset_columns, without_more

_MAX_COUNT = 2048
_SIZES = 1 << 13
"""Records that are smaller have lengths of two bytes at most."""
_ABSENT = 1
"""A null key's length as it stands."""

# How far it is to the next record, by the first two bytes of this one: its length, a zigzag varint, and if that takes
# one byte the attributes, which are 0. Whatever is not of this kind leads far beyond any data.
_FAR = 1 << 62
_BY_FIRST = [_FAR if n & 1 else (n & 127) // 2 + (1 if n < 128 else 2) for n in range(256)]
_BY_SECOND = [n << 6 if n < 128 else _FAR for n in range(256)]


class PlainRecords(NamedTuple):
    """Neighbours that are plain and of which the timestamp deltas take as many bytes; the last ends at `end`.

    `values` with their `sizes`; `times` as of `record_runs.time_columns`.
    """

    end: int
    values: Sequence[bytes | memoryview]
    sizes: Sequence[int]
    times: tuple[bytes, bytes]


def find_plain(data: bytes, pos: int, index: int, stop: int, view_bytes: int) -> PlainRecords | None:
    """The plain records from `index` on, before `stop`, the first of which lies at `pos`; None if they are too few.

    None also where anything is wrong with them: reading them one by one then says what. Values that are larger than
    `view_bytes` on the average are views of `data`.
    """
    limit = 64 if index < 64 else 8192  # There the number of bytes of an offset delta changes.
    count = min(stop, limit, index + _MAX_COUNT) - index
    if count < MIN_RUN:
        return None
    try:
        body = pos + (1 if data[pos] < 128 else 2)
        time_size = 1 if data[body + 1] < 128 else 2
        width = time_size + (1 if index < 64 else 2)
        if data[body + width + 1] != _ABSENT:
            return None
        starts = _chain(data, pos, count)
        sizes = list(map(sub, starts[1:], starts))
        bodies = list(map(add, starts, itemgetter(*sizes)(_LENGTH_SIZES)))
        count = _alike(bytes(itemgetter(*bodies)(data[1:])).translate(HAS_MORE))
        if count < MIN_RUN or starts[count] > len(data):
            return None
        return _checked(data, starts[: count + 1], sizes[:count], bodies[:count], index, time_size, width, view_bytes)
    except IndexError:
        return None


def _chain(data: bytes, pos: int, count: int) -> list[int]:
    """Where `count` records begin, and where the last one ends; IndexError if that is not plain to see."""
    starts: list[int] = []
    append = starts.append
    for _ in repeat(None, count):
        append(pos)
        pos += _BY_FIRST[data[pos]] + _BY_SECOND[data[pos + 1]]
    append(pos)
    return starts


def _alike(flags: bytes) -> int:
    """How many flags repeat the first one."""
    return len(flags) - len(flags.lstrip(flags[:1]))


def _checked(
    data: bytes,
    starts: list[int],
    sizes: list[int],
    bodies: list[int],
    index: int,
    time_size: int,
    width: int,
    view_bytes: int,
) -> PlainRecords | None:
    """IndexError for a record that is too large."""
    count = len(sizes)
    at_body, by_size = itemgetter(*bodies), itemgetter(*sizes)
    shape = _shape_of(width)
    values_at = list(map(add, starts, by_size(shape.value_at)))
    offsets = [bytes(at_body(data[at:])) for at in range(time_size + 1, width + 1)]
    if (
        offsets != offset_columns(index, count)
        or bytes(at_body(data[width + 1 :])).count(_ABSENT) != count
        or at_body(data[width + 2 :]) != by_size(shape.first_byte)
        or itemgetter(*values_at)(b"\0" + data) != by_size(shape.last_byte)
    ):
        return None
    low = bytes(at_body(data[1:]))
    high = bytes(count) if time_size == 1 else bytes(at_body(data[2:]))
    low = without_more(low)
    if not high.isascii() or not are_positive(low):
        return None
    value_sizes = by_size(shape.value_size)
    end = starts[-1]
    source = memoryview(data) if end - starts[0] > view_bytes * count else data
    values = [source[at : at + size] for at, size in zip(values_at, value_sizes, strict=True)]
    return PlainRecords(end, values, value_sizes, (low, high))


class _Shape(NamedTuple):
    """By a record's size: the first and the last byte of its value's length, where the value begins, and its size."""

    first_byte: bytes
    last_byte: bytes
    value_at: bytes
    value_size: array[int]


_LENGTH_SIZES = bytes(1 if size < 66 else 2 for size in range(_SIZES))
"""By a record's size: how many bytes its length takes."""


@lru_cache(8)
def _shape_of(width: int) -> _Shape:
    """What plain records look like whose two deltas take `width` bytes; where there is none, a length ends with 255."""
    first, last = bytearray(b"\xff" * _SIZES), bytearray(b"\xff" * _SIZES)
    value_at, value_size = bytearray(_SIZES), array("h", bytes(2 * _SIZES))
    for size in range(_SIZES):
        # In front of the value attributes, deltas, the key's length and its own, behind it the number of headers.
        body = width + (3 if size < 64 else 4) + size + 1
        whole = body + (1 if body < 64 else 2)
        if whole >= _SIZES:
            break
        zigzag = 2 * size
        first[whole] = zigzag if size < 64 else zigzag & 127 | 128
        last[whole] = zigzag if size < 64 else zigzag >> 7
        value_at[whole], value_size[whole] = whole - size - 1, size
    return _Shape(bytes(first), bytes(last), bytes(value_at), value_size)
