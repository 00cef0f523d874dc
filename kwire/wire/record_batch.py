"""The 61-byte header of a magic 2 record batch, read and patched where it lies.

```
base_offset             int64   offset of the first record; the leader writes it
batch_length            int32   bytes after this field: 49 + the records
partition_leader_epoch  int32   the leader writes it; outside the checksum, as is everything before it
magic                   int8    2
crc                     uint32  CRC-32C of everything after this field
attributes              int16   bits 0-2 compression, 3 timestamp type, 4 transactional, 5 control, 6 delete horizon
last_offset_delta       int32   kept by compaction, so it may exceed record_count - 1
base_timestamp          int64   ms; with bit 6 it is the delete horizon (KIP-534)
max_timestamp           int64   ms; with bit 3 the append time, which then is the timestamp of every record
producer_id             int64   -1 for none
producer_epoch          int16
base_sequence           int32
record_count            int32
records                         `record_count` records, compressed together if attributes say so
```
Source: KIP-98, Kafka's `DefaultRecordBatch`. Nothing here looks at a record: a batch costs the header and its checksum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from struct import Struct

from kwire.named_tuple import NamedTuple
from kwire.wire.crc import crc32c
from kwire.wire.primitives import WireError

Buffer = bytes | bytearray | memoryview
WritableBuffer = bytearray | memoryview

HEADER = Struct(">qiibIhiqqqhii")
RECORD_BATCH_OVERHEAD = 61
LOG_OVERHEAD = 12
"""Bytes of base_offset and batch_length, which batch_length does not count."""

MAGIC_OFFSET = 16
CRC_OFFSET = 17
ATTRIBUTES_OFFSET = 21
MAX_TIMESTAMP_OFFSET = 35
PRODUCER_ID_OFFSET = 43

COMPRESSION_MASK = 0x07
TIMESTAMP_TYPE_MASK = 0x08
TRANSACTIONAL_MASK = 0x10
CONTROL_MASK = 0x20
DELETE_HORIZON_MASK = 0x40

CREATE_TIME = 0
LOG_APPEND_TIME = 1

NO_TIMESTAMP = -1
NO_PRODUCER_ID = -1
NO_PRODUCER_EPOCH = -1
NO_SEQUENCE = -1
NO_PARTITION_LEADER_EPOCH = -1

_MAX_INT32 = 0x7FFFFFFF
PLACE = Struct(">qii")
"""What comes before the checksum's range: base offset, length, leader epoch."""
_LENGTH = Struct(">i")
_OFFSET = Struct(">q")
CRC = Struct(">I")
_ATTRIBUTES = Struct(">h")
_PRODUCER = Struct(">qhi")


class CorruptRecordError(WireError):
    """A batch or message whose frame, magic byte or checksum is wrong (Kafka's CorruptRecordException)."""


class BatchHeader(NamedTuple):
    """The header's fields, in their order on the wire; timestamps in ms, lengths in bytes."""

    base_offset: int
    batch_length: int
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size(self) -> int:
        """Bytes of the whole batch, from its base offset to its last record."""
        return self.batch_length + LOG_OVERHEAD

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        return self.base_offset + self.last_offset_delta + 1

    @property
    def compression(self) -> int:
        """The codec's id, 0 to 7, of which 0 to 4 are defined (`kwire.wire.compression`)."""
        return self.attributes & COMPRESSION_MASK

    @property
    def timestamp_type(self) -> int:
        """CREATE_TIME (0) or LOG_APPEND_TIME (1)."""
        return LOG_APPEND_TIME if self.attributes & TIMESTAMP_TYPE_MASK else CREATE_TIME

    @property
    def is_transactional(self) -> bool:
        return self.attributes & TRANSACTIONAL_MASK != 0

    @property
    def is_control(self) -> bool:
        return self.attributes & CONTROL_MASK != 0

    @property
    def has_producer(self) -> bool:
        """Whether an idempotent or transactional producer wrote the batch."""
        return self.producer_id > NO_PRODUCER_ID

    @property
    def last_sequence(self) -> int:
        """Sequence of the last record, -1 for none; sequences wrap from 2^31 - 1 to 0."""
        if self.base_sequence == NO_SEQUENCE:
            return NO_SEQUENCE
        return increment_sequence(self.base_sequence, self.last_offset_delta)

    @property
    def delete_horizon_ms(self) -> int | None:
        """When compaction may drop the batch's tombstones or marker (KIP-534); None while it is not set."""
        return self.base_timestamp if self.attributes & DELETE_HORIZON_MASK else None


as_header: Callable[[tuple[int, ...]], BatchHeader] = partial(tuple.__new__, BatchHeader)
"""`BatchHeader._make` without its own Python frame, for the fields that HEADER unpacked."""


def increment_sequence(sequence: int, increment: int) -> int:
    """`sequence + increment` among 0..2^31 - 1, where 0 follows the largest."""
    return (sequence + increment) & _MAX_INT32


