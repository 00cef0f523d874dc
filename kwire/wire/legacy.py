"""Message sets of magic 0 and 1, which clients before Kafka 0.11 write and read (Produce 0-2, Fetch 0-3).

```
offset      int64
size        int32    bytes after this field: 14 or 22 at least
crc         uint32   CRC-32 of everything after this field
magic       int8     0 or 1
attributes  int8     bits 0-2 compression; magic 1: bit 3 timestamp type
timestamp   int64    magic 1 only, ms
key         int32 length (-1: null), bytes
value       int32 length (-1: null), bytes
```
A compressed set is one message, the wrapper, whose value is a message set under compression, and whose offset is that
of the last message inside. Under magic 0 the inner offsets are absolute; under magic 1 they count from the first one
(KIP-31), and a wrapper offset of 0 tells that a librdkafka producer never set it. Under a wrapper with LogAppendTime
every inner message has the wrapper's timestamp (KIP-32). Sources: Kafka's `LegacyRecord`, `AbstractLegacyRecordBatch`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from struct import Struct
from typing import NamedTuple

from kwire.wire.compression import NONE, ZSTD, compress, decompressed_pieces
from kwire.wire.crc import crc32, crc32c
from kwire.wire.record_batch import (
    ATTRIBUTES_OFFSET,
    COMPRESSION_MASK,
    CREATE_TIME,
    LOG_APPEND_TIME,
    LOG_OVERHEAD,
    MAGIC_OFFSET,
    NO_SEQUENCE,
    NO_TIMESTAMP,
    TIMESTAMP_TYPE_MASK,
    BatchHeader,
    Buffer,
    CorruptRecordError,
)
from kwire.wire.records import MAX_DECOMPRESSED_BYTES, InvalidRecordError, Record

MIN_MESSAGE_SIZE = 14
"""Bytes after the size field of an empty magic 0 message; nothing in a log is smaller, whatever its magic."""

_PIECE_BYTES = 1 << 18
_MIN_SIZES = (MIN_MESSAGE_SIZE, 22)
_FRAME = Struct(">qi")
_HEAD = Struct(">qiIbb")
_CHECKED = Struct(">bb")
_CHECKED_WITH_TIME = Struct(">bbq")
_CRC = Struct(">I")
_INT32 = Struct(">i")
_INT64 = Struct(">q")


class MessageBatch(NamedTuple):
    """One outer message, with its records: itself alone, or those inside when it is a wrapper."""

    position: int
    size: int
    """Bytes in all, the offset and size fields included."""
    magic: int
    crc: int
    attributes: int
    last_offset: int
    max_timestamp: int
    """The outer message's own timestamp, -1 under magic 0."""
    records: list[Record]
    record_crcs: list[int]
    """The checksum of each record's own message."""

    @property
    def compression(self) -> int:
        return self.attributes & COMPRESSION_MASK

    @property
    def timestamp_type(self) -> int:
        """CREATE_TIME or LOG_APPEND_TIME; -1 under magic 0, which has no timestamps."""
        if self.magic == 0:
            return -1
        return LOG_APPEND_TIME if self.attributes & TIMESTAMP_TYPE_MASK else CREATE_TIME


class _Message(NamedTuple):
    offset: int
    size: int
    crc: int
    magic: int
    attributes: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def frames(buf: Buffer, pos: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int]]:
    """(position, size, magic) of each whole batch or message of any magic; a partial one at the tail ends the walk.

    `size` counts every byte. Raises CorruptRecordError for an impossible size or a magic other than 0, 1 and 2.
    """
    stop = len(buf) if end is None else min(end, len(buf))
    while stop - pos >= LOG_OVERHEAD:
        (length,) = _INT32.unpack_from(buf, pos + 8)
        if length < MIN_MESSAGE_SIZE:
            raise CorruptRecordError(f"size {length} at position {pos} is smaller than any message")
        if stop - pos <= MAGIC_OFFSET:
            return
        magic = buf[pos + MAGIC_OFFSET]
        if magic > 2:
            raise CorruptRecordError(f"magic {magic} at position {pos} is none of 0, 1 and 2")
        if stop - pos < length + LOG_OVERHEAD:
            return
        yield pos, length + LOG_OVERHEAD, magic
        pos += length + LOG_OVERHEAD


