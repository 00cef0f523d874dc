"""The loop that writes the records of one magic 2 batch as messages of magic 0 or 1, making no record on the way.

Fields are read as `record_codec.parse` reads them and written as `legacy.encode_message` writes them; headers are
passed over, because the old formats have none. Where neighbours have the same shape (`record_runs`) positions are known
without reading, and the work per message is left to `map`: a third of the time.
"""

from __future__ import annotations

from itertools import repeat
from struct import Struct

from kwire.wire.crc import crc32
from kwire.wire.record_batch import NO_TIMESTAMP
from kwire.wire.record_codec import MAX_INT64, InvalidRecordError, long_varint, wrapped
from kwire.wire.record_runs import Run, walk_run

_HEAD = Struct(">qiI")
_BODY_0 = Struct(">bbi")
_BODY_1 = Struct(">bbqi")
_INT32 = Struct(">i")
_NULL = _INT32.pack(-1)
_MAX_STEPS = 256


class MessageForm:
    """How the messages are to look, and what the batch says of all its records."""

    __slots__ = (
        "append_time",
        "attributes",
        "base_offset",
        "base_timestamp",
        "first_offset",
        "last_offset",
        "magic",
        "max_timestamp",
        "offset_shift",
    )

    def __init__(
        self,
        magic: int,
        attributes: int,
        *,
        base_offset: int,
        base_timestamp: int,
        append_time: int | None,
        first_offset: int,
    ) -> None:
        """`append_time` (ms) is every message's timestamp if given. Records before `first_offset` are left out."""
        self.magic = magic
        self.attributes = attributes
        self.base_offset = base_offset
        self.base_timestamp = base_timestamp
        self.append_time = append_time
        self.first_offset = first_offset
        self.offset_shift = 0
        """What is taken from each offset: inside of a wrapper of magic 1 they count from its first record."""
        self.last_offset = -1
        self.max_timestamp = NO_TIMESTAMP
        """Of what was written last, for the wrapper around it; the caller sets it back."""


def write_messages(data: bytes, pos: int, index: int, stop: int, form: MessageForm, out: list[bytes]) -> int:
    """Append the messages of records `index` to `stop`, of which the first lies at `pos`; the position after the last.

    The pieces in `out` make up whole messages. IndexError, OverflowError or InvalidRecordError where anything is wrong.
    """
    steps = 2
    while index < stop:
        run = walk_run(data, pos, index, stop)
        if run is not None:
            _write_run(data, pos, index, run, form, out)
            pos = run.end
            index += run.count
            steps = 2
        else:
            # Where records differ in size, runs are looked for ever more seldom.
            until = min(index + steps, stop)
            pos = _write_each(data, pos, index, until, form, out)
            index = until
            steps = min(steps * 2, _MAX_STEPS)
    return pos


def _write_each(data: bytes, pos: int, start: int, stop: int, form: MessageForm, out: list[bytes]) -> int:
    append, pack_head, pack_size = out.append, _HEAD.pack, _INT32.pack
    body_start = _BODY_1.pack if form.magic else _body_start_0
    attributes, append_time = form.attributes, form.append_time
    base_offset, base_timestamp = form.base_offset, form.base_timestamp
    first_offset, shift = form.first_offset, form.offset_shift
    largest, offset = form.max_timestamp, form.last_offset
    for index in range(start, stop):
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
            n, pos = long_varint(data, pos - 1, 10)
        timestamp = base_timestamp + ((n >> 1) ^ -(n & 1)) if append_time is None else append_time
        if not -MAX_INT64 <= timestamp <= MAX_INT64:
            timestamp = wrapped(timestamp)
        if timestamp > largest:
            largest = timestamp
        n = data[pos]
        pos += 1
        if n > 127:
            n += data[pos] - 1 << 7
            pos += 1
            if n > 16383:
                n, pos = long_varint(data, pos - 2, 5)
        offset = base_offset + ((n >> 1) ^ -(n & 1))
        n = data[pos]
        pos += 1
        if n > 127:
            n, pos = long_varint(data, pos - 1, 5)
        body = body_start(1, attributes, timestamp, -1 if n & 1 else n >> 1)
        if not n & 1:
            body += data[pos : (pos := pos + (n >> 1))]
        n = data[pos]
        pos += 1
        if n > 127:
            n += data[pos] - 1 << 7
            pos += 1
            if n > 16383:
                n, pos = long_varint(data, pos - 2, 5)
        body += _NULL if n & 1 else pack_size(n >> 1) + data[pos : (pos := pos + (n >> 1))]
        if pos >= end:  # One byte at least is left, for the number of headers.
            raise InvalidRecordError(index, f"its fields end {pos - end:+} bytes from where its length says")
        if offset >= first_offset:
            append(pack_head(offset - shift, len(body) + 4, crc32(body)) + body)
        pos = end
    form.max_timestamp, form.last_offset = largest, offset
    return pos


