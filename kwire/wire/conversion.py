"""Records from one format or codec into another: up for old producers, down for old consumers, across for topics.

A log holds magic 2 only. What a producer of Produce 0-2 sends becomes one such batch; what a topic's
`compression.type` asks for is compressed anew; and a consumer of Fetch 0-3 gets magic 0 or 1. Sources: Kafka's
`LogValidator` and `RecordsUtil`.
"""

from __future__ import annotations

from collections.abc import Sequence

from kwire.errors import ErrorCode, KafkaError
from kwire.wire.compression import ZSTD
from kwire.wire.legacy import build_message_set, frames, message_batches
from kwire.wire.record_batch import (
    CREATE_TIME,
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    BatchHeader,
    Buffer,
    read_header,
    set_log_append_time,
)
from kwire.wire.records import MAX_DECOMPRESSED_BYTES, Record, build_batch, read_records


def to_v2(
    records: Sequence[Record],
    *,
    base_offset: int,
    partition_leader_epoch: int,
    compression: int,
    level: int | None = None,
    append_time_ms: int | None = None,
    source: BatchHeader | None = None,
) -> bytearray:
    """One magic 2 batch of the records, offsets following one another from `base_offset`.

    `append_time_ms` is given on a LogAppendTime topic; the producer's timestamps then stay in the deltas, unseen.
    `source` is the batch they came from if that was of magic 2 already, and passes on its producer and transaction.
    ValueError without records.
    """
    batch = build_batch(
        [(record.timestamp, record.key, record.value, record.headers) for record in records],
        base_offset=base_offset,
        partition_leader_epoch=partition_leader_epoch,
        compression=compression,
        level=level,
        producer_id=NO_PRODUCER_ID if source is None else source.producer_id,
        producer_epoch=NO_PRODUCER_EPOCH if source is None else source.producer_epoch,
        base_sequence=NO_SEQUENCE if source is None else source.base_sequence,
        transactional=source is not None and source.is_transactional,
    )
    if append_time_ms is not None:
        set_log_append_time(batch, 0, append_time_ms)
    return batch


def from_v2(buf: Buffer, *, to_magic: int, first_offset: int, max_decompressed: int = MAX_DECOMPRESSED_BYTES) -> bytes:
    """The whole batches of `buf`, of any magic, as message sets of `to_magic` 0 or 1 at most.

    Control batches are left out, and of uncompressed batches the records before `first_offset`, because librdkafka
    counts on it. Raises KafkaError(UNSUPPORTED_COMPRESSION_TYPE) at a zstd batch, and what reading raises.
    """
    parts: list[bytes] = []
    for pos, size, magic in frames(buf):
        if magic <= to_magic:
            parts.append(bytes(buf[pos : pos + size]))
        elif magic == 2:
            header = read_header(buf, pos)
            if header.is_control:
                continue
            if header.compression == ZSTD:
                raise KafkaError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"zstd does not exist under magic {to_magic}")
            records = read_records(buf, pos, max_decompressed=max_decompressed)
            parts.append(_converted(records, to_magic, header.compression, header.timestamp_type, first_offset))
        else:
            for batch in message_batches(buf, pos, pos + size, max_decompressed=max_decompressed):
                parts.append(_converted(batch.records, to_magic, batch.compression, CREATE_TIME, first_offset))
    return b"".join(parts)


def _converted(records: list[Record], magic: int, compression: int, timestamp_type: int, first_offset: int) -> bytes:
    if not compression:
        records = [record for record in records if record.offset >= first_offset]
    if not records:
        return b""
    if magic == 0:
        timestamp_type = CREATE_TIME
    return build_message_set(records, magic=magic, compression=compression, timestamp_type=timestamp_type)
