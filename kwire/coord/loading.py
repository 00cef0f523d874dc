"""From the log to a core's state, a slice at a time."""

from __future__ import annotations

from kwire.coord.coordinator_log import CoordinatorLog, CoordinatorShard
from kwire.coord.records import decode_batches
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.named_tuple import NamedTuple


class ReplayedSlice(NamedTuple):
    """How far a slice went: the offset to go on from, None at the log's end; records that were not understood."""

    next_offset: int | None
    skipped_count: int


def replay_slice(
    log: CoordinatorLog, partition: TopicPartition, shard: CoordinatorShard, offset: int, max_bytes: int, now_ms: int
) -> ReplayedSlice:
    """Feed `shard` the batches from `offset` on, as many as fit `max_bytes`, but one at least.

    Raises WireError for a corrupt batch, KafkaError for a log that cannot be read or has no whole batch where it
    should.
    """
    end_offset = log.end_offset(partition)
    if offset >= end_offset:
        return ReplayedSlice(None, 0)
    next_offset = offset
    skipped_count = 0
    for batch in decode_batches(log.read(partition, offset, max_bytes), shard.formats):
        next_offset = batch.next_offset
        skipped_count += batch.skipped_count
        if batch.committed is not None:
            shard.replay_marker(batch.producer_id, batch.committed)
        for record in batch.records:
            shard.replay(record, batch.producer_id, now_ms)
    if next_offset <= offset:
        raise KafkaError(ErrorCode.CORRUPT_MESSAGE, f"no whole batch at offset {offset} of {end_offset}")
    return ReplayedSlice(next_offset if next_offset < end_offset else None, skipped_count)
