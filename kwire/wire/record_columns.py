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
from operator import add, itemgetter

from kwire.named_tuple import NamedTuple
from kwire.wire.record_runs import HAS_MORE, MIN_RUN, are_positive, offset_columns, without_more

_MAX_COUNT = 2048
_LENGTHS = 1 << 14
"""Lengths as they stand (zigzag) that two bytes can hold."""
_ABSENT = 1
"""A null key's length as it stands."""


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
        bodies, lengths = _chain(data, pos, count)
        count = _alike(bytes(itemgetter(*bodies)(data[1:])).translate(HAS_MORE))
        if count < MIN_RUN:
            return None
        return _checked(data, bodies[:count], lengths[:count], index, time_size, width, view_bytes)
    except IndexError:
        return None


def _chain(data: bytes, pos: int, count: int) -> tuple[list[int], list[int]]:
    """(where each record's body begins, its length as it stands), if lengths take one or two bytes."""
    bodies: list[int] = []
    lengths: list[int] = []
    add_body, add_length = bodies.append, lengths.append
    for _ in repeat(None, count):
        n = data[pos]
        if n > 127:
            n += data[pos + 1] - 1 << 7
            pos += 2
        else:
            pos += 1
        add_body(pos)
        add_length(n)
        pos += n >> 1
    return bodies, lengths


def _alike(flags: bytes) -> int:
    """How many flags repeat the first one."""
    return len(flags) - len(flags.lstrip(flags[:1]))


def _checked(
    data: bytes, bodies: list[int], lengths: list[int], index: int, time_size: int, width: int, view_bytes: int
) -> PlainRecords | None:
    """IndexError if a length takes more than two bytes or leads beyond the data."""
    count = len(bodies)
    end = bodies[-1] + (lengths[-1] >> 1)
    at_body, by_length = itemgetter(*bodies), itemgetter(*lengths)
    shape = _shape_of(width)
    firsts, lasts = by_length(shape.first_byte), by_length(shape.last_byte)
    values_at = list(map(add, bodies, by_length(shape.value_at)))
    offsets = [bytes(at_body(data[at:])) for at in range(time_size + 1, width + 1)]
    if (
        end > len(data)
        or bytes(at_body(data[width + 1 :])).count(_ABSENT) != count
        or at_body(data[width + 2 :]) != firsts
        or itemgetter(*values_at)(b"\0" + data) != lasts
        or offsets != offset_columns(index, count)
    ):
        return None
    low = bytes(at_body(data[1:]))
    high = bytes(count) if time_size == 1 else bytes(at_body(data[2:]))
    low = without_more(low)
    if not high.isascii() or not are_positive(low):
        return None
    sizes = by_length(shape.value_size)
    source = memoryview(data) if end - bodies[0] > view_bytes * count else data
    values = [source[at : at + size] for at, size in zip(values_at, sizes, strict=True)]
    return PlainRecords(end, values, sizes, (low, high))


class _Shape(NamedTuple):
    """By a record's length as it stands: the bytes of its value's length, where the value begins, and its size."""

    first_byte: bytes
    last_byte: bytes
    value_at: bytes
    value_size: array[int]


@lru_cache(8)
def _shape_of(width: int) -> _Shape:
    """What plain records look like whose two deltas take `width` bytes; no value's length has the byte 255 twice."""
    first, last = bytearray(b"\xff" * _LENGTHS), bytearray(b"\xff" * _LENGTHS)
    value_at, value_size = bytearray(_LENGTHS), array("h", bytes(2 * _LENGTHS))
    for size in range(_LENGTHS // 2):
        # In front of the value attributes, deltas, the key's length and its own, behind it the number of headers.
        head = width + (3 if size < 64 else 4)
        length = 2 * (head + size + 1)
        if length >= _LENGTHS:
            break
        zigzag = 2 * size
        first[length] = zigzag if size < 64 else zigzag & 127 | 128
        last[length] = zigzag if size < 64 else zigzag >> 7
        value_at[length], value_size[length] = head, size
    return _Shape(bytes(first), bytes(last), bytes(value_at), value_size)