def outer_header(buf: Buffer, pos: int = 0) -> BatchHeader | None:
    """What the outer message at `pos` tells, as the header of a batch; None when its first 18 bytes (26 under magic 1)
    are not all there.

    A log that an older Kafka began holds such messages. They have no epoch and no producer; under compression only the
    last offset is known without opening it, so base and last offset are both that, and the record count is 1. Raises
    CorruptRecordError for a size or magic that no message has.
    """
    if len(buf) - pos < _HEAD.size:
        return None
    offset, size, crc, magic, attributes = _HEAD.unpack_from(buf, pos)
    if magic not in (0, 1) or size < _MIN_SIZES[magic]:
        raise CorruptRecordError(f"no message of magic 0 or 1 at {pos}: magic {magic}, size {size}")
    timestamp = NO_TIMESTAMP
    if magic == 1:
        if len(buf) - pos < _HEAD.size + 8:
            return None
        (timestamp,) = _INT64.unpack_from(buf, pos + _HEAD.size)
    return BatchHeader(offset, size, -1, magic, crc, attributes, 0, timestamp, timestamp, -1, -1, -1, 1)


def is_sound(batch: Buffer, header: BatchHeader) -> bool:
    """Whether a whole batch or message of any magic matches its checksum."""
    view = memoryview(batch)
    if header.magic == 2:
        return crc32c(view[ATTRIBUTES_OFFSET : header.size]) == header.crc
    return crc32(view[MAGIC_OFFSET : header.size]) == header.crc


def message_batches(
    buf: Buffer, pos: int = 0, end: int | None = None, *, max_decompressed: int = MAX_DECOMPRESSED_BYTES
) -> Iterator[MessageBatch]:
    """Each outer message of the set with its records; a partial one at the tail ends the walk.

    `max_decompressed` bounds what all wrappers of the set decompress to together.

    Raises CorruptRecordError (size, magic 2 or unknown, checksum, lengths inside), InvalidRecordError (a wrapper that
    is empty, null, nested or of zstd; a wrapper offset before its last record) and CompressionError.
    """
    left = max_decompressed
    for at, size, magic in frames(buf, pos, end):
        if magic == 2:
            raise CorruptRecordError(f"a batch of magic 2 at position {at} of a message set")
        message = _read_message(buf, at)
        if message.attributes & COMPRESSION_MASK:
            data = b"".join(_decompressed(message, left))
            left -= len(data)
            records, crcs = _unwrap(message, data)
        else:
            records, crcs = [_record(message, message.offset, None)], [message.crc]
        yield MessageBatch(
            at, size, magic, message.crc, message.attributes, message.offset, message.timestamp, records, crcs
        )


def read_message_set(
    buf: Buffer, pos: int = 0, end: int | None = None, *, max_decompressed: int = MAX_DECOMPRESSED_BYTES
) -> list[Record]:
    """The records of a message set of magic 0 and 1, wrappers opened; errors as `message_batches`."""
    return [
        record
        for batch in message_batches(buf, pos, end, max_decompressed=max_decompressed)
        for record in batch.records
    ]


def _read_message(buf: Buffer, pos: int) -> _Message:
    """The message at `pos`, which is known to be whole, its checksum verified."""
    offset, size, crc, magic, attributes = _HEAD.unpack_from(buf, pos)
    stop = pos + LOG_OVERHEAD + size
    if size < _MIN_SIZES[magic]:
        raise CorruptRecordError(f"size {size} at position {pos} is smaller than a message of magic {magic}")
    actual = crc32(memoryview(buf)[pos + MAGIC_OFFSET : stop])
    if actual != crc:
        raise CorruptRecordError(f"checksum is {actual:#010x}, the message says {crc:#010x}")
    timestamp = NO_TIMESTAMP
    at = pos + 18
    if magic == 1:
        (timestamp,) = _INT64.unpack_from(buf, at)
        at += 8
    key, at = _read_bytes(buf, at, stop)
    value, at = _read_bytes(buf, at, stop)
    return _Message(offset, size, crc, magic, attributes, timestamp, key, value)


def _read_bytes(buf: Buffer, pos: int, stop: int) -> tuple[bytes | None, int]:
    if stop - pos < 4:
        raise CorruptRecordError(f"a length is cut at position {pos}")
    (length,) = _INT32.unpack_from(buf, pos)
    pos += 4
    if length < 0:
        return None, pos
    if length > stop - pos:
        raise CorruptRecordError(f"a key or value of {length} bytes with {stop - pos} left")
    return bytes(buf[pos : pos + length]), pos + length


def _record(message: _Message, offset: int, wrapper: _Message | None) -> Record:
    timestamp = message.timestamp
    if wrapper is not None and message.magic == 1 and wrapper.magic == 1 and wrapper.attributes & TIMESTAMP_TYPE_MASK:
        timestamp = wrapper.timestamp
    return Record(offset, timestamp, message.key, message.value, (), NO_SEQUENCE)


