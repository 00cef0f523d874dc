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

from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import NamedTuple

from kwire.errors import ErrorCode, KafkaError
from kwire.log.config import MAX_INT64, PRODUCER_COMPRESSION, LogConfig
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
    CorruptRecordError,
    as_header,
    set_max_timestamp,
)

_ZSTD = 4
_ZSTD_SINCE_PRODUCE = 7
_V2_ONLY_SINCE_PRODUCE = 3
_LAST_CODEC = 4
_MIN_LEGACY_LENGTH = 14
_TOLD_RECORD_ERRORS = 3
_MAX_RECORD_ERRORS = 10_000
"""A batch of a megabyte may decompress to millions of records; Kafka names every one of them."""
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


def refused_before_the_log(code: ErrorCode, reason: str) -> AppendRefused:
    """Depth 1."""
    return AppendRefused(code, reason, told=True, names_log_start=False)


class ValidBatch(NamedTuple):
    """A batch fit to be written: its bytes (those of the request unless it was converted) and its header as it now
    stands.
    """

    records: bytearray | memoryview
    header: BatchHeader


_as_valid: Callable[[tuple[bytearray | memoryview, BatchHeader]], ValidBatch] = partial(tuple.__new__, ValidBatch)
"""`ValidBatch._make` without its own Python frame."""


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


def _one_batch_of_any_magic(records: memoryview) -> memoryview:
    """Produce v0 to v2: a batch of magic 2 as it is, a message set of magic 0 or 1 converted; empty if none."""
    size = _first_batch_size(records)
    if not size:
        return records[:0]
    if records[MAGIC_OFFSET] == 2:
        if _first_batch_size(records[size:]):
            raise AppendRefused(ErrorCode.INVALID_RECORD, "there is more than one batch of magic 2")
        return records[:size]
    return _converted(records)


def _converted(message_set: memoryview) -> memoryview:
    """A message set of magic 0 or 1 as one batch of magic 2, under the codec of its first message (Kafka's
    `LogValidator`).
    """
    from kwire.wire.compression import CompressionError
    from kwire.wire.conversion import to_v2
    from kwire.wire.legacy import message_batches
    from kwire.wire.records import InvalidRecordError

    try:
        sets = list(message_batches(message_set))
        records = [record for one in sets for record in one.records]
        if not records:
            raise AppendRefused(ErrorCode.INVALID_RECORD, "the message set holds no record")
        return memoryview(to_v2(records, base_offset=0, partition_leader_epoch=-1, compression=sets[0].compression))
    except CorruptRecordError as error:
        raise AppendRefused(ErrorCode.CORRUPT_MESSAGE, str(error), names_log_start=False) from None
    except InvalidRecordError as error:
        raise AppendRefused(ErrorCode.INVALID_RECORD, str(error)) from None
    except CompressionError as error:
        raise AppendRefused(ErrorCode.UNKNOWN_SERVER_ERROR, str(error)) from None


def valid_record_set(records: memoryview, config: LogConfig, now_ms: int, produce_version: int) -> ValidBatch | None:
    """All depths for what a client sent for one partition; timestamps are set, offsets are not yet. None if it is empty
    (Produce v0 to v2 allows that).
    """
    size = len(records)
    if size >= RECORD_BATCH_OVERHEAD:
        fields = HEADER.unpack_from(records)
        base, length, _, magic, crc, attributes, last_delta, base_time, max_time, producer, _, sequence, count = fields
        # What most producers send to most topics is judged in one go; of anything else the depths tell what it is.
        if (
            config.takes_plain_batches
            and magic == 2
            and length == size - LOG_OVERHEAD
            and base == 0
            and not attributes & ~TRANSACTIONAL_MASK
            and last_delta == count - 1 >= 0
            and NO_TIMESTAMP <= base_time <= max_time <= now_ms + config.message_timestamp_after_max_ms
            and (producer < 0 or sequence >= 0)
            and size <= config.max_message_bytes
            and crc32c(records[ATTRIBUTES_OFFSET:]) == crc
            and holds_records(records[RECORD_BATCH_OVERHEAD:], count)
        ):
            return _as_valid((records, as_header(fields)))
    if produce_version >= _V2_ONLY_SINCE_PRODUCE:
        return _valid_batch(_one_batch_of_magic_2(records, produce_version), config, now_ms)
    batch = _one_batch_of_any_magic(records)
    return _valid_batch(batch, config, now_ms) if batch else None


def _valid_batch(batch: memoryview, config: LogConfig, now_ms: int) -> ValidBatch:
    """Depths 2 to 4 for one batch, whose bytes `batch` is exactly."""
    header = _checked_frame(batch, config)
    _check_header(header)
    codec = header.attributes & COMPRESSION_MASK
    target = codec if config.compression_type == PRODUCER_COMPRESSION else _CODECS[config.compression_type]
    max_timestamp = _check_records(batch, header, config, now_ms)
    timestamp_type = LOG_APPEND_TIME if config.append_time else 0
    if codec != target:
        return _recompressed(batch, header, config, target, timestamp_type, max_timestamp)
    if max_timestamp != header.max_timestamp or timestamp_type != (header.attributes & TIMESTAMP_TYPE_MASK) >> 3:
        set_max_timestamp(batch, 0, timestamp_type, max_timestamp)
        header = as_header(HEADER.unpack_from(batch))
    return ValidBatch(batch, header)


