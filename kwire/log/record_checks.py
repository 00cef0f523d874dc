"""Depth 4 of `validate`: the records themselves, and what a batch or message set becomes on its way into the log.

Whatever may take long (millions of tiny records in a compressed batch, an old message set) is not done on the event
loop: the append raises PreparationNeeded, a thread calls `prepare`, and the append is asked again with what it found.
Only what does not change meanwhile is prepared; the rules of the topic are applied when it is appended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from kwire.errors import ErrorCode, KafkaError
from kwire.log.config import MAX_INT64, LogConfig
from kwire.log.validate import (
    MOST_BYTES_AT_ONCE,
    MOST_RECORDS_AT_ONCE,
    AppendRefused,
    PreparationNeeded,
    RecordsInvalid,
    ValidBatch,
    target_codec,
)
from kwire.wire.compression import CompressionError, TooLargeError, compress
from kwire.wire.conversion import to_v2
from kwire.wire.legacy import frames, read_message_set, wrapped_records
from kwire.wire.length_chain import holds_records
from kwire.wire.record_batch import (
    COMPRESSION_MASK,
    HEADER,
    MAGIC_OFFSET,
    NO_TIMESTAMP,
    RECORD_BATCH_OVERHEAD,
    TIMESTAMP_TYPE_MASK,
    BatchHeader,
    CorruptRecordError,
    as_header,
)
from kwire.wire.record_times import offsets_and_timestamps
from kwire.wire.records import (
    MAX_DECOMPRESSED_BYTES,
    InvalidRecordError,
    RecordsSummary,
    checked,
    produced_data,
    seal_compressed,
)

_LEGACY_ATTRIBUTES_OFFSET = 17
_LARGE_MESSAGE_SET_BYTES = 32 * 1024
_LARGE_DATA_BYTES = 1 << 20
_TOLD_RECORD_ERRORS = 3
_MAX_RECORD_ERRORS = 10_000
"""A batch of a megabyte may decompress to millions of records; Kafka names every one of them."""


class Prepared(NamedTuple):
    """What a thread found out about a batch or message set."""

    batch: bytes | bytearray
    """The batch of magic 2 that it is or becomes; empty when `refusal` says why it becomes none."""
    data: bytes = b""
    """Its records, decompressed."""
    summary: RecordsSummary | None = None
    section: tuple[int, int | None, bytes] | None = None
    """(codec, level, records compressed by them), when the topic asked for another codec."""
    untimely: Sequence[tuple[int, str]] = ()
    """The records whose timestamp is not within `bounds`, and why; the first `_MAX_RECORD_ERRORS` of them."""
    bounds: tuple[int, int] = (0, 0)
    """The earliest and the latest timestamp that the topic allowed by then."""
    refusal: AppendRefused | None = None


def prepare(records: bytes, config: LogConfig, now_ms: int) -> Prepared:
    """Look into a batch of magic 2 whose frame and header are sound, or a message set. Nothing else is touched."""
    batch: bytes | bytearray = b""
    try:
        batch = records if records[MAGIC_OFFSET] == 2 else _convert(memoryview(records), config)
        header = as_header(HEADER.unpack_from(batch))
        data = _opened(batch, header)
        summary = _walked(data, header)
        target = target_codec(header.compression, config)
        section = None
        if target != header.compression:
            level = config.compression_level(target)
            section = target, level, _compressed(target, data, level)
    except AppendRefused as refusal:
        return Prepared(batch, refusal=refusal)
    untimely = [] if _is_timely(summary, config, now_ms) else _untimely(data, header, config, now_ms)
    return Prepared(batch, data, summary, section, untimely, _bounds(config, now_ms))


def check_records(
    batch: memoryview, header: BatchHeader, config: LogConfig, now_ms: int, prepared: Prepared | None
) -> tuple[int, bytes | None]:
    """(the max timestamp that the batch is to carry, its records decompressed if that was done)."""
    plausible = header.max_timestamp >= header.base_timestamp >= NO_TIMESTAMP
    append_time = config.append_time
    if prepared is None and header.record_count > MOST_RECORDS_AT_ONCE:
        raise PreparationNeeded
    walk = config.is_compacted or (
        not append_time
        and (
            not plausible
            or config.message_timestamp_before_max_ms != MAX_INT64
            or header.max_timestamp - now_ms > config.message_timestamp_after_max_ms
        )
    )
    max_timestamp = header.max_timestamp
    data: bytes | None = None
    if walk or prepared is not None or header.attributes & COMPRESSION_MASK:
        max_timestamp, data = _look_into(batch, header, config, now_ms, prepared, walk=walk)
    elif not holds_records(batch[RECORD_BATCH_OVERHEAD:], header.record_count):
        raise _does_not_hold(header)
    # Only now is the count known to be true, and an error for each record within bounds.
    if append_time and header.attributes & TIMESTAMP_TYPE_MASK:
        text = "producers do not set the timestamp type LogAppendTime"
        _refuse_records(ErrorCode.INVALID_TIMESTAMP, ((index, text) for index in range(header.record_count)))
    return now_ms if append_time else max_timestamp, data


def _look_into(
    batch: memoryview,
    header: BatchHeader,
    config: LogConfig,
    now_ms: int,
    prepared: Prepared | None,
    *,
    walk: bool,
) -> tuple[int, bytes]:
    """Decompress, and walk the records if asked to; (the largest timestamp found or the header's, the records)."""
    if prepared is None:
        data = _opened(batch, header, at_once=True)
        if not walk:
            if not holds_records(memoryview(data), header.record_count):
                raise _does_not_hold(header)
            return header.max_timestamp, data
        summary: RecordsSummary | None = _walked(data, header)
    else:
        if prepared.refusal is not None:
            raise prepared.refusal
        data, summary = prepared.data, prepared.summary
    assert summary is not None
    if not walk:
        return header.max_timestamp, data
    if config.is_compacted and summary.null_key_indexes:
        _refuse_records(
            ErrorCode.INVALID_RECORD,
            ((index, "a compacted topic takes no record without a key") for index in summary.null_key_indexes),
        )
    if not _is_timely(summary, config, now_ms):
        # None of them where records without any timestamp are the earliest.
        if prepared is not None and prepared.bounds == _bounds(config, now_ms):
            _refuse_records(ErrorCode.INVALID_TIMESTAMP, prepared.untimely)
        else:
            _refuse_records(ErrorCode.INVALID_TIMESTAMP, _untimely(data, header, config, now_ms))
    return summary.max_timestamp, data


def _does_not_hold(header: BatchHeader) -> AppendRefused:
    return AppendRefused(
        ErrorCode.INVALID_RECORD, f"the batch does not hold the {header.record_count} records that it declares"
    )


def _opened(batch: bytes | bytearray | memoryview, header: BatchHeader, *, at_once: bool = False) -> bytes:
    try:
        return produced_data(batch, 0, header, MOST_BYTES_AT_ONCE if at_once else MAX_DECOMPRESSED_BYTES)
    except TooLargeError as error:
        if at_once:
            raise PreparationNeeded from None
        raise AppendRefused(ErrorCode.UNKNOWN_SERVER_ERROR, str(error)) from None
    except InvalidRecordError as error:
        raise AppendRefused(ErrorCode.INVALID_RECORD, str(error)) from None
    except (CompressionError, CorruptRecordError) as error:
        raise AppendRefused(ErrorCode.UNKNOWN_SERVER_ERROR, str(error)) from None
    except KafkaError as error:
        raise AppendRefused(error.code, str(error)) from None


def _walked(data: bytes, header: BatchHeader) -> RecordsSummary:
    try:
        return checked(data, header)
    except InvalidRecordError as error:
        raise AppendRefused(ErrorCode.INVALID_RECORD, str(error)) from None


def _compressed(codec: int, data: bytes, level: int | None) -> bytes:
    try:
        return compress(codec, data, level=level)
    except KafkaError as error:
        raise AppendRefused(error.code, str(error)) from None


def _bounds(config: LogConfig, now_ms: int) -> tuple[int, int]:
    """The earliest and the latest timestamp that the topic allows."""
    return now_ms - config.message_timestamp_before_max_ms, now_ms + config.message_timestamp_after_max_ms


def _is_timely(summary: RecordsSummary, config: LogConfig, now_ms: int) -> bool:
    earliest, latest = _bounds(config, now_ms)
    return config.append_time or (summary.max_timestamp <= latest and summary.min_timestamp >= earliest)


def _untimely(data: bytes, header: BatchHeader, config: LogConfig, now_ms: int) -> list[tuple[int, str]]:
    earliest, latest = _bounds(config, now_ms)
    found = (
        (index, f"timestamp {timestamp} is not within {earliest} and {latest}")
        for index, (_, timestamp) in enumerate(offsets_and_timestamps(data, header))
        if timestamp != NO_TIMESTAMP and not earliest <= timestamp <= latest
    )
    return list(islice(found, _MAX_RECORD_ERRORS))


def _refuse_records(code: ErrorCode, every: Iterable[tuple[int, str]]) -> None:
    errors = list(islice(every, _MAX_RECORD_ERRORS))
    if not errors:
        return
    if code is ErrorCode.INVALID_TIMESTAMP:
        raise RecordsInvalid(code, "one or more records have an invalid timestamp", errors)
    told = "; ".join(f"record {index}: {text}" for index, text in errors[:_TOLD_RECORD_ERRORS])
    raise RecordsInvalid(code, f"{len(errors)} records are invalid, among them {told}", errors)


def recompressed(
    batch: memoryview,
    header: BatchHeader,
    config: LogConfig,
    target: int,
    timestamp_type: int,
    max_timestamp: int,
    data: bytes | None,
    prepared: Prepared | None,
) -> ValidBatch:
    """The batch under the codec that the topic's `compression.type` names; `data` are its records if already opened."""
    if data is None:
        data = bytes(batch[RECORD_BATCH_OVERHEAD:])
    level = config.compression_level(target)
    if prepared is not None and prepared.section is not None and prepared.section[:2] == (target, level):
        section = prepared.section[2]
    elif prepared is None and len(data) > _LARGE_DATA_BYTES:
        raise PreparationNeeded
    else:
        section = _compressed(target, data, level)
    attributes = header.attributes & ~(COMPRESSION_MASK | TIMESTAMP_TYPE_MASK) | target | timestamp_type << 3
    out = seal_compressed(header._replace(attributes=attributes, max_timestamp=max_timestamp), section)
    if len(out) > config.max_message_bytes:
        raise AppendRefused(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"recompressed, the batch has {len(out)} bytes; max.message.bytes is {config.max_message_bytes}",
            names_log_start=False,
        )
    return ValidBatch(out, as_header(HEADER.unpack_from(out)))


# --- message sets of magic 0 and 1


def converted(message_set: memoryview, config: LogConfig, prepared: Prepared | None) -> memoryview:
    """A message set of magic 0 or 1 as one batch of magic 2, under the codec that the topic wants."""
    if prepared is not None:
        if not prepared.batch:
            assert prepared.refusal is not None
            raise prepared.refusal
        return memoryview(bytearray(prepared.batch))
    if len(message_set) > _LARGE_MESSAGE_SET_BYTES or message_set[_LEGACY_ATTRIBUTES_OFFSET] & COMPRESSION_MASK:
        raise PreparationNeeded
    return memoryview(_convert(message_set, config))


def _convert(message_set: memoryview, config: LogConfig) -> bytearray:
    """Kafka's rules for old message sets (`LogValidator`, `UnifiedLog.analyzeAndValidateRecords`): a compressed message
    stands alone; all are of one magic and, each by itself, within max.message.bytes.
    """
    try:
        codec = _codec_of(message_set, config)
        # A compressed one stands alone, and may hold millions: they are never in memory as objects all at once.
        records = wrapped_records(message_set, 0) if codec else iter(read_message_set(message_set))
        if config.append_time and _says_append_time(message_set):
            text = "producers do not set the timestamp type LogAppendTime"
            _refuse_records(ErrorCode.INVALID_TIMESTAMP, ((index, text) for index, _ in enumerate(records)))
        target = target_codec(codec, config)
        return to_v2(
            records,
            base_offset=0,
            partition_leader_epoch=-1,
            compression=target,
            level=None if target == codec else config.compression_level(target),
        )
    except CorruptRecordError as error:
        raise AppendRefused(ErrorCode.CORRUPT_MESSAGE, str(error), names_log_start=False) from None
    except InvalidRecordError as error:
        raise AppendRefused(ErrorCode.INVALID_RECORD, str(error)) from None
    except CompressionError as error:
        raise AppendRefused(ErrorCode.UNKNOWN_SERVER_ERROR, str(error)) from None
    except KafkaError as error:
        raise error if isinstance(error, AppendRefused) else AppendRefused(error.code, str(error)) from None


def _says_append_time(message_set: memoryview) -> bool:
    return any(
        magic == 1 and message_set[pos + _LEGACY_ATTRIBUTES_OFFSET] & TIMESTAMP_TYPE_MASK
        for pos, _, magic in frames(message_set)
    )


def _codec_of(message_set: memoryview, config: LogConfig) -> int:
    codec = count = 0
    first = message_set[MAGIC_OFFSET]
    for pos, size, magic in frames(message_set):
        count += 1
        if size > config.max_message_bytes:
            raise AppendRefused(
                ErrorCode.MESSAGE_TOO_LARGE,
                f"a message of {size} bytes is larger than max.message.bytes, {config.max_message_bytes}",
                names_log_start=False,
            )
        if magic != first:
            raise AppendRefused(ErrorCode.INVALID_RECORD, f"a message of magic {magic} behind one of magic {first}")
        codec = message_set[pos + _LEGACY_ATTRIBUTES_OFFSET] & COMPRESSION_MASK or codec
    if codec and count > 1:
        raise AppendRefused(ErrorCode.INVALID_RECORD, "there is more than one message, and one of them is compressed")
    return codec
