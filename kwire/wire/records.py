"""The records of a magic 2 batch: reading, checking, building; decompressed only where they are looked at.

Three depths of looking at 10,000 records: `check_lengths` follows the length chain only, `check_records` walks every
field without making objects, `read_records` makes a `Record` of each. Where neighbours have the same size (a benchmark,
a sensor) `check_records` goes by columns (`record_runs`) and is the quickest of the three; where sizes differ it costs
half of reading, and `check_lengths` a tenth. None of them looks at the checksum: `record_batch.verify` does, and comes
first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kwire.named_tuple import NamedTuple
from kwire.wire.crc import crc32c
from kwire.wire.length_chain import holds_records
from kwire.wire.record_batch import (
    ATTRIBUTES_OFFSET,
    CRC,
    CRC_OFFSET,
    HEADER,
    LOG_APPEND_TIME,
    LOG_OVERHEAD,
    NO_PARTITION_LEADER_EPOCH,
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    NO_TIMESTAMP,
    RECORD_BATCH_OVERHEAD,
    BatchHeader,
    Buffer,
    CorruptRecordError,
    read_header,
)
from kwire.wire.record_codec import (
    MAX_INT64,
    Header,
    InvalidRecordError,
    Record,
    encode_record,
    parse,
    walk_records,
    wrapped,
)
from kwire.wire.record_runs import walk_run

__all__ = [
    "MAX_DECOMPRESSED_BYTES",
    "Header",
    "InvalidRecordError",
    "Record",
    "RecordsSummary",
    "build_batch",
    "check_lengths",
    "check_records",
    "checked",
    "data_for_count",
    "produced_data",
    "read_records",
    "rebuild_batch",
    "records_data",
    "seal_batch",
    "seal_compressed",
]

MAX_DECOMPRESSED_BYTES = 128 * 1024 * 1024
"""What one batch may decompress to unless the caller says otherwise."""

_MIN_RECORD_BYTES = 7
_MAX_INT32 = (1 << 31) - 1


class RecordsSummary(NamedTuple):
    """What a leader needs to know of a batch's records. Timestamps in ms, as a consumer would see them."""

    record_count: int
    max_timestamp: int
    """-1 when no record has a timestamp."""
    offset_of_max_timestamp: int
    """Of the first record with that timestamp, counted from the base offset as it stands; -1 when there is none."""
    min_timestamp: int
    null_key_indexes: list[int]


def records_data(buf: Buffer, pos: int, header: BatchHeader, max_decompressed: int = MAX_DECOMPRESSED_BYTES) -> bytes:
    """The records section of the batch at `pos`, decompressed, as bytes.

    Raises CorruptRecordError when the batch is cut, CompressionError for bad or too much data, and KafkaError
    (UNSUPPORTED_COMPRESSION_TYPE) when the codec's library is missing.
    """
    end = pos + LOG_OVERHEAD + header.batch_length
    if header.batch_length < RECORD_BATCH_OVERHEAD - LOG_OVERHEAD or end > len(buf):
        raise CorruptRecordError(f"batch of {header.size} bytes, but {len(buf) - pos} are there")
    section = memoryview(buf)[pos + RECORD_BATCH_OVERHEAD : end]
    # Compaction leaves empty batches that keep their codec bits and hold no compressed bytes at all.
    if header.compression == 0 or (header.record_count == 0 and not section):
        return bytes(section)
    from kwire.wire.compression import decompress

    return decompress(header.compression, section, max_size=max_decompressed)


def read_records(buf: Buffer, pos: int = 0, *, max_decompressed: int = MAX_DECOMPRESSED_BYTES) -> list[Record]:
    """The records of the magic 2 batch at `pos`, whose checksum the caller has looked at (`verify`).

    Raises CorruptRecordError, CompressionError or InvalidRecordError; never reads beyond the batch.
    """
    header = read_header(buf, pos)
    if header.magic != 2:
        raise CorruptRecordError(f"magic {header.magic} is not 2")
    return _parsed(data_for_count(buf, pos, header, max_decompressed), header)


def data_for_count(buf: Buffer, pos: int, header: BatchHeader, max_decompressed: int = MAX_DECOMPRESSED_BYTES) -> bytes:
    """The records section as `records_data`; InvalidRecordError for a count of records that cannot fit into it, before
    anything is counted to it.
    """
    if header.record_count < 0:
        raise InvalidRecordError(-1, f"negative record count {header.record_count}")
    data = records_data(buf, pos, header, max_decompressed)
    if header.record_count * _MIN_RECORD_BYTES > len(data):
        raise InvalidRecordError(-1, f"{header.record_count} records cannot fit into {len(data)} bytes")
    return data