def too_large_for_a_segment(size: int, config: LogConfig) -> AppendRefused:
    """A batch lies in one segment, whole: RECORD_LIST_TOO_LARGE (Kafka's RecordBatchTooLargeException)."""
    return AppendRefused(
        ErrorCode.RECORD_LIST_TOO_LARGE,
        f"a batch of {size} bytes is larger than segment.bytes, {config.segment_bytes}",
        names_log_start=False,
    )


def _checked_frame(batch: memoryview, config: LogConfig) -> BatchHeader:
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


def _check_records(batch: memoryview, header: BatchHeader, config: LogConfig, now_ms: int) -> int:
    """Depth 4; the max timestamp that the batch is to carry."""
    plausible = header.max_timestamp >= header.base_timestamp >= NO_TIMESTAMP
    append_time = config.append_time
    walk = config.is_compacted or (
        not append_time
        and (
            not plausible
            or config.message_timestamp_before_max_ms != MAX_INT64
            or header.max_timestamp - now_ms > config.message_timestamp_after_max_ms
        )
    )
    max_timestamp = header.max_timestamp
    if walk or header.attributes & COMPRESSION_MASK:
        max_timestamp = _look_into(batch, header, config, now_ms, walk=walk)
    elif not holds_records(batch[RECORD_BATCH_OVERHEAD:], header.record_count):
        raise AppendRefused(
            ErrorCode.INVALID_RECORD, f"the batch does not hold the {header.record_count} records that it declares"
        )
    # Only now is the count known to be true, and an error for each record within bounds.
    if append_time and header.attributes & TIMESTAMP_TYPE_MASK:
        text = "producers do not set the timestamp type LogAppendTime"
        _refuse_records(ErrorCode.INVALID_TIMESTAMP, ((index, text) for index in range(header.record_count)))
    return now_ms if append_time else max_timestamp


def _look_into(batch: memoryview, header: BatchHeader, config: LogConfig, now_ms: int, *, walk: bool) -> int:
    """Decompress, and walk the records if asked to; the largest timestamp found, or the header's."""
    from kwire.wire.compression import CompressionError
    from kwire.wire.records import InvalidRecordError, check_lengths, check_records

    try:
        if not walk:
            check_lengths(batch)
            return header.max_timestamp
        summary = check_records(batch)
    except InvalidRecordError as error:
        raise AppendRefused(ErrorCode.INVALID_RECORD, str(error)) from None
    except (CompressionError, CorruptRecordError) as error:
        raise AppendRefused(ErrorCode.UNKNOWN_SERVER_ERROR, str(error)) from None
    except KafkaError as error:
        raise AppendRefused(error.code, str(error)) from None
    if config.is_compacted and summary.null_key_indexes:
        _refuse_records(
            ErrorCode.INVALID_RECORD,
            ((index, "a compacted topic takes no record without a key") for index in summary.null_key_indexes),
        )
    if not config.append_time:
        earliest = now_ms - config.message_timestamp_before_max_ms
        latest = now_ms + config.message_timestamp_after_max_ms
        if summary.max_timestamp > latest or summary.min_timestamp < earliest:
            _refuse_timestamps(batch, earliest, latest)
    return summary.max_timestamp


def _refuse_timestamps(batch: memoryview, earliest: int, latest: int) -> None:
    from kwire.wire.records import read_records

    _refuse_records(
        ErrorCode.INVALID_TIMESTAMP,
        (
            (index, f"timestamp {record.timestamp} is not within {earliest} and {latest}")
            for index, record in enumerate(read_records(batch))
            if record.timestamp != NO_TIMESTAMP and not earliest <= record.timestamp <= latest
        ),
    )


def _refuse_records(code: ErrorCode, every: Iterable[tuple[int, str]]) -> None:
    errors = list(islice(every, _MAX_RECORD_ERRORS))
    if not errors:
        return
    if code is ErrorCode.INVALID_TIMESTAMP:
        raise RecordsInvalid(code, "one or more records have an invalid timestamp", errors)
    told = "; ".join(f"record {index}: {text}" for index, text in errors[:_TOLD_RECORD_ERRORS])
    raise RecordsInvalid(code, f"{len(errors)} records are invalid, among them {told}", errors)


def _recompressed(
    batch: memoryview, header: BatchHeader, config: LogConfig, target: int, timestamp_type: int, max_timestamp: int
) -> ValidBatch:
    """The topic's `compression.type` names another codec than the producer used."""
    from kwire.wire.records import records_data, seal_batch

    attributes = header.attributes & ~(COMPRESSION_MASK | TIMESTAMP_TYPE_MASK) | target | timestamp_type << 3
    level = {1: config.compression_gzip_level, 3: config.compression_lz4_level, 4: config.compression_zstd_level}.get(
        target
    )
    wanted = header._replace(attributes=attributes, max_timestamp=max_timestamp)
    out = seal_batch(wanted, records_data(batch, 0, header), level=level)
    if len(out) > config.max_message_bytes:
        raise AppendRefused(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"recompressed, the batch has {len(out)} bytes; max.message.bytes is {config.max_message_bytes}",
            names_log_start=False,
        )
    return ValidBatch(out, as_header(HEADER.unpack_from(out)))
