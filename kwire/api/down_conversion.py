"""Old consumers: batches of the log as the message sets that Fetch versions 0-3 may carry.

v0-1 know magic 0, v2-3 magic 1 (apache/kafka `RecordsUtil.downConvert`). At most `fetch.max.bytes` is in memory at a
time, since that is what one answer holds.
"""

from __future__ import annotations

from kwire.errors import ErrorCode, KafkaError
from kwire.wire.conversion import from_v2
from kwire.wire.parts import FileRange, Part
from kwire.wire.primitives import WireError

FIRST_VERSION_WITH_MAGIC_1 = 2


def convert(records: Part, fetch_version: int, first_offset: int) -> bytes:
    """The records from `first_offset` on, in the magic of `fetch_version`.

    UNSUPPORTED_COMPRESSION_TYPE for zstd, which old clients do not know; CORRUPT_MESSAGE for what cannot be read.
    """
    magic = 1 if fetch_version >= FIRST_VERSION_WITH_MAGIC_1 else 0
    data = records.read() if isinstance(records, FileRange) else records
    try:
        return from_v2(data, to_magic=magic, first_offset=first_offset)
    except WireError as error:
        raise KafkaError(ErrorCode.CORRUPT_MESSAGE, str(error)) from error