def _parsed(data: bytes, header: BatchHeader) -> list[Record]:
    append_time = header.max_timestamp if header.timestamp_type == LOG_APPEND_TIME else None
    out: list[Record] = []
    try:
        end = parse(
            data, header.record_count, header.base_offset, header.base_timestamp, append_time, header.base_sequence, out
        )
    except (IndexError, OverflowError) as error:
        raise InvalidRecordError(len(out), f"the record ends too early ({error})") from None
    if end != len(data):
        raise InvalidRecordError(-1, f"{len(data) - end} bytes are left after the last of {len(out)} records")
    return out


def check_records(buf: Buffer, pos: int = 0, *, max_decompressed: int = MAX_DECOMPRESSED_BYTES) -> RecordsSummary:
    """Walk every field of every record of the magic 2 batch at `pos`, making no record: what Produce has to know.

    Checks that there is one record at least, that count and lengths fill the batch exactly, that offset deltas are
    0..n-1 and agree with the header, and that headers are sane. Raises InvalidRecordError, CorruptRecordError or
    CompressionError. Kafka's `LogValidator` walks likewise, compressed or not, but lets wrong offset deltas pass in an
    uncompressed batch and rewrites a compressed one; no client produces either, and consumers would trip over them.
    """
    header = read_header(buf, pos)
    return checked(produced_data(buf, pos, header, max_decompressed), header)


def checked(data: bytes, header: BatchHeader) -> RecordsSummary:
    """`check_records` for records that were decompressed already (`produced_data`)."""
    null_keys: list[int] = []
    try:
        max_delta, index_of_max, min_delta = _walk(data, header.record_count, null_keys)
    except (IndexError, OverflowError):
        raise _first_error(data, header) from None
    if header.timestamp_type == LOG_APPEND_TIME:
        index_of_max = 0
        max_timestamp = min_timestamp = header.max_timestamp
    else:
        max_timestamp = header.base_timestamp + max_delta
        min_timestamp = header.base_timestamp + min_delta
        if max_timestamp > MAX_INT64 or min_timestamp < -MAX_INT64:
            # The sums wrap, as Java's do, so the largest delta need not be the largest timestamp.
            timestamps = [record.timestamp for record in _parsed(data, header)]
            max_timestamp, min_timestamp = max(timestamps), min(timestamps)
            index_of_max = timestamps.index(max_timestamp)
    offset_of_max = header.base_offset + index_of_max
    if max_timestamp <= NO_TIMESTAMP:
        max_timestamp = offset_of_max = NO_TIMESTAMP
    return RecordsSummary(header.record_count, max_timestamp, offset_of_max, min_timestamp, null_keys)


def _walk(data: bytes, count: int, null_keys: list[int]) -> tuple[int, int, int]:
    """(largest timestamp delta, index of its first record, smallest delta); IndexError where anything is wrong."""
    stamps: list[tuple[int, int]] = []
    pos = index = 0
    steps = 2
    while index < count:
        run = walk_run(data, pos, index, count)
        if run is not None:
            if not run.has_key:
                null_keys.extend(range(index, index + run.count))
            stamps += ((run.max_index, run.max_delta), (run.min_index, run.min_delta))
            pos = run.end
            index += run.count
            steps = 2
        else:
            # Where records differ in size, runs are looked for ever more seldom.
            stop = min(index + steps, count)
            pos = walk_records(data, pos, index, stop, null_keys, stamps)
            index = stop
            steps = min(steps * 2, 256)
    if pos != len(data):
        raise IndexError
    index_of_max, max_delta = stamps[0]
    min_delta = max_delta
    for at, delta in stamps:
        if delta > max_delta:
            index_of_max, max_delta = at, delta
        elif delta < min_delta:
            min_delta = delta
    return max_delta, index_of_max, min_delta


def check_lengths(buf: Buffer, pos: int = 0, *, max_decompressed: int = MAX_DECOMPRESSED_BYTES) -> int:
    """Follow only the records' lengths through the batch at `pos`; the record count, or the errors of `check_records`,
    except that the index of a record that does not fit is -1.

    It proves that the batch holds as many records as its header says and nothing else. Timestamps, null keys and what
    is inside of a record stay unseen, so it serves where the header's max timestamp is believed: batches that another
    broker has checked, or topics under LogAppendTime that are not compacted.
    """
    header = read_header(buf, pos)
    data = produced_data(buf, pos, header, max_decompressed)
    if not holds_records(memoryview(data), header.record_count):
        raise InvalidRecordError(-1, f"the batch does not hold the {header.record_count} records that it declares")
    return header.record_count


