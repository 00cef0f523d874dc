"""OffsetForLeaderEpoch: where epochs ended."""

from __future__ import annotations

from typing import Any

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from tests.api.served import Served, batch


def ask(served: Served, epoch: int, version: int = 4, *, topic: str = "t", current: int = -1) -> Any:
    partition = OffsetForLeaderPartition(partition=0, current_leader_epoch=current, leader_epoch=epoch)
    request = OffsetForLeaderEpochRequest(topics=[OffsetForLeaderTopic(topic=topic, partitions=[partition])])
    ((answer,),) = [found.partitions for found in served.call(request, version).topics]
    return answer


@pytest.mark.parametrize("version", range(5))
def test_every_version(served: Served, version: int) -> None:
    served.create_topic("t")
    served.fill("t", batch(b"a"))
    served.broker.services.replicas.partition("t", 0).become(1, 2, [1], [1], 1)
    served.fill("t", batch(b"b", b"c"))
    for epoch, end in [(0, (0, 1)), (1, (0, 1)), (2, (2, 3)), (5, (-1, -1))]:
        answer = ask(served, epoch, version)
        assert answer.error_code == ErrorCode.NONE
        assert (answer.leader_epoch, answer.end_offset) == (end[0] if version >= 1 else -1, end[1])


def test_errors(served: Served) -> None:
    served.create_topic("t")
    assert ask(served, 0, topic="u").error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert ask(served, 0, current=3).error_code == ErrorCode.UNKNOWN_LEADER_EPOCH
