"""What a leader checks before it appends, in Kafka's order, and what it writes into the batch.

Four depths, each with its own answer (behaviour facts, "Produce"; Kafka's `ProduceRequest.validateRecords`,
`UnifiedLog.append`,
`LogValidator`):

1. before the log: one whole batch of magic 2 (from Produce v3 on), codec allowed in the version -> INVALID_RECORD,
   UNSUPPORTED_COMPRESSION_TYPE, CORRUPT_MESSAGE; log start offset -1, message told;
2. the frame: base offset 0 -> INVALID_RECORD; size -> MESSAGE_TOO_LARGE and checksum -> CORRUPT_MESSAGE, both without
log start offset;
3. the header: offset range and count agree, no control bit, a sequence with a producer id -> INVALID_RECORD;
4. the records: INVALID_RECORD or INVALID_TIMESTAMP with record errors (KIP-467); codecs that fail ->
UNKNOWN_SERVER_ERROR.

Depth 4 is where a broker in Python must choose. Kafka walks every record of every batch. Here an uncompressed batch
into a plain topic is only proven to hold the records it declares (`length_chain`), and its header's max timestamp is
believed if it can be true: not below the base timestamp, within the topic's bounds. Everything else is walked field by
field: compacted topics (null keys), a bound on old timestamps, a max timestamp that cannot be true (Sarama sends -1),
records too new (the record errors name them). A compressed batch is decompressed, as in Kafka, then judged in the same
way. What escapes: a producer that lies below its own max timestamp, or inside of a record whose length is true. It
harms its own consumers only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kwire.errors import ErrorCode, KafkaError
from kwire.log.config import PRODUCER_COMPRESSION, LogConfig
from kwire.named_tuple import NamedTuple
from kwire.wire.crc import crc32c
from kwire.wire.length_chain import holds_records
from kwire.wire.record_batch import (
    ATTRIBUTES_OFFSET,
    COMPRESSION_MASK,
    CONTROL_MASK,
    HEADER,
    LOG_APPEND_TIME,
    LOG_OVERHEAD,
    MAGIC_OFFSET,
    NO_TIMESTAMP,
    RECORD_BATCH_OVERHEAD,
    TIMESTAMP_TYPE_MASK,
    TRANSACTIONAL_MASK,
    BatchHeader,
    as_header,
    set_max_timestamp,
)

if TYPE_CHECKING:
    from kwire.log.record_checks import Prepared

_ZSTD = 4
_ZSTD_SINCE_PRODUCE = 7
_V2_ONLY_SINCE_PRODUCE = 3
_LAST_CODEC = 4
_MIN_LEGACY_LENGTH = 14
MOST_RECORDS_AT_ONCE = 32_768
"""Larger batches are looked into in a thread: a batch of a megabyte may decompress to millions of records."""
MOST_BYTES_AT_ONCE = 4 << 20
"""So are those that decompress to more: 10 KB of zstd may hold 128 MiB, which take a second."""
_CODECS = {"uncompressed": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


class AppendRefused(KafkaError):
    """Nothing was written.

    `message` is what the client is told, None where Kafka tells nothing; `reason` is for the broker's own log.
    `log_start_offset` is -1 where the answer has none. `record_errors` are (index in the batch, text).
    """

    def __init__(self, code: ErrorCode, reason: str, *, told: bool = False, names_log_start: bool = True) -> None:
        super().__init__(code, reason)
        self.message = reason if told else None
        self.reason = reason
        self.names_log_start = names_log_start
        self.log_start_offset = -1
        self.record_errors: list[tuple[int, str]] = []

    @classmethod
    def within_log(cls, error: KafkaError, log_start_offset: int) -> AppendRefused:
        """Another rule's refusal (producer state), answered with the log's start and without a text."""
        refusal = cls(error.code, error.message or error.code.name)
        refusal.log_start_offset = log_start_offset
        return refusal


class RecordsInvalid(AppendRefused):
    """Some records of the batch cannot be taken, so none is; `record_errors` says which and why."""

    def __init__(self, code: ErrorCode, reason: str, record_errors: list[tuple[int, str]]) -> None:
        super().__init__(code, reason, told=True)
        self.record_errors = record_errors


class PreparationNeeded(Exception):
    """What was sent is too much to be looked into on the event loop: hand it to `record_checks.prepare` in a thread."""


def refused_before_the_log(code: ErrorCode, reason: str) -> AppendRefused:
    """Depth 1."""
    return AppendRefused(code, reason, told=True, names_log_start=False)


class ValidBatch(NamedTuple):
    """A batch fit to be written: its bytes (those of the request unless it was converted) and its header as it now
    stands.
    """

    records: bytearray | memoryview
    header: BatchHeader


_header_fields: Callable[[memoryview], tuple[int, ...]] = HEADER.unpack_from


def _first_batch_size(records: memoryview) -> int:
    """Bytes of the first whole batch or message; 0 when there is none.

    CORRUPT_MESSAGE for a length or magic that no format has.
    """
    available = len(records)
    if available < LOG_OVERHEAD:
        return 0
    length = int.from_bytes(records[8:12], "big", signed=True)
    if length < _MIN_LEGACY_LENGTH:
        raise refused_before_the_log(
            ErrorCode.CORRUPT_MESSAGE, f"a record batch of length {length} is smaller than any can be"
        )
    if available <= MAGIC_OFFSET:
        return 0
    magic = records[MAGIC_OFFSET]
    if magic > 2:
        raise refused_before_the_log(ErrorCode.CORRUPT_MESSAGE, f"there is no magic {magic}")
    return length + LOG_OVERHEAD if length + LOG_OVERHEAD <= available else 0


def _one_batch_of_magic_2(records: memoryview, produce_version: int) -> memoryview:
    """Depth 1: the batch, without a torn rest behind it. For Produce v3 and up."""
    size = _first_batch_size(records)
    if not size:
        raise refused_before_the_log(
            ErrorCode.INVALID_RECORD,
            f"produce requests of version {produce_version} carry a record batch per partition",
        )
    if records[MAGIC_OFFSET] != 2:
        raise refused_before_the_log(
            ErrorCode.INVALID_RECORD, f"produce requests of version {produce_version} carry batches of magic 2 only"
        )
    if produce_version < _ZSTD_SINCE_PRODUCE and records[ATTRIBUTES_OFFSET + 1] & COMPRESSION_MASK == _ZSTD:
        raise refused_before_the_log(
            ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"zstd is not for produce requests of version {produce_version}"
        )
    if size == len(records):
        return records
    if _first_batch_size(records[size:]):
        raise refused_before_the_log(
            ErrorCode.INVALID_RECORD, f"produce requests of version {produce_version} carry one batch per partition"
        )
    return records[:size]


def _one_batch_of_any_magic(records: memoryview, config: LogConfig, prepared: Prepared | None) -> memoryview:
    """Produce v0 to v2: a batch of magic 2 as it is, a message set of magic 0 or 1 converted; empty if none."""
    size = _first_batch_size(records)
    if not size:
        return records[:0]
    if records[MAGIC_OFFSET] == 2:
        if _first_batch_size(records[size:]):
            raise AppendRefused(ErrorCode.INVALID_RECORD, "there is more than one batch of magic 2")
        return records[:size]
    from kwire.log.record_checks import converted

    return converted(records, config, prepared)


def plain_batch(
    records: memoryview, config: LogConfig, now_ms: int, special: int = ~TRANSACTIONAL_MASK
) -> tuple[int, ...] | None:
    """The header's fields (those of `BatchHeader`) of what most producers send to most topics, if nothing is wrong with
    it: one uncompressed batch without the attributes in `special`. It is judged in one go; of anything else, None, the
    depths tell what it is.
    """
    size = len(records)
    if size < RECORD_BATCH_OVERHEAD:
        return None
    fields = _header_fields(records)
    base, length, _, magic, crc, attributes, last_delta, base_time, max_time, producer, _, sequence, count = fields
    if (
        not attributes & special
        and magic == 2
        and length == size - LOG_OVERHEAD
        and base == 0
        and config.takes_plain_batches
        and MOST_RECORDS_AT_ONCE > last_delta == count - 1 >= 0
        and NO_TIMESTAMP <= base_time <= max_time <= now_ms + config.message_timestamp_after_max_ms
        and (producer < 0 or sequence >= 0)
        and size <= config.max_message_bytes
        and crc32c(records[ATTRIBUTES_OFFSET:]) == crc
        and holds_records(records[RECORD_BATCH_OVERHEAD:], count)
    ):
        return fields
    return None


def valid_record_set(
    records: memoryview, config: LogConfig, now_ms: int, produce_version: int, prepared: Prepared | None = None
) -> ValidBatch | None:
    """All depths for what a client sent for one partition; timestamps are set, offsets are not yet. None if it is empty
    (Produce v0 to v2 allows that).

    Raises PreparationNeeded for what would hold the event loop too long, unless it is given as `prepared`.
    """
    fields = plain_batch(records, config, now_ms)
    if fields is not None:
        return ValidBatch(records, as_header(fields))
    if produce_version >= _V2_ONLY_SINCE_PRODUCE:
        return _valid_batch(_one_batch_of_magic_2(records, produce_version), config, now_ms, prepared)
    batch = _one_batch_of_any_magic(records, config, prepared)
    return _valid_batch(batch, config, now_ms, prepared) if batch else None


def _valid_batch(batch: memoryview, config: LogConfig, now_ms: int, prepared: Prepared | None) -> ValidBatch:
    """Depths 2 to 4 for one batch, whose bytes `batch` is exactly."""
    from kwire.log.record_checks import check_records, recompressed

    header = checked_frame(batch, config)
    _check_header(header)
    codec = header.attributes & COMPRESSION_MASK
    target = target_codec(codec, config)
    max_timestamp, data = check_records(batch, header, config, now_ms, prepared)
    timestamp_type = LOG_APPEND_TIME if config.append_time else 0
    if codec != target:
        return recompressed(batch, header, config, target, timestamp_type, max_timestamp, data, prepared)
    if max_timestamp != header.max_timestamp or timestamp_type != (header.attributes & TIMESTAMP_TYPE_MASK) >> 3:
        set_max_timestamp(batch, 0, timestamp_type, max_timestamp)
        header = as_header(HEADER.unpack_from(batch))
    return ValidBatch(batch, header)


def target_codec(codec: int, config: LogConfig) -> int:
    """The codec that the topic wants for a batch that came under `codec`."""
    return codec if config.compression_type == PRODUCER_COMPRESSION else _CODECS[config.compression_type]


def too_large_for_a_segment(size: int, config: LogConfig) -> AppendRefused:
    """A batch lies in one segment, whole: RECORD_LIST_TOO_LARGE (Kafka's RecordBatchTooLargeException)."""
    return AppendRefused(
        ErrorCode.RECORD_LIST_TOO_LARGE,
        f"a batch of {size} bytes is larger than segment.bytes, {config.segment_bytes}",
        names_log_start=False,
    )


def checked_frame(batch: memoryview, config: LogConfig) -> BatchHeader:
    size = len(batch)
    if size < RECORD_BATCH_OVERHEAD:
        raise AppendRefused(ErrorCode.CORRUPT_MESSAGE, f"{size} bytes are no batch", names_log_start=False)
    header = as_header(HEADER.unpack_from(batch))
    if header.base_offset != 0:
        raise AppendRefused(
            ErrorCode.INVALID_RECORD, f"the base offset of a produced batch is 0, not {header.base_offset}"
        )
    if size > config.max_message_bytes:
        raise AppendRefused(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"a batch of {size} bytes is larger than max.message.bytes, {config.max_message_bytes}",
            names_log_start=False,
        )
    if crc32c(batch[ATTRIBUTES_OFFSET:]) != header.crc:
        raise AppendRefused(ErrorCode.CORRUPT_MESSAGE, "the checksum does not match", names_log_start=False)
    return header


def _check_header(header: BatchHeader) -> None:
    count = header.record_count
    if header.attributes & COMPRESSION_MASK > _LAST_CODEC:
        raise AppendRefused(ErrorCode.UNKNOWN_SERVER_ERROR, f"there is no codec {header.compression}")
    if count <= 0 or header.last_offset_delta != count - 1:
        raise AppendRefused(
            ErrorCode.INVALID_RECORD, f"{count} records and a last offset delta of {header.last_offset_delta} disagree"
        )
    if header.attributes & CONTROL_MASK:
        raise AppendRefused(ErrorCode.INVALID_RECORD, "clients do not write control records")
    if header.producer_id > -1 and header.base_sequence < 0:
        raise AppendRefused(
            ErrorCode.INVALID_RECORD, f"sequence {header.base_sequence} in a batch of producer {header.producer_id}"
        )