def produced_data(buf: Buffer, pos: int, header: BatchHeader, max_decompressed: int = MAX_DECOMPRESSED_BYTES) -> bytes:
    """The records section of a batch whose header counts as a producer's does; errors as `check_records`."""
    if header.magic != 2:
        raise CorruptRecordError(f"magic {header.magic} is not 2")
    count = header.record_count
    if count < 1 or header.last_offset_delta != count - 1:
        raise InvalidRecordError(-1, f"record count {count}, but the last offset delta is {header.last_offset_delta}")
    return data_for_count(buf, pos, header, max_decompressed)


def _first_error(data: bytes, header: BatchHeader) -> InvalidRecordError:
    """What the walk stumbled over, told by the slow reader, which knows where it is."""
    try:
        records = _parsed(data, header)
    except InvalidRecordError as error:
        return error
    for index, record in enumerate(records):
        if record.offset != header.base_offset + index:
            return InvalidRecordError(index, f"offset delta {record.offset - header.base_offset}, expected {index}")
    return InvalidRecordError(-1, "the records do not fill their batch")


def build_batch(
    records: Iterable[tuple[int, bytes | None, bytes | None, Iterable[tuple[str | bytes, bytes | None]]]],
    *,
    base_offset: int = 0,
    compression: int = 0,
    level: int | None = None,
    timestamp_type: int = 0,
    partition_leader_epoch: int = NO_PARTITION_LEADER_EPOCH,
    producer_id: int = NO_PRODUCER_ID,
    producer_epoch: int = NO_PRODUCER_EPOCH,
    base_sequence: int = NO_SEQUENCE,
    transactional: bool = False,
    control: bool = False,
) -> bytearray:
    """A whole batch of (timestamp in ms, key, value, headers), offsets following one another from `base_offset`.

    The first record's timestamp is the base timestamp, the largest is the maximum. ValueError without records.
    """
    encoded = bytearray()
    base_timestamp = max_timestamp = NO_TIMESTAMP
    count = 0
    for timestamp, key, value, headers in records:
        if not count:
            base_timestamp = max_timestamp = timestamp
        elif timestamp > max_timestamp:
            max_timestamp = timestamp
        encoded += encode_record(timestamp - base_timestamp, count, key, value, headers)
        count += 1
    if not count:
        raise ValueError("a batch is built of one record at least")
    attributes = compression | timestamp_type << 3 | transactional << 4 | control << 5
    header = BatchHeader(
        base_offset,
        0,
        partition_leader_epoch,
        2,
        0,
        attributes,
        count - 1,
        base_timestamp,
        max_timestamp,
        producer_id,
        producer_epoch,
        base_sequence,
        count,
    )
    return seal_batch(header, encoded, level=level)


def rebuild_batch(header: BatchHeader, records: Sequence[Record], *, level: int | None = None) -> bytearray:
    """A batch with `header`'s fields around `records` (none is possible), which keep their offsets and timestamps.

    For compaction: last_offset_delta, sequence and max timestamp stay as the header has them; length, record count and
    checksum are computed. ValueError when an offset lies outside of the batch.
    """
    encoded: list[bytes] = []
    for record in records:
        delta = record.offset - header.base_offset
        if not 0 <= delta <= _MAX_INT32:
            raise ValueError(f"offset {record.offset} is outside of a batch that starts at {header.base_offset}")
        timestamp_delta = wrapped(record.timestamp - header.base_timestamp)
        encoded.append(encode_record(timestamp_delta, delta, record.key, record.value, record.headers))
    return seal_batch(header._replace(record_count=len(encoded)), b"".join(encoded), level=level)


def seal_batch(header: BatchHeader, data: bytes | bytearray, *, level: int | None = None) -> bytearray:
    """`header` and the encoded records, compressed as its attributes say, with length and checksum computed."""
    if header.compression and header.record_count:
        from kwire.wire.compression import compress

        data = compress(header.compression, data, level=level)
    return seal_compressed(header, data)


def seal_compressed(header: BatchHeader, section: bytes | bytearray) -> bytearray:
    """`header` and the records section as it is, with length and checksum computed."""
    length = RECORD_BATCH_OVERHEAD - LOG_OVERHEAD + len(section)
    out = bytearray(HEADER.pack(header.base_offset, length, *header[2:]))
    out += section
    CRC.pack_into(out, CRC_OFFSET, crc32c(memoryview(out)[ATTRIBUTES_OFFSET:]))
    return out
