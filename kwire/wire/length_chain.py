"""Counting the records of an uncompressed batch by their lengths, at the speed of `bytes` where the records allow it.

A record begins with its length, a varint. Following the chain shows whether the batch holds the records it declares and
nothing else, which is all that a broker must know of most batches. A step per record costs 1 to 2 ms for 10,000 of
them, several times the rest of an append. But the records of one producer are often of one size: then their length
bytes stand at equal distances, and a strided slice holds them side by side. How far such a slice repeats its first byte
is one `lstrip`, so a run of equal records costs little more than one. Records of unequal size cost the plain step each.

Measured per MiB, beside 43 us for its checksum and 110 to 330 us for its write: records of 1 KiB 31 us (of unequal
size 250 us); of 100 bytes 140 us (of unequal size 2.5 ms). The full walk of every field takes 0.85 and 10 ms.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

_MIN_BODY = 6
"""Bytes of the shortest record behind its length."""
_SPARSE_BYTES = 512
"""Records this large on average are so few that looking at them in place is cheaper than copying the batch."""
_FIRST_RUN = 128
_MAX_RUN = 1 << 16
_FEW = 64
"""Records of which one `unpack` looks at all lengths."""

_lengths_of: dict[tuple[int, int], Callable[[memoryview], tuple[int, ...]]] = {}
"""By (count, stride), for lengths of two bytes: what reads those of a few records of one size."""
_MAX_SHAPES = 256


def holds_records(section: memoryview, count: int) -> bool:
    """Whether exactly `count` records fill `section`, by their lengths. Never reads beyond it."""
    if count <= 0:
        return not section
    try:
        n, width = section[0], 1
        if n > 127:
            n += section[1] - 1 << 7
            width = 2
            if n > 16383:
                n, width = _long_varint(section, 0)
        stride = width + (n >> 1)
        if stride * count == len(section) and not n & 1 and n >= _MIN_BODY * 2:
            # One alone, or perhaps the few of a small batch, of one size.
            if count == 1:
                return True
            if width == 2 and count <= _FEW:
                lengths = (_lengths_of.get((count, stride)) or _shape(count, stride))(section)
                if lengths.count(lengths[0]) == count:
                    return True
            elif _are_alike(section, count, width, stride):
                return True
        data = section if len(section) > count * _SPARSE_BYTES else bytes(section)
        return count > 1 and skip_records(data, 0, count) == len(data)
    except IndexError:
        return False


def _are_alike(section: memoryview, count: int, width: int, stride: int) -> bool:
    for at in range(width):
        column = bytes(section[at::stride])
        if column.count(column[:1]) != count:
            return False
    return True


def _shape(count: int, stride: int) -> Callable[[memoryview], tuple[int, ...]]:
    """Reads two bytes at each multiple of `stride`, as far as `count` records go."""
    if len(_lengths_of) >= _MAX_SHAPES:
        _lengths_of.clear()
    read = _lengths_of[count, stride] = Struct(">" + f"H{stride - 2}x" * count).unpack_from
    return read


def skip_records(data: bytes | memoryview, pos: int, count: int) -> int:
    """The position behind `count` records, of which the first lies at `pos`; IndexError where a length is impossible.

    The position may lie beyond the data's end when the last record's length does.
    """
    last = -1
    reach = _FIRST_RUN
    while count > 0:
        start = pos
        n = data[pos]
        pos += 1
        if n > 127:
            n += data[pos] - 1 << 7
            pos += 1
            if n > 16383:
                n, pos = _long_varint(data, start)
        # A negative length is odd.
        if n & 1 or n < _MIN_BODY * 2:
            raise IndexError
        if n == last and count > reach >> 4:
            stride = pos - start + (n >> 1)
            run = _run(data, start, pos - start, stride, min(count, reach))
            # A reach that was used up doubles eightfold, one that was far too long shrinks: neither kind of batch pays
            # much.
            reach = min(reach << 3, _MAX_RUN) if run == reach else max(_FIRST_RUN, run << 1)
            pos = start + run * stride
            count -= run
            last = -1 if run < _FIRST_RUN >> 4 else n
        else:
            pos += n >> 1
            count -= 1
            last = n
    return pos


def _long_varint(data: bytes | memoryview, pos: int) -> tuple[int, int]:
    """(value as it stands, lowest bit the sign; position behind it) of a varint of up to five bytes; odd for a longer
    one.
    """
    n = shift = 0
    for at in range(pos, pos + 5):
        byte = data[at]
        n |= (byte & 0x7F) << shift
        if byte < 128:
            return n, at + 1
        shift += 7
    return 1, pos + 5


def _run(data: bytes | memoryview, start: int, width: int, stride: int, limit: int) -> int:
    """How many records from `start` on, at most `limit`, carry the same length bytes; at least one."""
    run = min(limit, (len(data) - start) // stride) or 1
    for at in range(start, start + width):
        column = bytes(data[at : start + run * stride : stride])
        run = len(column) - len(column.lstrip(column[:1]))
    return run
