"""Who may commit within a transaction; the rest is in tests/scripts/group_consumer_offsets.txt."""

from __future__ import annotations

import pytest

from kwire.coord.group.consumer.group import ConsumerGroup
from kwire.coord.group.consumer.offset_checks import check_transactional_commit
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from tests.coord.group.script import Player


def group_of_two() -> tuple[ConsumerGroup, Player]:
    """Members a and b of topic t: a has partition 0 since epoch 2, b partition 1 since epoch 3."""
    player = Player()
    player.play("config consumer_assignment_interval_ms=0")
    player.play("topic t 2")
    for line in ("beat a", "beat b", "beat a owns=t:0", "beat b"):
        player.play(line)
    return player.shard.consumer.groups["g"], player


def commit(member_id: str, epoch: int, partition: int, instance_id: str | None = None) -> TxnOffsetCommitRequest:
    named = TxnOffsetCommitRequestPartition(partition_index=partition, committed_offset=1, committed_metadata="")
    return TxnOffsetCommitRequest(
        transactional_id="x",
        group_id="g",
        producer_id=1,
        producer_epoch=0,
        generation_id=epoch,
        member_id=member_id,
        group_instance_id=instance_id,
        topics=[TxnOffsetCommitRequestTopic(name="t", partitions=[named])],
    )


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (commit("", -1, 0), ErrorCode.NONE),
        (commit("a", 3, 0), ErrorCode.NONE),
        (commit("a", 2, 0), ErrorCode.NONE),
        (commit("b", 3, 1), ErrorCode.NONE),
        (commit("b", 2, 1), ErrorCode.STALE_MEMBER_EPOCH),
        (commit("a", 2, 1), ErrorCode.STALE_MEMBER_EPOCH),
        (commit("a", 4, 0), ErrorCode.STALE_MEMBER_EPOCH),
        (commit("ghost", 3, 0), ErrorCode.UNKNOWN_MEMBER_ID),
        (commit("", -1, 0, "i"), ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
def test_transactional_commits(request_: TxnOffsetCommitRequest, code: ErrorCode) -> None:
    group, player = group_of_two()
    if code is ErrorCode.NONE:
        check_transactional_commit(group, request_, player.topics)
        return
    with pytest.raises(KafkaError) as refused:
        check_transactional_commit(group, request_, player.topics)
    assert refused.value.code is code


def test_anybody_may_where_nobody_is() -> None:
    group, player = group_of_two()
    player.play("beat a epoch=-1")
    player.play("beat b epoch=-1")
    check_transactional_commit(group, commit("x", -1, 0), player.topics)
    with pytest.raises(KafkaError):
        check_transactional_commit(group, commit("x", 1, 0), player.topics)
