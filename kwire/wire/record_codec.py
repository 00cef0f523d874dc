"""The loops over the records of one magic 2 batch: the broker's hottest pure Python.

```
length           varint    bytes of the record after this field
attributes       int8      unused
timestamp_delta  varlong   from the batch's base timestamp, ms
offset_delta     varint    from the batch's base offset
key              varint length (negative: null), bytes
value            varint length (negative: null), bytes
headers          varint count; each: varint length, key; varint length (negative: null), value
```
Source: KIP-98, Kafka's `DefaultRecord`. Varints are zigzag, and are kept unsigned here: the lowest bit says "negative",
the rest is the length. Those of one and two bytes are read in line, because a function per varint doubles the time;
the first byte of two carries 128 too much, hence `second - 1 << 7`. Types are plain, so that a compiler can take this
module as it is; batches, compression and errors of the frame are in `kwire.wire.records`.

The data is always `bytes`: indexing and slicing them is quicker than any other buffer. Reading beyond the end raises
IndexError, a varint that does not end OverflowError; the callers turn both into InvalidRecordError.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kwire.named_tuple import NamedTuple
from kwire.wire.primitives import WireError

Header = tuple[bytes, bytes | None]

MAX_INT64 = (1 << 63) - 1

_NO_HEADERS: Sequence[Header] = ()


class InvalidRecordError(WireError):
    """Records that do not fit their batch (Kafka's InvalidRecordException).

    `index` is the record's place in the batch, -1 when the batch as a whole is at fault; `reason` says what is wrong.
    """

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason if index < 0 else f"record {index}: {reason}")
        self.index = index
        self.reason = reason


class Record(NamedTuple):
    """One record as a consumer sees it; header keys are the bytes on the wire, `sequence` is -1 for none."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]
    sequence: int


def long_varint(data: bytes | bytearray, pos: int, limit: int) -> tuple[int, int]:
    """An unsigned varint of at most `limit` bytes (5: int32, 10: int64) and the position after it.

    IndexError when the data ends inside it, OverflowError when it goes on beyond its limit.
    """
    value = data[pos]
    if value < 128:
        return value, pos + 1
    byte = data[pos + 1]
    if byte < 128:
        return value + (byte - 1 << 7), pos + 2
    value += byte - 129 << 7  # The bits that say "there is more" are taken back: 128 of each byte.
    shift = 14
    for used in range(2, limit):
        byte = data[pos + used]
        value |= (byte & 0x7F) << shift
        if byte < 128:
            # Bits beyond the type's width fall off, as they do when Java shifts an int.
            return value & (0xFFFFFFFF if limit == 5 else 0xFFFFFFFFFFFFFFFF), pos + used + 1
        shift += 7
    raise OverflowError(f"a varint goes on beyond {limit} bytes")


def wrapped(timestamp: int) -> int:
    """The sum of two int64 as Java's addition gives it."""
    return (timestamp + MAX_INT64 + 1 & 0xFFFFFFFFFFFFFFFF) - MAX_INT64 - 1


def parse(
    data: bytes,
    count: int,
    base_offset: int,
    base_timestamp: int,
    append_time: int | None,
    base_sequence: int,
    out: list[Record],
) -> int:
    """Append `count` records to `out`, which tells the caller how far it got; the position after the last."""
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
        if n & 1 or end > len(data):
            raise InvalidRecordError(index, f"length {(n >> 1) ^ -(n & 1)} with {len(data) - pos} bytes left")
        n = data[pos + 1]
        pos += 2
        if n > 127:
            n += data[pos] - 1 << 7
            pos += 1
            if n > 16383:
                n, pos = long_varint(data, pos - 2, 10)
        timestamp = base_timestamp + ((n >> 1) ^ -(n & 1)) if append_time is None else append_time
        if not -MAX_INT64 <= timestamp <= MAX_INT64:
            timestamp = wrapped(timestamp)
        n = data[pos]
        pos += 1
        if n > 127:
            n += data[pos] - 1 << 7
            pos += 1
            if n > 16383:
                n, pos = long_varint(data, pos - 2, 5)
        delta = (n >> 1) ^ -(n & 1)
        n = data[pos]
        pos += 1
        if n > 127:
            n, pos = long_varint(data, pos - 1, 5)
        key = None if n & 1 else data[pos : (pos := pos + (n >> 1))]
        n = data[pos]
        pos += 1
        if n > 127:
            n += data[pos] - 1 << 7
            pos += 1
            if n > 16383:
                n, pos = long_varint(data, pos - 2, 5)
        value = None if n & 1 else data[pos : (pos := pos + (n >> 1))]
        headers, pos = read_headers(data, pos, end, index) if data[pos] else (_NO_HEADERS, pos + 1)
        if pos != end:
            raise InvalidRecordError(index, f"its fields end {pos - end:+} bytes from where its length says")
        sequence = (base_sequence + delta) & 0x7FFFFFFF if base_sequence >= 0 else -1
        out.append(tuple.__new__(Record, (base_offset + delta, timestamp, key, value, headers, sequence)))
    return pos


def read_headers(data: bytes, pos: int, end: int, index: int) -> tuple[Sequence[Header], int]:
    """The headers at `pos` of the record that ends at `end`, and the position after them."""
    n, pos = long_varint(data, pos, 5)
    # A header takes two bytes at least, which bounds the loop by the bytes there are.
    if n & 1 or (n >> 1) * 2 > end - pos:
        raise InvalidRecordError(index, f"{(n >> 1) ^ -(n & 1)} headers with {end - pos} bytes left")
    headers: list[Header] = []
    for _ in range(n >> 1):
        size, pos = long_varint(data, pos, 5)
        if size & 1 or pos + (size >> 1) > end:
            raise InvalidRecordError(index, f"header key of {(size >> 1) ^ -(size & 1)} bytes")
        key = data[pos : pos + (size >> 1)]
        pos += size >> 1
        size, pos = long_varint(data, pos, 5)
        value: bytes | None = None
        if not size & 1:
            if pos + (size >> 1) > end:
                raise InvalidRecordError(index, f"header value of {size >> 1} bytes with {end - pos} left")
            value = data[pos : pos + (size >> 1)]
            pos += size >> 1
        headers.append((key, value))
    return headers, pos


def skip_headers(data: bytes, pos: int, end: int, index: int) -> int:
    """The position after the headers at `pos`; IndexError or InvalidRecordError where they are wrong."""
    n, pos = long_varint(data, pos, 5)
    if n & 1 or (n >> 1) * 2 > end - pos:
        raise InvalidRecordError(index, f"{(n >> 1) ^ -(n & 1)} headers with {end - pos} bytes left")
    for _ in range(n >> 1):
        n = data[pos]
        pos += 1
        if n > 127:
            n, pos = long_varint(data, pos - 1, 5)
        if n & 1:
            raise InvalidRecordError(index, f"header key of {(n >> 1) ^ -(n & 1)} bytes")
        pos += n >> 1
        n = data[pos]
        pos += 1
        if n > 127:
            n, pos = long_varint(data, pos - 1, 5)
        if not n & 1:
            pos += n >> 1
    return pos


def walk_records(
    data: bytes, pos: int, start: int, stop: int, null_keys: list[int], stamps: list[tuple[int, int]]
) -> int:
    """Walk the fields of records `start` to `stop`, offset deltas counting up; the position after the last.

    Appends the indexes of records without a key to `null_keys`, and (index, timestamp delta) to `stamps` where the
    delta is another than the record's before. IndexError wherever anything is wrong.
    """
    seen = -1
    for index in range(start, stop):
        n = data[pos]
        pos += 1
        if n > 127:
            n += data[pos] - 1 << 7
            pos += 1
            if n > 16383:
                n, pos = long_varint(data, pos - 2, 5)
        end = pos + (n >> 1) - (n & 1)
        n = data[pos + 1]
        pos += 2
        if n > 127:
            n += data[pos] - 1 << 7
            pos += 1
            if n > 16383:
                n, pos = long_varint(data, pos - 2, 10)
        if n != seen:
            stamps.append((index, (n >> 1) ^ -(n & 1)))
            seen = n
        n = data[pos]
        pos += 1
        if n > 127:
            n += data[pos] - 1 << 7
            pos += 1
            if n > 16383:
                n, pos = long_varint(data, pos - 2, 5)
        if n != index << 1:
            raise IndexError
        n = data[pos]
        pos += 1
        if n > 127:
            n, pos = long_varint(data, pos - 1, 5)
        if n & 1:
            null_keys.append(index)
        else:
            pos += n >> 1
        n = data[pos]
        pos += 1
        if n > 127:
            n += data[pos] - 1 << 7
            pos += 1
            if n > 16383:
                n, pos = long_varint(data, pos - 2, 5)
        if not n & 1:
            pos += n >> 1
        pos = skip_headers(data, pos, end, index) if data[pos] else pos + 1
        if pos != end:
            raise IndexError
    return pos


_VARINTS: dict[int, bytes] = {}
_CACHED_BELOW = 1 << 13


def varint(value: int) -> bytes:
    """The zigzag varint of an int32 or int64; those that fit two bytes are remembered."""
    cached = _VARINTS.get(value)
    if cached is not None:
        return cached
    left = value << 1 ^ value >> 63
    out = bytearray()
    while left > 127:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    encoded = bytes(out)
    if -_CACHED_BELOW <= value < _CACHED_BELOW:
        _VARINTS[value] = encoded
    return encoded


_NULL = varint(-1)
_ZERO = varint(0)


def encode_record(
    timestamp_delta: int,
    offset_delta: int,
    key: bytes | None,
    value: bytes | None,
    headers: Iterable[tuple[str | bytes, bytes | None]],
) -> bytes:
    """One record with its length in front."""
    size_of = varint
    body = b"".join(
        (
            b"\0",
            size_of(timestamp_delta),
            size_of(offset_delta),
            _NULL if key is None else size_of(len(key)),
            key or b"",
            _NULL if value is None else size_of(len(value)),
            value or b"",
            encode_headers(headers) if headers else _ZERO,
        )
    )
    return varint(len(body)) + body


def encode_headers(headers: Iterable[tuple[str | bytes, bytes | None]]) -> bytes:
    """The count and the headers of one record; keys given as text are written in UTF-8."""
    parts: list[bytes] = []
    count = 0
    for name, value in headers:
        raw = name.encode() if isinstance(name, str) else name
        parts += (varint(len(raw)), raw)
        if value is None:
            parts.append(_NULL)
        else:
            parts += (varint(len(value)), value)
        count += 1
    return varint(count) + b"".join(parts)