def _body_start_0(_: int, attributes: int, timestamp: int, key_size: int) -> bytes:
    return _BODY_0.pack(0, attributes, key_size)


def _write_run(data: bytes, pos: int, index: int, run: Run, form: MessageForm, out: list[bytes]) -> None:
    stride = (run.end - pos) // run.count
    _, at = long_varint(data, pos, 5)
    _, offset_at = long_varint(data, time_at := at + 1, 10)
    _, key_at = long_varint(data, offset_at, 5)
    keys, key_size, value_at = _column(data, key_at, stride, run.count)
    values, value_size, _ = _column(data, value_at, stride, run.count)
    shape = f"i{max(key_size, 0)}si{max(value_size, 0)}s"
    fields = repeat(key_size), keys, repeat(value_size), values
    if form.magic:
        timestamps = _timestamps(data, time_at, offset_at - time_at, stride, run.count, form)
        body_of = Struct(">bb" + "q" + shape)
        form.max_timestamp = max(form.max_timestamp, *timestamps)
        bodies = list(map(body_of.pack, repeat(1), repeat(form.attributes), timestamps, *fields))
    else:
        body_of = Struct(">bb" + shape)
        bodies = list(map(body_of.pack, repeat(0, run.count), repeat(form.attributes), *fields))
    first = form.base_offset + index
    form.last_offset = first + run.count - 1
    skipped = min(max(form.first_offset - first, 0), run.count)
    if skipped:
        del bodies[:skipped]
    message = Struct(f">qiI{body_of.size}s")
    begin = first + skipped - form.offset_shift
    offsets = range(begin, begin + len(bodies))
    out.extend(map(message.pack, offsets, repeat(body_of.size + 4), map(crc32, bodies), bodies))


def _column(data: bytes, pos: int, stride: int, rows: int) -> tuple[list[bytes] | repeat[bytes], int, int]:
    """(each row's bytes, how many they are or -1 for null, where the first row's end) of the string at `pos`."""
    n, pos = long_varint(data, pos, 5)
    if n & 1 or not n:
        return repeat(b""), -(n & 1), pos
    n >>= 1
    return [data[at : at + n] for at in range(pos, pos + stride * rows, stride)], n, pos + n


def _timestamps(data: bytes, pos: int, width: int, stride: int, rows: int, form: MessageForm) -> list[int]:
    """Each row's timestamp; runs have deltas of one or two bytes that are not negative."""
    if form.append_time is not None:
        return [form.append_time] * rows
    base = form.base_timestamp
    last = (rows - 1) * stride + 1
    low = data[pos : pos + last : stride]
    if width == 1:
        stamps = [base + (n >> 1) for n in low]
    else:
        high = data[pos + 1 : pos + 1 + last : stride]
        stamps = [base + ((n & 127 | more << 7) >> 1) for n, more in zip(low, high, strict=True)]
    if base > MAX_INT64 - (1 << 14):
        return [wrapped(stamp) for stamp in stamps]
    return stamps
