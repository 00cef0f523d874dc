"""Records of old formats as a batch of magic 2: what a producer of Produce 0-2 sends is stored so (Kafka's
`LogValidator`). The way back, for consumers of Fetch 0-3, is `down_conversion`.
"""

from __future__ import annotations

from collections.abc import Iterable

from kwire.wire.record_batch import (
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    BatchHeader,
    set_log_append_time,
)
from kwire.wire.records import Record, build_batch


def to_v2(
    records: Iterable[Record],
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
        ((record.timestamp, record.key, record.value, record.headers) for record in records),
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
