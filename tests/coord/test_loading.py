"""Replaying a log slice by slice, with transactions in it."""

from __future__ import annotations

import pytest

from kwire.coord.group.shard import GroupShard
from kwire.coord.loading import ReplayedSlice, replay_slice
from kwire.coord.records import CoordinatorRecord, encode_records
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from kwire.wire.messages.group_records import OffsetCommitKey, OffsetCommitValue
from kwire.wire.records import build_batch, read_records
from tests.coord.group.configs import group_config
from tests.coord.memory_log import MemoryLog

PARTITION = TopicPartition("__consumer_offsets", 0)


def commit(offset: int, partition: int = 0) -> bytearray:
    value = OffsetCommitValue(offset=offset, metadata="", commit_timestamp=5)
    return encode_records([CoordinatorRecord(OffsetCommitKey(group="g", topic="t", partition=partition), value)], 5)


def transactional(offset: int, partition: int, producer_id: int) -> bytearray:
    (record,) = read_records(commit(offset, partition))
    return build_batch(
        [(5, record.key, record.value, [])],
        producer_id=producer_id,
        producer_epoch=0,
        base_sequence=0,
        transactional=True,
    )


def marker(producer_id: int, committed: bool) -> bytearray:
    end = EndTransactionMarker(committed, 0)
    return build_end_transaction_marker(end, producer_id=producer_id, producer_epoch=0, timestamp=6)


def test_slices_follow_one_another() -> None:
    log, shard = MemoryLog(), GroupShard(group_config())
    assert replay_slice(log, PARTITION, shard, 0, 10, 7) == ReplayedSlice(None, 0)
    for offset in range(3):
        log.append(PARTITION, commit(offset), 5)
    assert replay_slice(log, PARTITION, shard, 0, 1, 7) == ReplayedSlice(1, 0)
    assert shard.offsets.by_group["g"]["t"][0].offset == 0
    assert replay_slice(log, PARTITION, shard, 1, 10_000, 7) == ReplayedSlice(None, 0)
    assert shard.offsets.by_group["g"]["t"][0].offset == 2


@pytest.mark.parametrize("committed", [True, False])
def test_offsets_of_a_transaction_count_with_its_marker(committed: bool) -> None:
    log, shard = MemoryLog(), GroupShard(group_config())
    for batch in (commit(1), transactional(9, 0, 77), transactional(8, 1, 77), transactional(7, 2, 88)):
        log.append(PARTITION, batch, 5)
    replay_slice(log, PARTITION, shard, 0, 10_000, 7)
    assert {index: found.offset for index, found in shard.offsets.by_group["g"]["t"].items()} == {0: 1}
    assert shard.offsets.is_pending("g", TopicPartition("t", 2))
    log.append(PARTITION, marker(77, committed), 6)
    assert replay_slice(log, PARTITION, shard, 4, 10_000, 7) == ReplayedSlice(None, 0)
    expected = {0: 9, 1: 8} if committed else {0: 1}
    assert {index: found.offset for index, found in shard.offsets.by_group["g"]["t"].items()} == expected
    assert not shard.offsets.is_pending("g", TopicPartition("t", 0))
    assert shard.offsets.is_pending("g", TopicPartition("t", 2))


def test_no_whole_batch_where_there_should_be_one() -> None:
    log, shard = MemoryLog(), GroupShard(group_config())
    log.ends[PARTITION] = 5
    with pytest.raises(KafkaError) as failure:
        replay_slice(log, PARTITION, shard, 0, 10, 7)
    assert failure.value.code is ErrorCode.CORRUPT_MESSAGE
