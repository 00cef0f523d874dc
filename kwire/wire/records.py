"""The records inside a magic 2 batch: reading, checking, building.

```
length           varint    bytes of the record after this field
attributes       int8      unused
timestamp_delta  varlong   from the batch's base timestamp, ms
offset_delta     varint    from the batch's base offset
key              varint length (negative: null), bytes
value            varint length (negative: null), bytes
headers          varint count; each: varint length, key; varint length (negative: null), value
```
Varints are zigzag. Source: KIP-98, Kafka's `DefaultRecord`. This is the broker's hottest pure Python, so varints of one
and two bytes are read in line (a function per varint doubles the time) and the types are plain enough for a compiler.

Three depths of looking, for 10,000 records of 100 bytes: `check_lengths` follows the length chain only, `check_records`
walks every field without making objects, `read_records` makes a `Record` of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kwire.wire.primitives import WireError
from kwire.wire.record_batch import (
    HEADER,
    LOG_APPEND_TIME,
    LOG_OVERHEAD,
    NO_PARTITION_LEADER_EPOCH,
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    NO_TIMESTAMP,
    RECORD_BATCH_OVERHEAD,
    BatchHeader,
    Buffer,
    CorruptRecordError,
    increment_sequence,
    read_header,
    rewrite_crc,
)

MAX_DECOMPRESSED_BYTES = 128 * 1024 * 1024
"""What one batch may decompress to unless the caller says otherwise."""

Header = tuple[bytes, bytes | None]

_MAX_INT64 = (1 << 63) - 1
_MAX_INT32 = (1 << 31) - 1


class InvalidRecordError(WireError):
    """Records that do not fit their batch (Kafka's InvalidRecordException).

    `index` is the record's place in the batch, -1 when the batch as a whole is at fault; `reason` says what is wrong.
    """

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason if index < 0 else f"record {index}: {reason}")
        self.index = index
        self.reason = reason


class Record(NamedTuple):
    """One record as a consumer sees it; header keys are the bytes on the wire, `sequence` is -1 without a producer id."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]
    sequence: int


class RecordsSummary(NamedTuple):
    """What a leader needs to know of a batch's records. Timestamps in ms, as a consumer would see them."""

    record_count: int
    max_timestamp: int
    offset_of_max_timestamp: int
    """Of the first record that has `max_timestamp`, counted from the batch's base offset as it stands."""
    min_timestamp: int
    null_key_indexes: list[int]


def records_data(buf: Buffer, pos: int, header: BatchHeader, max_decompressed: int = MAX_DECOMPRESSED_BYTES) -> bytes:
    """The records section of the batch at `pos`, decompressed, as bytes (indexing bytes is quickest).

    Raises CorruptRecordError when the batch is cut, CompressionError for bad or too much data, and KafkaError
    (UNSUPPORTED_COMPRESSION_TYPE) when the codec's library is missing.
    """
    end = pos + LOG_OVERHEAD + header.batch_length
    if header.batch_length < RECORD_BATCH_OVERHEAD - LOG_OVERHEAD or end > len(buf):
        raise CorruptRecordError(f"batch of {header.size} bytes, but {len(buf) - pos} are there")
    section = memoryview(buf)[pos + RECORD_BATCH_OVERHEAD : end]
    if header.compression == 0:
        return bytes(section)
    from kwire.wire.compression import decompress

    return decompress(header.compression, section, max_size=max_decompressed)


def long_varint(data: bytes, pos: int, limit: int) -> tuple[int, int]:
    """An unsigned varint of at most `limit` bytes (5: int32, 10: int64) and the position after it.

    IndexError when the data ends inside it, OverflowError when it goes on beyond its limit.
    """
    value = 0
    shift = 0
    for used in range(limit):
        byte = data[pos + used]
        value |= (byte & 0x7F) << shift
        if byte < 128:
            # Bits beyond the type's width fall off, as they do when Java shifts an int.
            return value & (0xFFFFFFFF if limit == 5 else 0xFFFFFFFFFFFFFFFF), pos + used + 1
        shift += 7
    raise OverflowError(f"a varint goes on beyond {limit} bytes")


def _wrapped(timestamp: int) -> int:
    """The sum of two int64 as Java's addition gives it."""
    return (timestamp + _MAX_INT64 + 1 & 0xFFFFFFFFFFFFFFFF) - _MAX_INT64 - 1


def read_records(buf: Buffer, pos: int = 0, *, max_decompressed: int = MAX_DECOMPRESSED_BYTES) -> list[Record]:
    """The records of the magic 2 batch at `pos`, whose checksum the caller has looked at (`verify`).

    Raises CorruptRecordError, CompressionError or InvalidRecordError; never reads beyond the batch.
    """
    header = read_header(buf, pos)
    if header.magic != 2:
        raise CorruptRecordError(f"magic {header.magic} is not 2")
    data = records_data(buf, pos, header, max_decompressed)
    _count_must_be_plausible(header, len(data))
    out: list[Record] = []
    try:
        _parse(data, header, out)
    except (IndexError, OverflowError) as error:
        raise InvalidRecordError(len(out), f"the record ends too early ({error})") from None
    return out


def _count_must_be_plausible(header: BatchHeader, data_size: int) -> None:
    # The shortest record is 7 bytes: a count that cannot fit is refused before anything is counted to it.
    if header.record_count < 0:
        raise InvalidRecordError(-1, f"negative record count {header.record_count}")
    if header.record_count * 7 > data_size:
        raise InvalidRecordError(-1, f"{header.record_count} records cannot fit into {data_size} bytes")


def _parse(data: bytes, header: BatchHeader, out: list[Record]) -> None:
    base_offset = header.base_offset
    base_timestamp = header.base_timestamp
    base_sequence = header.base_sequence
    append_time = header.timestamp_type == LOG_APPEND_TIME
    max_timestamp = header.max_timestamp
    size = len(data)
    pos = 0
    for index in range(header.record_count):
        n = data[pos]
        pos += 1
        if n > 127:
            m = data[pos]
            pos += 1
            if m < 128:
                n = n & 127 | m << 7
            else:
                n, pos = long_varint(data, pos - 2, 5)
        end = pos + ((n >> 1) ^ -(n & 1))
        if end > size or n & 1:
            raise InvalidRecordError(index, f"length {(n >> 1) ^ -(n & 1)} with {size - pos} bytes left")
        pos += 1
        n = data[pos]
        pos += 1
        if n > 127:
            n, pos = long_varint(data, pos - 1, 10)
        timestamp = base_timestamp + ((n >> 1) ^ -(n & 1))
        if not -_MAX_INT64 <= timestamp <= _MAX_INT64:
            timestamp = _wrapped(timestamp)
        n = data[pos]
        pos += 1
        if n > 127:
            m = data[pos]
            pos += 1
            if m < 128:
                n = n & 127 | m << 7
            else:
                n, pos = long_varint(data, pos - 2, 5)
        delta = (n >> 1) ^ -(n & 1)
        n = data[pos]
        pos += 1
        if n > 127:
            m = data[pos]
            pos += 1
            if m < 128:
                n = n & 127 | m << 7
            else:
                n, pos = long_varint(data, pos - 2, 5)
        key: bytes | None = None
        if not n & 1:
            key = data[pos : pos + (n >> 1)]
            pos += n >> 1
        n = data[pos]
        pos += 1
        if n > 127:
            m = data[pos]
            pos += 1
            if m < 128:
                n = n & 127 | m << 7
            else:
                n, pos = long_varint(data, pos - 2, 5)
        value: bytes | None = None
        if not n & 1:
            value = data[pos : pos + (n >> 1)]
            pos += n >> 1
        headers: Sequence[Header] = ()
        if data[pos]:
            headers, pos = _read_headers(data, pos, end, index)
        else:
            pos += 1
        if pos != end:
            raise InvalidRecordError(index, f"its fields end {end - pos:+} bytes from where its length says")
        sequence = increment_sequence(base_sequence, delta) if base_sequence >= 0 else NO_SEQUENCE
        if append_time:
            timestamp = max_timestamp
        out.append(Record(base_offset + delta, timestamp, key, value, headers, sequence))
    if pos != size:
        raise InvalidRecordError(-1, f"{size - pos} bytes are left after the last of {header.record_count} records")


def _read_headers(data: bytes, pos: int, end: int, index: int) -> tuple[list[Header], int]:
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
_NO_HEADERS = varint(0)


def encode_record(
    timestamp_delta: int,
    offset_delta: int,
    key: bytes | None,
    value: bytes | None,
    headers: Iterable[tuple[str | bytes, bytes | None]],
) -> bytes:
    """One record with its length in front."""
    parts = [b"\0", varint(timestamp_delta), varint(offset_delta)]
    if key is None:
        parts.append(_NULL)
    else:
        parts += (varint(len(key)), key)
    if value is None:
        parts.append(_NULL)
    else:
        parts += (varint(len(value)), value)
    parts.append(_encode_headers(headers) if headers else _NO_HEADERS)
    body = b"".join(parts)
    return varint(len(body)) + body


def _encode_headers(headers: Iterable[tuple[str | bytes, bytes | None]]) -> bytes:
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


def build_batch(
    records: Iterable[tuple[int, bytes | None, bytes | None, Iterable[tuple[str | bytes, bytes | None]]]],
    *,
    base_offset: int = 0,
    compression: int = 0,
    level: int | None = None,
    timestamp_type: int = 0,
    partition_leader_epoch: int = NO_PARTITION_LEADER_EPOCH,
    producer_id: int = NO_PRODUCER_ID,
    producer_epoch: int = NO_PRODUCER_EPOCH,
    base_sequence: int = NO_SEQUENCE,
    transactional: bool = False,
    control: bool = False,
) -> bytearray:
    """A whole batch of (timestamp in ms, key, value, headers), offsets following one another from `base_offset`.

    The first record's timestamp is the base timestamp, the largest is the maximum. ValueError without records.
    """
    encoded: list[bytes] = []
    base_timestamp = max_timestamp = NO_TIMESTAMP
    count = 0
    for timestamp, key, value, headers in records:
        if not count:
            base_timestamp = max_timestamp = timestamp
        elif timestamp > max_timestamp:
            max_timestamp = timestamp
        encoded.append(encode_record(timestamp - base_timestamp, count, key, value, headers))
        count += 1
    if not count:
        raise ValueError("a batch is built of one record at least")
    attributes = compression | timestamp_type << 3 | transactional << 4 | control << 5
    header = BatchHeader(
        base_offset=base_offset,
        batch_length=0,
        partition_leader_epoch=partition_leader_epoch,
        magic=2,
        crc=0,
        attributes=attributes,
        last_offset_delta=count - 1,
        base_timestamp=base_timestamp,
        max_timestamp=max_timestamp,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=base_sequence,
        record_count=count,
    )
    return seal_batch(header, b"".join(encoded), level=level)


def rebuild_batch(header: BatchHeader, records: Sequence[Record], *, level: int | None = None) -> bytearray:
    """A batch with `header`'s fields around `records`, which keep their offsets and timestamps (none is possible).

    For compaction: last_offset_delta, sequence and max timestamp stay as the header has them; length, record count and
    checksum are computed. ValueError when an offset lies outside of the batch.
    """
    encoded: list[bytes] = []
    for record in records:
        delta = record.offset - header.base_offset
        if not 0 <= delta <= _MAX_INT32:
            raise ValueError(f"offset {record.offset} is outside of a batch that starts at {header.base_offset}")
        timestamp_delta = _wrapped(record.timestamp - header.base_timestamp)
        encoded.append(encode_record(timestamp_delta, delta, record.key, record.value, record.headers))
    return seal_batch(header._replace(record_count=len(encoded)), b"".join(encoded), level=level)


def seal_batch(header: BatchHeader, data: bytes, *, level: int | None = None) -> bytearray:
    """`header` and the encoded records, compressed as its attributes say, with length and checksum computed."""
    # An empty batch has nothing to compress; Kafka keeps its codec bits and writes no bytes at all.
    if header.compression and header.record_count:
        from kwire.wire.compression import compress

        data = compress(header.compression, data, level=level)
    length = RECORD_BATCH_OVERHEAD - LOG_OVERHEAD + len(data)
    out = bytearray(HEADER.pack(*header._replace(batch_length=length, crc=0)))
    out += data
    rewrite_crc(out)
    return out
