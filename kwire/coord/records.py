"""A coordinator's records as values, and as the batches of its partition of the internal topic.

What a coordinator knows is what these records say, replayed in order; a value of None (a tombstone) takes its key's
fact back. A batch of a transaction holds offsets that count only once the producer's COMMIT marker follows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from struct import Struct
from typing import Any

from kwire.coord.formats import KEY_VERSION, RecordFormat, value_version
from kwire.named_tuple import NamedTuple
from kwire.wire.codec import decode, encode_prefixed
from kwire.wire.control import read_end_transaction_marker
from kwire.wire.record_batch import (
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    BatchHeader,
    Buffer,
    batches,
    verify,
)
from kwire.wire.records import Record, build_batch, read_records

logger = logging.getLogger("kwire.coord")

NO_PRODUCER = -1

_NUMBER = Struct(">h")


class CoordinatorRecord(NamedTuple):
    """One fact: messages of `kwire.wire.messages.*_records`; `value` None is a tombstone."""

    key: Any
    value: Any


class LoadedBatch(NamedTuple):
    """One batch of the log, decoded.

    `next_offset` is the offset after it. `producer_id` is -1 outside of transactions. `committed` is None for records,
    otherwise this is the marker that ends the producer's transaction and `records` is empty. `skipped_count` records
    were of a type, or had a value of a version, that is newer than this coordinator.
    """

    next_offset: int
    producer_id: int
    records: list[CoordinatorRecord]
    committed: bool | None
    skipped_count: int = 0


def encode_records(
    records: Iterable[CoordinatorRecord],
    now_ms: int,
    *,
    compression: int = 0,
    producer: tuple[int, int] | None = None,
) -> bytearray:
    """One batch, ready for the log, that holds `records` in their order, all stamped `now_ms`.

    With a `producer` (id, epoch) it is part of its transaction. Its sequence says nothing: the coordinator sees to it
    that nothing comes twice.
    """
    producer_id, producer_epoch = producer or (NO_PRODUCER_ID, NO_PRODUCER_EPOCH)
    return build_batch(
        [
            (
                now_ms,
                encode_prefixed(key, KEY_VERSION),
                None if value is None else encode_prefixed(value, value_version(value)),
                (),
            )
            for key, value in records
        ],
        compression=compression,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=NO_SEQUENCE if producer is None else 0,
        transactional=producer is not None,
    )


def decode_batches(data: Buffer, formats: Mapping[int, RecordFormat]) -> Iterator[LoadedBatch]:
    """The whole batches of `data` in order; a partial one at the end is left out.

    WireError for a batch that is corrupt or a record that is not in its format: the partition cannot be loaded.
    """
    for position, _ in batches(data):
        header = verify(data, position)
        producer_id = header.producer_id if header.is_transactional else NO_PRODUCER
        if header.is_control:
            yield _marker(data, position, header)
            continue
        decoded = [_decode(record, formats) for record in read_records(data, position)]
        records = [record for record in decoded if record is not None]
        yield LoadedBatch(header.last_offset + 1, producer_id, records, None, len(decoded) - len(records))


def _marker(data: Buffer, position: int, header: BatchHeader) -> LoadedBatch:
    for record in read_records(data, position):
        marker = read_end_transaction_marker(record)
        if marker is not None:
            return LoadedBatch(header.last_offset + 1, header.producer_id, [], marker.committed)
    return LoadedBatch(header.last_offset + 1, NO_PRODUCER, [], None)


def _decode(record: Record, formats: Mapping[int, RecordFormat]) -> CoordinatorRecord | None:
    """None for a record of a type, or with a value of a version, that is newer than this coordinator."""
    key = record.key
    if key is None or len(key) < _NUMBER.size:
        logger.debug("skipping record %d: a key of %s", record.offset, "nothing" if key is None else key.hex())
        return None
    record_type = _NUMBER.unpack_from(key)[0]
    row = formats.get(record_type)
    if row is None:
        logger.debug("skipping record %d of unknown type %d", record.offset, record_type)
        return None
    key_message = decode(row.key_class, KEY_VERSION, key, _NUMBER.size)
    value = record.value
    if value is None:
        return CoordinatorRecord(key_message, None)
    version = _NUMBER.unpack_from(value)[0] if len(value) >= _NUMBER.size else -1
    if not 0 <= version <= row.highest_value_version:
        logger.debug("skipping record %d of type %d: value version %d", record.offset, record_type, version)
        return None
    return CoordinatorRecord(key_message, decode(row.value_class, version, value, _NUMBER.size))