def read_header(buf: Buffer, pos: int = 0) -> BatchHeader:
    """The header at `pos`, unverified; CorruptRecordError when there are fewer than 61 bytes."""
    if len(buf) - pos < RECORD_BATCH_OVERHEAD:
        raise CorruptRecordError(f"a batch header takes 61 bytes, {max(len(buf) - pos, 0)} are left")
    return as_header(HEADER.unpack_from(buf, pos))


def verify(buf: Buffer, pos: int = 0) -> BatchHeader:
    """The header at `pos` of a batch that is whole, of magic 2, and matches its checksum.

    Raises CorruptRecordError otherwise. `buf` is not copied.
    """
    header = read_header(buf, pos)
    length = header.batch_length
    if length < RECORD_BATCH_OVERHEAD - LOG_OVERHEAD:
        raise CorruptRecordError(f"batch length {length} is smaller than a header's 49")
    if header.magic != 2:
        raise CorruptRecordError(f"magic {header.magic} is not 2")
    end = pos + LOG_OVERHEAD + length
    if end > len(buf):
        raise CorruptRecordError(f"batch of {length + LOG_OVERHEAD} bytes, but only {len(buf) - pos} are there")
    actual = crc32c(memoryview(buf)[pos + ATTRIBUTES_OFFSET : end])
    if actual != header.crc:
        raise CorruptRecordError(f"checksum is {actual:#010x}, the batch says {header.crc:#010x}")
    return header


def batches(buf: Buffer, pos: int = 0, end: int | None = None) -> Iterator[tuple[int, BatchHeader]]:
    """(position, header) of each whole magic 2 batch between `pos` and `end`.

    A partial batch at the tail ends the walk; checksums are not looked at. Raises CorruptRecordError at a length
    too small for a header, or another magic.
    """
    stop = len(buf) if end is None else min(end, len(buf))
    while stop - pos > MAGIC_OFFSET:
        (length,) = _LENGTH.unpack_from(buf, pos + 8)
        if length < RECORD_BATCH_OVERHEAD - LOG_OVERHEAD:
            raise CorruptRecordError(f"batch length {length} at position {pos} is smaller than a header's 49")
        if buf[pos + MAGIC_OFFSET] != 2:
            raise CorruptRecordError(f"magic {buf[pos + MAGIC_OFFSET]} at position {pos} is not 2")
        if length + LOG_OVERHEAD > stop - pos:
            return
        yield pos, as_header(HEADER.unpack_from(buf, pos))
        pos += length + LOG_OVERHEAD


def set_offset_and_epoch(buf: WritableBuffer, pos: int, base_offset: int, leader_epoch: int) -> None:
    """Write what the leader decides. Both lie before the checksum's range, so no checksum changes."""
    _OFFSET.pack_into(buf, pos, base_offset)
    _LENGTH.pack_into(buf, pos + 12, leader_epoch)


def set_base_offset(buf: WritableBuffer, pos: int, base_offset: int) -> None:
    """Write the base offset alone."""
    _OFFSET.pack_into(buf, pos, base_offset)


def set_max_timestamp(buf: WritableBuffer, pos: int, timestamp_type: int, max_timestamp: int) -> None:
    """Set timestamp type (0 or 1) and max timestamp (ms), and the checksum if either changes.

    A leader does this to every batch (Kafka's `LogValidator`): it trusts neither the client's bit nor its maximum.
    """
    (attributes,) = _ATTRIBUTES.unpack_from(buf, pos + ATTRIBUTES_OFFSET)
    wanted = attributes & ~TIMESTAMP_TYPE_MASK
    if timestamp_type == LOG_APPEND_TIME:
        wanted |= TIMESTAMP_TYPE_MASK
    (current,) = _OFFSET.unpack_from(buf, pos + MAX_TIMESTAMP_OFFSET)
    if wanted == attributes and current == max_timestamp:
        return
    _ATTRIBUTES.pack_into(buf, pos + ATTRIBUTES_OFFSET, wanted)
    _OFFSET.pack_into(buf, pos + MAX_TIMESTAMP_OFFSET, max_timestamp)
    rewrite_crc(buf, pos)


def set_log_append_time(buf: WritableBuffer, pos: int, ms: int) -> None:
    """Give every record of the batch the append time `ms`: attribute bit 3, max timestamp, checksum."""
    set_max_timestamp(buf, pos, LOG_APPEND_TIME, ms)


def set_producer(buf: WritableBuffer, pos: int, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
    """Write the producer's three fields and the checksum."""
    _PRODUCER.pack_into(buf, pos + PRODUCER_ID_OFFSET, producer_id, producer_epoch, base_sequence)
    rewrite_crc(buf, pos)


def rewrite_crc(buf: WritableBuffer, pos: int = 0) -> None:
    """Compute the checksum of the batch at `pos` anew and write it."""
    (length,) = _LENGTH.unpack_from(buf, pos + 8)
    value = crc32c(memoryview(buf)[pos + ATTRIBUTES_OFFSET : pos + LOG_OVERHEAD + length])
    CRC.pack_into(buf, pos + CRC_OFFSET, value)
