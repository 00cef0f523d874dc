"""Offsets of open transactions, many of them: looking one up does not look at all."""

from __future__ import annotations

import time

from kwire.coord.decision import Decision
from kwire.coord.group.offsets import GroupOffsets
from kwire.ids import TopicPartition
from kwire.wire.messages.group_records import OffsetCommitKey, OffsetCommitValue
from tests.coord.group.configs import group_config

COUNT = 20_000
PRODUCER_ID = 7


def pending_offsets() -> GroupOffsets:
    """`COUNT` offsets of one group in one open transaction."""
    offsets = GroupOffsets(group_config())
    value = OffsetCommitValue(offset=1, leader_epoch=-1, metadata="", commit_timestamp=0, expire_timestamp=-1)
    for partition in range(COUNT):
        offsets.replay(OffsetCommitKey(group="g", topic="t", partition=partition), value, PRODUCER_ID)
    return offsets


def test_many_pending_offsets_are_looked_up_one_by_one() -> None:
    offsets = pending_offsets()
    began = time.process_time()
    assert all(offsets.is_pending("g", TopicPartition("t", partition)) for partition in range(COUNT))
    out = Decision()
    for partition in range(2 * COUNT):
        offsets.delete("g", "t", partition, out)
    assert time.process_time() - began < 5  # Some 50 ms; minutes if each one looked at all of them.
    assert len(out.records) == COUNT


def test_what_is_pending_is_no_other_groups_or_topics() -> None:
    offsets = pending_offsets()
    assert not offsets.is_pending("h", TopicPartition("t", 0))
    assert not offsets.is_pending("g", TopicPartition("u", 0))
    offsets.replay_marker(PRODUCER_ID, True)
    assert not offsets.is_pending("g", TopicPartition("t", 0))
