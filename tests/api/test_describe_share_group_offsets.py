"""DescribeShareGroupOffsets: start offsets and lags, of all partitions or of those asked for."""

from __future__ import annotations

from typing import Any

from kwire.errors import ErrorCode
from kwire.ids import ZERO_UUID
from kwire.wire.messages.describe_share_group_offsets import (
    DescribeShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsRequestGroup,
    DescribeShareGroupOffsetsRequestTopic,
)
from tests.api.served import Served, batch
from tests.api.share_client import ACCEPT, joined


def describe(served: Served, *partitions: int, topic: str | None = None, group: str = "g") -> Any:
    topics = None
    if topic is not None:
        topics = [DescribeShareGroupOffsetsRequestTopic(topic_name=topic, partitions=list(partitions))]
    asked = DescribeShareGroupOffsetsRequestGroup(group_id=group, topics=topics)
    (found,) = served.call(DescribeShareGroupOffsetsRequest(groups=[asked]), 1).groups
    return found


def test_how_far_a_group_is(served: Served) -> None:
    topic_id = served.create_topic("t", 2)
    served.fill("t", batch(b"a", b"b", b"c", b"d"))
    client = joined(served, "t")
    client.fetch(topic_id)
    client.fetch(about=(topic_id, 0), said=[(0, 0, ACCEPT), (2, 2, ACCEPT)])
    client.fetch(about=(topic_id, 0), said=[(1, 1, ACCEPT)])
    found = describe(served)
    assert (found.error_code, found.group_id) == (ErrorCode.NONE, "g")
    (topic,) = found.topics
    assert (topic.topic_name, topic.topic_id) == ("t", topic_id)
    # The last write said: from 1 on, with offsets 1 and 2 done. The other partition was never read.
    assert [(p.partition_index, p.start_offset, p.lag) for p in topic.partitions] == [(0, 1, 1), (1, -1, -1)]


def test_partitions_asked_for(served: Served) -> None:
    served.create_topic("t")
    joined(served, "t")
    (topic,) = describe(served, 0, 7, topic="t").topics
    assert [(p.partition_index, p.start_offset, p.error_code) for p in topic.partitions] == [(0, -1, 0), (7, -1, 0)]
    (topic,) = describe(served, 0, topic="unknown").topics
    assert (topic.topic_id, topic.partitions[0].start_offset) == (ZERO_UUID, -1)


def test_groups_without_states(served: Served) -> None:
    served.create_topic("t")
    joined(served, "t")
    assert describe(served, group="nobody").topics == []
