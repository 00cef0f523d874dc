"""The records of a compressed batch a window at a time, for batches that are too large to be decompressed at once."""

from __future__ import annotations

from collections.abc import Iterator

from kwire.wire.compression import decompressed_pieces
from kwire.wire.record_batch import LOG_OVERHEAD, RECORD_BATCH_OVERHEAD, BatchHeader, Buffer
from kwire.wire.record_codec import InvalidRecordError, long_varint

_LONGEST_LENGTH = 5
_MIN_BODY = 6


def record_windows(
    buf: Buffer, pos: int, header: BatchHeader, *, window_bytes: int, max_decompressed: int
) -> Iterator[tuple[bytes, int]]:
    """(whole records, how many) of the compressed batch at `pos`: about `window_bytes` each, or one larger record.

    Raises what `decompressed_pieces` raises, and InvalidRecordError for other than `record_count` records.
    """
    section = memoryview(buf)[pos + RECORD_BATCH_OVERHEAD : pos + LOG_OVERHEAD + header.batch_length]
    window, wanted, left = bytearray(), window_bytes, header.record_count
    for piece in decompressed_pieces(header.compression, section, max_size=max_decompressed, piece_bytes=window_bytes):
        window += piece
        if len(window) < wanted:
            continue
        count, end, needed = _whole_records(window, left)
        wanted = max(window_bytes, needed)
        if count:
            left -= count
            data = bytes(memoryview(window)[:end])
            del window[:end]
            yield data, count
    count, end, _ = _whole_records(window, left)
    if count < left or end < len(window):
        raise InvalidRecordError(-1, f"{left} more records do not fill the last {len(window)} bytes")
    if count:
        yield bytes(window), count


def _whole_records(data: bytearray, most: int) -> tuple[int, int, int]:
    """(how many whole records `data` begins with, where they end, how many bytes the next one takes if known)."""
    count = at = 0
    while count < most and at + _LONGEST_LENGTH <= len(data):
        try:
            n, start = long_varint(data, at, _LONGEST_LENGTH)
        except OverflowError as error:
            raise InvalidRecordError(count, str(error)) from None
        if n & 1 or n >> 1 < _MIN_BODY:
            raise InvalidRecordError(count, f"length {(n >> 1) ^ -(n & 1)}")
        end = start + (n >> 1)
        if end > len(data):
            return count, at, end - at
        at = end
        count += 1
    return count, at, 0
