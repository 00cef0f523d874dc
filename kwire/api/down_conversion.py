"""Old consumers: batches of the log as the message sets that Fetch versions 0-3 may carry.

v0-1 know magic 0, v2-3 magic 1 (apache/kafka `RecordsUtil.downConvert`). One answer is converted at once: up to
`fetch.max.bytes` as stored, and the records of one batch at a time, decompressed.
"""

from __future__ import annotations

from kwire.errors import ErrorCode, KafkaError
from kwire.wire.conversion import from_v2
from kwire.wire.legacy import frames
from kwire.wire.parts import FileRange, Part
from kwire.wire.primitives import WireError

FIRST_VERSION_WITH_MAGIC_1 = 2

_TOO_LARGE = (-1).to_bytes(8, "big", signed=True) + (2**31 - 1).to_bytes(4, "big")
"""Offset and size of a message that nobody has room for (apache/kafka `LazyDownConversionRecordsSend`)."""


def convert(records: Part, fetch_version: int, first_offset: int) -> bytes:
    """The records from `first_offset` on, in the magic of `fetch_version`.

    A first batch that is cut (v0-2 know no "at least one") becomes the head of a message that cannot fit: that is how
    a client learns that it must ask for more. UNSUPPORTED_COMPRESSION_TYPE for zstd, which old clients do not know;
    CORRUPT_MESSAGE for what cannot be read, KAFKA_STORAGE_ERROR for a file that cannot.
    """
    magic = 1 if fetch_version >= FIRST_VERSION_WITH_MAGIC_1 else 0
    try:
        data = records.read() if isinstance(records, FileRange) else records
        if next(frames(data), None) is None:
            return _TOO_LARGE
        return from_v2(data, to_magic=magic, first_offset=first_offset)
    except OSError as error:
        raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, str(error)) from error
    except WireError as error:
        raise KafkaError(ErrorCode.CORRUPT_MESSAGE, str(error)) from error
