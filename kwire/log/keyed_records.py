"""The records of a magic 2 batch as compaction looks at them: where each lies, its key, and whether it has a value.

`kwire.wire.records` makes an object of each record; here a record stays where it is, because most are either dropped or
copied as they are. Source of the format: `kwire.wire.record_codec`.
"""

from __future__ import annotations

from typing import NamedTuple

from kwire.wire.record_codec import InvalidRecordError, long_varint


class Outline(NamedTuple):
    """Lists with one entry per record; positions are bytes into the records section."""

    keys: list[bytes]
    """`b""` for a record without a key; `keyless` tells them from records whose key is empty."""
    deltas: list[int]
    """Offsets, from the batch's base offset."""
    ends: list[int]
    """Each record begins where the one before it ends."""
    keyless: list[int]
    """Indexes of the records without a key."""
    tombstones: list[int]
    """Indexes of the records without a value."""


def outline(data: bytes, count: int) -> Outline:
    """The outline of `count` records that fill `data`; InvalidRecordError if they do not."""
    found = Outline([], [], [], [], [])
    try:
        end = _walk(data, count, found)
    except (IndexError, OverflowError) as error:
        raise InvalidRecordError(len(found.ends), f"the record ends too early ({error})") from None
    if end != len(data):
        raise InvalidRecordError(-1, f"{len(data) - end:+} bytes are left after the last of {count} records")
    return found


def _walk(data: bytes, count: int, found: Outline) -> int:
    keys, deltas, ends, keyless, tombstones = found
    pos = 0
    for index in range(count):
        n = data[pos]
        pos += 1
        if n > 127:
            n += data[pos] - 1 << 7
            pos += 1
            if n > 16383:
                n, pos = long_varint(data, pos - 2, 5)
        end = pos + (n >> 1)
        pos += 1
        while data[pos] > 127:
            pos += 1
        n = data[pos + 1]
        pos += 2
        if n > 127:
            n += data[pos] - 1 << 7
            pos += 1
            if n > 16383:
                n, pos = long_varint(data, pos - 2, 5)
        deltas.append(n >> 1)
        n = data[pos]
        pos += 1
        if n > 127:
            n, pos = long_varint(data, pos - 1, 5)
        if n & 1:
            keyless.append(index)
            keys.append(b"")
        else:
            keys.append(data[pos : (pos := pos + (n >> 1))])
        # A negative length is an odd varint, and says that there is no value.
        if data[pos] & 1:
            tombstones.append(index)
        if pos >= end:
            raise IndexError("its key goes beyond its length")
        ends.append(end)
        pos = end
    return pos


def record_ends(data: bytes, count: int) -> list[int]:
    """Where each of `count` records that fill `data` ends; InvalidRecordError if they do not fill it."""
    ends: list[int] = []
    pos = 0
    try:
        for _ in range(count):
            n = data[pos]
            pos += 1
            if n > 127:
                n += data[pos] - 1 << 7
                pos += 1
                if n > 16383:
                    n, pos = long_varint(data, pos - 2, 5)
            pos += n >> 1
            ends.append(pos)
    except (IndexError, OverflowError) as error:
        raise InvalidRecordError(len(ends), f"the record ends too early ({error})") from None
    if pos != len(data):
        raise InvalidRecordError(-1, f"{len(data) - pos:+} bytes are left after the last of {count} records")
    return ends


def max_timestamp_delta(data: bytes, starts: list[int]) -> int:
    """The largest timestamp delta, in ms from the base timestamp, of the records that begin at `starts`."""
    largest = -1 << 63
    for start in starts:
        pos = start + 1
        while data[pos - 1] > 127:
            pos += 1
        n = data[pos + 1]
        if n > 127:
            n, _ = long_varint(data, pos + 1, 10)
        delta = (n >> 1) ^ -(n & 1)
        if delta > largest:
            largest = delta
    return largest
