"""Offsets and timestamps of a batch's records, without looking at anything else of them."""

from __future__ import annotations

from collections.abc import Iterator

from kwire.wire.record_batch import LOG_APPEND_TIME, BatchHeader
from kwire.wire.record_codec import MAX_INT64, InvalidRecordError, long_varint, wrapped


def offsets_and_timestamps(data: bytes, header: BatchHeader) -> Iterator[tuple[int, int]]:
    """(offset, timestamp in ms) of each record of the decompressed section `data`, in their order.

    Raises InvalidRecordError where a record does not fit.
    """
    base_offset, base_timestamp = header.base_offset, header.base_timestamp
    append_time = header.max_timestamp if header.timestamp_type == LOG_APPEND_TIME else None
    pos = 0
    try:
        for _ in range(header.record_count):
            n = data[pos]
            pos += 1
            if n > 127:
                n, pos = long_varint(data, pos - 1, 5)
            if n & 1:
                raise IndexError
            end = pos + (n >> 1)
            n = data[pos + 1]
            pos += 2
            if n > 127:
                n, pos = long_varint(data, pos - 1, 10)
            timestamp = base_timestamp + ((n >> 1) ^ -(n & 1)) if append_time is None else append_time
            if not -MAX_INT64 <= timestamp <= MAX_INT64:
                timestamp = wrapped(timestamp)
            n = data[pos]
            if n > 127:
                n, _ = long_varint(data, pos, 5)
            yield base_offset + ((n >> 1) ^ -(n & 1)), timestamp
            pos = end
    except (IndexError, OverflowError):
        raise InvalidRecordError(-1, "a record ends too early") from None
