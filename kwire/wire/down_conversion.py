"""Record batches as the message sets that consumers of Fetch 0-3 know, piece by piece.

A piece is what one slice of records becomes, a quarter of a megabyte or one message, or several batches that make up
half as much: whoever sends pieces holds one at a time, however large a batch decompresses, and others get their turn
between two. Small batches sent one by one would cost more than their conversion. An empty piece says that the work is
not done yet, and a `Pace` whether what comes next is for a thread: a batch that decompresses to much is opened and
converted window by window there, and never held whole. Source: Kafka's `RecordsUtil.downConvert`, which makes one
wrapper of one compressed batch; here a batch that decompresses to more than a piece becomes several, which no consumer
can tell from several batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kwire.errors import ErrorCode, KafkaError
from kwire.wire.compression import ZSTD, TooLargeError, compress
from kwire.wire.legacy import build_message_set, encode_message, frames, message_batches, wrapped_records
from kwire.wire.length_chain import skip_records
from kwire.wire.message_form import MessageForm
from kwire.wire.message_writer import write_messages
from kwire.wire.primitives import WireError
from kwire.wire.record_batch import (
    COMPRESSION_MASK,
    CONTROL_MASK,
    CREATE_TIME,
    LOG_APPEND_TIME,
    LOG_OVERHEAD,
    MAGIC_OFFSET,
    NO_TIMESTAMP,
    RECORD_BATCH_OVERHEAD,
    BatchHeader,
    Buffer,
    read_header,
)
from kwire.wire.record_codec import InvalidRecordError, long_varint
from kwire.wire.record_stream import record_windows
from kwire.wire.records import MAX_DECOMPRESSED_BYTES, Record, data_for_count

PIECE_BYTES = 256 * 1024
"""What the messages of one piece come to, before compression; a single larger message is a piece all the same."""

_MESSAGE_OVERHEAD = 34
_HEADER_BYTES = RECORD_BATCH_OVERHEAD - LOG_OVERHEAD
_ATTRIBUTES_OFFSET = MAGIC_OFFSET + 1
_BYTES_AT_ONCE = 1 << 20


class Pace:
    """What a conversion tells whoever takes its pieces."""

    __slots__ = ("is_heavy",)

    def __init__(self) -> None:
        self.is_heavy = False
        """Whether making the next piece would hold the event loop too long."""


def down_converted(
    buf: Buffer,
    *,
    to_magic: int,
    first_offset: int,
    max_decompressed: int = MAX_DECOMPRESSED_BYTES,
    pace: Pace | None = None,
) -> Iterator[bytes]:
    """The whole batches of `buf`, of any magic, as pieces of message sets of `to_magic` 0 or 1 at most.

    Control batches are left out. So are, of uncompressed batches, the records before `first_offset`, because librdkafka
    counts on it (KAFKA-4520), and of compressed ones the pieces before it. Raises
    KafkaError(UNSUPPORTED_COMPRESSION_TYPE) at a zstd batch, and what reading raises.
    """
    pace = pace or Pace()
    gathered: list[bytes | memoryview] = []
    weight, limit = 0, 1  # The first piece stands alone: the size of an answer depends on it.
    try:
        for pos, size, magic in frames(buf):
            header = read_header(buf, pos) if magic == 2 else None
            if header is not None and _is_small(header):
                made: Iterable[tuple[bytes, int]] = (
                    (b"", _add_small(buf, pos, header, to_magic, first_offset, gathered)),
                )
            else:
                made = _pieces(buf, pos, size, magic, to_magic, first_offset, max_decompressed, pace)
            for piece, piece_weight in made:
                gathered.append(piece)
                weight += piece_weight
                if weight >= limit or pace.is_heavy:
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


def _is_small(header: BatchHeader) -> bool:
    """Whether the batch is one piece that needs no reader of its own: uncompressed, and of a sane count and length."""
    length, count = header.batch_length, header.record_count
    return (
        not header.attributes & (COMPRESSION_MASK | CONTROL_MASK)
        and 0 < count <= length - _HEADER_BYTES
        and length + _MESSAGE_OVERHEAD * count <= PIECE_BYTES
    )


def _add_small(
    buf: Buffer, pos: int, header: BatchHeader, to_magic: int, first_offset: int, out: list[bytes | memoryview]
) -> int:
    """Append the messages of a small batch to `out`, where they need not be put together before those of its
    neighbours; how many bytes of records they took. At an error `out` is as it was.
    """
    data = bytes(buf[pos + RECORD_BATCH_OVERHEAD : pos + LOG_OVERHEAD + header.batch_length])
    mark = len(out)
    error: Exception
    try:
        if write_messages(data, 0, 0, header.record_count, _form_of(header, to_magic, first_offset), out) == len(data):
            return len(data)
        error = InvalidRecordError(-1, f"{header.record_count} records do not fill {len(data)} bytes")
    except (IndexError, OverflowError) as short:
        error = InvalidRecordError(-1, f"a record ends too early ({short})")
    except InvalidRecordError as wrong:
        error = wrong
    del out[mark:]
    raise error


def _pieces(
    buf: Buffer, pos: int, size: int, magic: int, to_magic: int, first_offset: int, max_decompressed: int, pace: Pace
) -> Iterator[tuple[bytes, int]]:
    """What one frame becomes: pieces, and how many bytes of records each one took to make."""
    if magic <= to_magic:
        yield bytes(buf[pos : pos + size]), size
    elif magic == 2:
        header = read_header(buf, pos)
        if header.is_control:
            return
        if header.compression == ZSTD:
            raise KafkaError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"zstd does not exist under magic {to_magic}")
        form = _form_of(header, to_magic, header.base_offset if header.compression else first_offset)
        try:
            data = data_for_count(
                buf, pos, header, min(_BYTES_AT_ONCE, max_decompressed) if header.compression else max_decompressed
            )
        except TooLargeError:
            pace.is_heavy = True
            yield b"", 0
            yield from _from_large(buf, pos, header, form, first_offset, max_decompressed)
            pace.is_heavy = False
        else:
            yield from _from_v2(data, header, form, first_offset)
    else:
        yield from _from_messages(buf, pos, size, to_magic, first_offset, max_decompressed, pace)


def _from_messages(
    buf: Buffer, pos: int, size: int, to_magic: int, first_offset: int, max_decompressed: int, pace: Pace
) -> Iterator[tuple[bytes, int]]:
    try:
        batches = list(message_batches(buf, pos, pos + size, max_decompressed=min(_BYTES_AT_ONCE, max_decompressed)))
    except TooLargeError:
        pace.is_heavy = True
        yield b"", 0
        codec = buf[pos + _ATTRIBUTES_OFFSET] & COMPRESSION_MASK
        for records, weight in _portions(wrapped_records(buf, pos, max_decompressed=max_decompressed)):
            yield build_message_set(records, magic=to_magic, compression=codec), weight
        pace.is_heavy = False
        return
    for batch in batches:
        records = batch.records
        if not batch.compression:
            records = [record for record in records if record.offset >= first_offset]
        if records:
            yield build_message_set(records, magic=to_magic, compression=batch.compression), _weight(records)


def _weight(records: Sequence[Record]) -> int:
    return sum(_MESSAGE_OVERHEAD + len(record.key or b"") + len(record.value or b"") for record in records)


def _portions(records: Iterator[Record]) -> Iterator[tuple[list[Record], int]]:
    """Records by the piece, and how many bytes they come to."""
    portion: list[Record] = []
    weight = 0
    for record in records:
        portion.append(record)
        weight += _weight((record,))
        if weight >= PIECE_BYTES:
            yield portion, weight
            portion, weight = [], 0
    if portion:
        yield portion, weight


def _from_v2(data: bytes, header: BatchHeader, form: MessageForm, first_offset: int) -> Iterator[tuple[bytes, int]]:
    """Of all records of a batch."""
    count = header.record_count
    at = index = 0
    step = max(1, PIECE_BYTES * count // (len(data) + _MESSAGE_OVERHEAD * count)) if count else 1
    while index < count:
        stop = min(index + step, count)
        at, piece = _piece(data, at, index, stop, form, header, first_offset)
        yield piece, (stop - index) * len(data) // count
        index = stop
    if at != len(data):
        raise InvalidRecordError(-1, f"{len(data) - at} bytes are left after the last of {count} records")


def _from_large(
    buf: Buffer, pos: int, header: BatchHeader, form: MessageForm, first_offset: int, max_decompressed: int
) -> Iterator[tuple[bytes, int]]:
    index = 0
    windows = record_windows(buf, pos, header, window_bytes=PIECE_BYTES, max_decompressed=max_decompressed)
    for data, count in windows:
        _, piece = _piece(data, 0, index, index + count, form, header, first_offset)
        yield piece, len(data)
        index += count


def _piece(
    data: bytes, at: int, index: int, stop: int, form: MessageForm, header: BatchHeader, first_offset: int
) -> tuple[int, bytes]:
    """(position behind them, message set) of the records `index` to `stop`, the first of which lies at `at`."""
    is_dense = header.last_offset_delta == header.record_count - 1
    try:
        if is_dense and stop < header.record_count and header.base_offset + stop <= first_offset:
            return skip_records(data, at, stop - index), b""
        if header.compression:
            return _wrapper(data, at, index, stop, form, header)
        messages: list[bytes | memoryview] = []
        at = write_messages(data, at, index, stop, form, messages)
        return at, b"".join(messages)
    except (IndexError, OverflowError) as error:
        raise InvalidRecordError(-1, f"a record ends too early ({error})") from None


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
