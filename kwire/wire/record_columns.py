"""Plain records of any size, checked column by column: those without keys and headers, which most producers send.

Where sizes differ, records are no table as in `record_runs`, but in a plain record all that comes before the value
follows from the record's length, its number, and how many bytes its timestamp delta takes. So the lengths alone say
what one `unpack` has to take out of all records at once; laid under one another, what came out is equal to what it must
be, or one of these records is not plain, and is read one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from struct import Struct

from kwire.named_tuple import NamedTuple
from kwire.wire.record_runs import HAS_MORE, MIN_RUN, are_positive, offset_columns, without_more

_MAX_COUNT = 512
_FIRST_TWO_BYTES, _LAST_TWO_BYTES = 64, 8192
_KNOWN_SIZES = 1 << 13

# How far it is to the next record, by the first two bytes of this one: its length, a zigzag varint, and if that takes
# one byte the attributes, which are 0. Whatever is not of this kind leads far beyond any data, and so does a first byte
# of two whose second is 0, because the number would fit into one: what it adds too much the second takes back.
_FAR = 1 << 62
_TOO_MUCH = 1 << 28
_BY_FIRST = [_FAR if n & 1 else n // 2 + 1 if n < 128 else (n & 127) // 2 + 2 + _TOO_MUCH for n in range(256)]
_BY_SECOND = [0, *((n << 6) - _TOO_MUCH if n < 128 else _FAR for n in range(1, 256))]


class PlainRecords(NamedTuple):
    """Neighbours that are plain and of which the timestamp deltas take as many bytes; the last ends at `end`.

    `values` with their `sizes`, and those as int32 in `lengths`; `times` as of `record_runs.time_columns`.
    """

    end: int
    values: Sequence[bytes]
    sizes: Sequence[int]
    lengths: Sequence[bytes]
    times: tuple[bytes, bytes]


class _Row(NamedTuple):
    """What a plain record of one size looks like."""

    format: str
    """Takes out the two deltas, the lengths of key and value, and the value."""
    key_and_length: bytes
    """The lengths of key and value as they stand: the key is null."""
    size: int
    """Of the value."""
    length: bytes


class _Rows(dict[int, _Row]):
    """By a record's size, for records whose two deltas take `width` bytes; IndexError where none can be plain."""

    def __init__(self, width: int) -> None:
        self._width = width

    def __missing__(self, whole: int) -> _Row:
        # In front of the deltas its length and the attributes, behind the value the number of headers.
        before = 2 if whole < 66 else 3
        rest = whole - before - self._width - 2
        length_size = 1 if rest < 65 else 2
        size = rest - length_size
        if not 0 <= size < _KNOWN_SIZES:
            raise IndexError
        zigzag = 2 * size
        key_and_length = bytes((1, zigzag)) if length_size == 1 else bytes((1, zigzag & 127 | 128, zigzag >> 7))
        if rest == 65:
            # 63 bytes with a length of two. There is none, unless the deltas take another width than was thought.
            key_and_length = b""
        row = _Row(f"{before}x{self._width}s{length_size + 1}s{size}sx", key_and_length, size, size.to_bytes(4))
        self[whole] = row
        return row


_rows_of = {width: _Rows(width) for width in (2, 3, 4)}


def find_plain(data: bytes, pos: int, index: int, stop: int) -> PlainRecords | None:
    """The plain records from `index` on, before `stop`, the first of which lies at `pos`; None if they are too few.

    None also where anything is wrong with them: reading them one by one then says what.
    """
    count = min(stop, _LAST_TWO_BYTES, index + _MAX_COUNT) - index
    if count < MIN_RUN:
        return None
    try:
        body = pos + (1 if data[pos] < 128 else 2)
        time_size = 1 if data[body + 1] < 128 else 2
        if data[body + time_size + (2 if index < _FIRST_TWO_BYTES else 3)] != 1:
            return None
        wholes, end = _chain(data, pos, count)
        return None if end > len(data) else _plain(data, pos, end, index, wholes, time_size)
    except IndexError:
        return None


def _chain(data: bytes, pos: int, count: int) -> tuple[list[int], int]:
    """The sizes of `count` records, and where the last one ends; IndexError if that is not plain to see."""
    wholes: list[int] = []
    append = wholes.append
    for _ in repeat(None, count):
        whole = _BY_FIRST[data[pos]] + _BY_SECOND[data[pos + 1]]
        append(whole)
        pos += whole
    return wholes, pos


def _plain(data: bytes, pos: int, end: int, index: int, wholes: list[int], time_size: int) -> PlainRecords | None:
    """The records of the sizes `wholes` as they are if all are plain, or the first of them whose timestamp deltas take
    as many bytes.
    """
    count = len(wholes)
    short = min(max(_FIRST_TWO_BYTES - index, 0), count)
    rows: Iterable[_Row] = map(_rows_of[time_size + 2].__getitem__, wholes[short:])
    if short:
        rows = chain(map(_rows_of[time_size + 1].__getitem__, wholes[:short]), rows)
    formats, keys_and_lengths, sizes, lengths = zip(*rows, strict=True)
    fields = Struct("".join(formats)).unpack_from(data, pos)
    low = high = b""
    counts_up = True
    for first, last, width in ((0, short, time_size + 1), (short, count, time_size + 2)):
        if first < last:
            deltas = b"".join(fields[3 * first : 3 * last : 3])
            offsets = [deltas[at::width] for at in range(time_size, width)]
            counts_up = counts_up and offsets == offset_columns(index + first, last - first)
            low += deltas[::width]
            high += deltas[1::width]
    flags = low.translate(HAS_MORE)
    alike = count - len(flags.lstrip(flags[:1]))
    if alike < count:
        if alike < MIN_RUN:
            return None
        return _plain(data, pos, pos + sum(wholes[:alike]), index, wholes[:alike], time_size)
    low = without_more(low)
    high = high if time_size == 2 else bytes(count)
    if (
        not counts_up
        or b"".join(fields[1::3]) != b"".join(keys_and_lengths)
        or not high.isascii()
        or not are_positive(low)
    ):
        return None
    return PlainRecords(end, fields[2::3], sizes, lengths, (low, high))
