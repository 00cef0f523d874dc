"""AlterShareGroupOffsets: a group without members begins elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kwire.coord.share import persister as persister_module
from kwire.errors import ErrorCode
from kwire.wire.messages.alter_share_group_offsets import (
    AlterShareGroupOffsetsRequest,
    AlterShareGroupOffsetsRequestPartition,
    AlterShareGroupOffsetsRequestTopic,
)
from tests.api.served import Served, batch
from tests.api.share_client import ACCEPT, ShareClient, acquired, joined
from tests.api.share_states import ONE_STATE_PARTITION, many_states
from tests.api.test_share_group_heartbeat import consumer


def alter(served: Served, *offsets: tuple[int, int], topic: str = "t", group: str = "g") -> Any:
    partitions = [
        AlterShareGroupOffsetsRequestPartition(partition_index=index, start_offset=offset) for index, offset in offsets
    ]
    topics = [AlterShareGroupOffsetsRequestTopic(topic_name=topic, partitions=partitions)]
    return served.call(AlterShareGroupOffsetsRequest(group_id=group, topics=topics), 0)


def test_a_group_begins_elsewhere(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a"), batch(b"b"), batch(b"c"))
    client = joined(served, "t")
    client.fetch(topic_id)
    client.fetch(about=(topic_id, 0), said=[(0, 2, ACCEPT)])
    assert alter(served, (0, 1)).error_code == ErrorCode.NON_EMPTY_GROUP
    client.beat(epoch=-1)
    altered = alter(served, (0, 1), (8, 0))
    ((first, second),) = [topic.partitions for topic in altered.responses]
    assert (altered.error_code, first.error_code) == (ErrorCode.NONE, ErrorCode.NONE)
    assert second.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert acquired(joined(served, "t", member="n").fetch(topic_id)) == [(1, 2, 1)]


def test_a_group_that_is_new(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a"), batch(b"b"))
    joined(served, "t", group="other")
    assert alter(served, (0, 1), group="new").error_code == ErrorCode.NONE
    assert acquired(joined(served, "t", group="new").fetch(topic_id)) == [(1, 1, 1)]


def test_what_is_refused(served: Served) -> None:
    served.create_topic("t")
    joined(served, "t", group="other")
    assert alter(served, (0, 1), group="").error_code == ErrorCode.INVALID_GROUP_ID
    (topic,) = alter(served, (0, 1), topic="unknown").responses
    assert topic.partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    served.call(consumer("c"), 1)
    assert alter(served, (0, 1), group="c").error_code == ErrorCode.GROUP_ID_NOT_FOUND


def test_it_waits_while_the_states_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persister_module, "FIRST_DELAY_S", 0.001)
    topic_id = many_states(tmp_path, leaves=True)
    served = Served(ONE_STATE_PARTITION, directories=[tmp_path])
    try:
        client = ShareClient(served)  # It has the groups loaded; the states are, with the first request for them.
        (topic,) = alter(served, (0, 399)).responses
        assert topic.partitions[0].error_code == ErrorCode.NONE
        client.beat("t")
        assert acquired(client.fetch(topic_id)) == [(399, 400, 1)]
    finally:
        served.close()