def _decompressed(wrapper: _Message, max_size: int, piece_bytes: int | None = None) -> Iterator[bytes]:
    codec = wrapper.attributes & COMPRESSION_MASK
    if codec == ZSTD:
        raise InvalidRecordError(-1, f"zstd does not exist under magic {wrapper.magic}")
    if wrapper.value is None:
        raise InvalidRecordError(-1, "a compressed message set is null")
    return decompressed_pieces(codec, wrapper.value, max_size=max_size, magic=wrapper.magic, piece_bytes=piece_bytes)


def _inner_messages(pieces: Iterable[bytes]) -> Iterator[_Message]:
    """The messages inside of a wrapper, as its value is decompressed."""
    count = 0
    left = bytearray()
    for piece in pieces:
        left += piece if left else b""
        window: Buffer = left or piece
        used = 0
        for pos, size, magic in frames(window):
            if magic == 2:
                raise InvalidRecordError(count, "a batch of magic 2 inside of a message set")
            message = _read_message(window, pos)
            if message.attributes & COMPRESSION_MASK:
                raise InvalidRecordError(count, "a compressed message inside of a compressed one")
            yield message
            count += 1
            used = pos + size
        if left:
            del left[:used]
        else:
            left += piece[used:]
    if not count:
        raise InvalidRecordError(-1, "a compressed message set is empty")


def _base_offset(wrapper: _Message, last_inner: int) -> int:
    """What the inner offsets count from."""
    if wrapper.magic == 0 or wrapper.offset == 0:
        return 0
    if wrapper.offset < last_inner:
        raise InvalidRecordError(-1, f"wrapper offset {wrapper.offset} is before the last inner {last_inner}")
    return wrapper.offset - last_inner


def _unwrap(wrapper: _Message, data: bytes) -> tuple[list[Record], list[int]]:
    """The records inside, with the offsets and timestamps that they have in the log, and their checksums."""
    inner = list(_inner_messages((data,)))
    base = _base_offset(wrapper, inner[-1].offset)
    return [_record(message, base + message.offset, wrapper) for message in inner], [message.crc for message in inner]


def wrapped_records(buf: Buffer, pos: int, *, max_decompressed: int = MAX_DECOMPRESSED_BYTES) -> Iterator[Record]:
    """The records of the compressed message at `pos`, one by one, however many there are; errors as `message_batches`.

    It is decompressed twice under magic 1, whose offsets are known only when the last one is, and never held whole.
    """
    wrapper = _read_message(buf, pos)

    def inner() -> Iterator[_Message]:
        return _inner_messages(_decompressed(wrapper, max_decompressed, _PIECE_BYTES))

    last = -1
    for message in inner():
        last = message.offset
        if not wrapper.magic:
            break
    base = _base_offset(wrapper, last)
    for message in inner():
        yield _record(message, base + message.offset, wrapper)


def encode_message(
    offset: int,
    timestamp: int,
    key: bytes | None,
    value: bytes | None,
    *,
    magic: int,
    compression: int = NONE,
    timestamp_type: int = CREATE_TIME,
) -> bytes:
    """One message with its checksum; `compression` only sets the bits, the value is taken as it is."""
    if magic == 0:
        checked = _CHECKED.pack(0, compression)
    else:
        checked = _CHECKED_WITH_TIME.pack(1, compression | timestamp_type << 3, timestamp)
    for part in (key, value):
        checked += _INT32.pack(-1) if part is None else _INT32.pack(len(part)) + part
    return _FRAME.pack(offset, len(checked) + 4) + _CRC.pack(crc32(checked)) + checked


def build_message_set(
    records: Sequence[Record],
    *,
    magic: int,
    compression: int = NONE,
    level: int | None = None,
    timestamp_type: int = CREATE_TIME,
) -> bytes:
    """The records as messages of magic 0 or 1, under one wrapper when compressed; headers and sequences are lost.

    Offsets are kept, gaps included. Under LogAppendTime every record has the append time already. The wrapper's
    timestamp is the largest inside. ValueError for zstd, which these formats do not know, and for no records.
    """
    if magic not in (0, 1) or compression == ZSTD or not records:
        raise ValueError("a message set has magic 0 or 1, one record at least, and never zstd")
    wrapped = compression != NONE
    base = records[0].offset if wrapped and magic == 1 else 0
    messages = b"".join(
        encode_message(
            record.offset - base, record.timestamp, record.key, record.value, magic=magic, timestamp_type=timestamp_type
        )
        for record in records
    )
    if not wrapped:
        return messages
    return encode_message(
        records[-1].offset,
        max(record.timestamp for record in records),
        None,
        compress(compression, messages, level=level, magic=magic),
        magic=magic,
        compression=compression,
        timestamp_type=timestamp_type,
    )
