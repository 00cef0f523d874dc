"""Record batches as the message sets that consumers of Fetch 0-3 know, piece by piece.

A piece is what one slice of records becomes, a quarter of a megabyte or one message, or several batches that make up
half as much: whoever sends pieces holds one at a time, however large a batch decompresses, and others get their turn
between two. Small batches sent one by one would cost more than their conversion. An empty piece says that the work is
not done yet. Source: Kafka's `RecordsUtil.downConvert`, which makes one wrapper of one compressed batch; here a batch
that decompresses to more than a piece becomes several, which no consumer can tell from several batches.
"""

from __future__ import annotations

from collections.abc import Iterator

from kwire.errors import ErrorCode, KafkaError
from kwire.wire.compression import ZSTD, compress
from kwire.wire.legacy import build_message_set, encode_message, frames, message_batches
from kwire.wire.length_chain import skip_records
from kwire.wire.message_writer import MessageForm, write_messages
from kwire.wire.primitives import WireError
from kwire.wire.record_batch import CREATE_TIME, LOG_APPEND_TIME, NO_TIMESTAMP, BatchHeader, Buffer, read_header
from kwire.wire.record_codec import InvalidRecordError, long_varint
from kwire.wire.records import MAX_DECOMPRESSED_BYTES, data_for_count

PIECE_BYTES = 256 * 1024
"""What the messages of one piece come to, before compression; a single larger message is a piece all the same."""

_MESSAGE_OVERHEAD = 34


def down_converted(
    buf: Buffer, *, to_magic: int, first_offset: int, max_decompressed: int = MAX_DECOMPRESSED_BYTES
) -> Iterator[bytes]:
    """The whole batches of `buf`, of any magic, as pieces of message sets of `to_magic` 0 or 1 at most.

    Control batches are left out. So are, of uncompressed batches, the records before `first_offset`, because librdkafka
    counts on it (KAFKA-4520), and of compressed ones the pieces before it. Raises
    KafkaError(UNSUPPORTED_COMPRESSION_TYPE) at a zstd batch, and what reading raises.
    """
    gathered: list[bytes] = []
    weight = limit = 0  # The first piece stands alone: the size of an answer depends on it.
    try:
        for pos, size, magic in frames(buf):
            for piece, piece_weight in _pieces(buf, pos, size, magic, to_magic, first_offset, max_decompressed):
                gathered.append(piece)
                weight += piece_weight
                if weight >= limit:
                    yield b"".join(gathered)
                    gathered.clear()
                    weight, limit = 0, PIECE_BYTES // 2
    except (KafkaError, WireError):
        # What came before an error reaches the consumer all the same.
        if gathered:
            yield b"".join(gathered)
        raise
    if gathered:
        yield b"".join(gathered)


def _pieces(
    buf: Buffer, pos: int, size: int, magic: int, to_magic: int, first_offset: int, max_decompressed: int
) -> Iterator[tuple[bytes, int]]:
    """What one frame becomes: pieces, and how many bytes of records each one took to make."""
    if magic <= to_magic:
        yield bytes(buf[pos : pos + size]), size
    elif magic == 2:
        yield from _from_v2(buf, pos, to_magic, first_offset, max_decompressed)
    else:
        for batch in message_batches(buf, pos, pos + size, max_decompressed=max_decompressed):
            records = batch.records
            if not batch.compression:
                records = [record for record in records if record.offset >= first_offset]
            if records:
                weight = sum(
                    _MESSAGE_OVERHEAD + len(record.key or b"") + len(record.value or b"") for record in records
                )
                yield build_message_set(records, magic=to_magic, compression=batch.compression), weight


def _from_v2(
    buf: Buffer, pos: int, to_magic: int, first_offset: int, max_decompressed: int
) -> Iterator[tuple[bytes, int]]:
    header = read_header(buf, pos)
    if header.is_control:
        return
    codec = header.compression
    if codec == ZSTD:
        raise KafkaError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"zstd does not exist under magic {to_magic}")
    data = data_for_count(buf, pos, header, max_decompressed)
    count = header.record_count
    is_dense = header.last_offset_delta == count - 1
    form = _form_of(header, to_magic, header.base_offset if codec else first_offset)
    at = index = 0
    step = max(1, PIECE_BYTES * count // (len(data) + _MESSAGE_OVERHEAD * count)) if count else 1
    try:
        while index < count:
            stop = min(index + step, count)
            if is_dense and stop < count and header.base_offset + stop <= first_offset:
                at = skip_records(data, at, stop - index)
                piece = b""
            elif codec:
                at, piece = _wrapper(data, at, index, stop, form, header)
            else:
                messages: list[bytes | memoryview] = []
                at = write_messages(data, at, index, stop, form, messages)
                piece = b"".join(messages)
            yield piece, (stop - index) * len(data) // count
            index = stop
    except (IndexError, OverflowError) as error:
        raise InvalidRecordError(-1, f"a record ends too early ({error})") from None
    if at != len(data):
        raise InvalidRecordError(-1, f"{len(data) - at} bytes are left after the last of {count} records")


def _form_of(header: BatchHeader, magic: int, first_offset: int) -> MessageForm:
    append_time = header.max_timestamp if header.timestamp_type == LOG_APPEND_TIME else None
    return MessageForm(
        magic,
        0 if magic == 0 or append_time is None else LOG_APPEND_TIME << 3,
        base_offset=header.base_offset,
        base_timestamp=header.base_timestamp,
        append_time=append_time,
        first_offset=first_offset,
    )


def _wrapper(data: bytes, pos: int, index: int, stop: int, form: MessageForm, header: BatchHeader) -> tuple[int, bytes]:
    """(position after them, one compressed message of the records `index` to `stop`)."""
    first = header.base_offset + _offset_delta(data, pos)
    form.offset_shift = first if form.magic else 0
    form.max_timestamp = NO_TIMESTAMP
    messages: list[bytes | memoryview] = []
    end = write_messages(data, pos, index, stop, form, messages)
    wrapper = encode_message(
        form.last_offset,
        form.max_timestamp,
        None,
        compress(header.compression, b"".join(messages), magic=form.magic),
        magic=form.magic,
        compression=header.compression,
        timestamp_type=LOG_APPEND_TIME if form.attributes else CREATE_TIME,
    )
    return end, wrapper


def _offset_delta(data: bytes, pos: int) -> int:
    """The offset delta of the record at `pos`."""
    _, at = long_varint(data, pos, 5)
    _, at = long_varint(data, at + 1, 10)
    n, _ = long_varint(data, at, 5)
    return (n >> 1) ^ -(n & 1)
