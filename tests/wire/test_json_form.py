from __future__ import annotations

import os
from pathlib import Path

import pytest

from kwire.wire.codec import DecodeError, from_json, to_json
from kwire.wire.messages.fetch import FetchRequest, FetchTopic
from kwire.wire.messages.leader_and_isr import LeaderAndIsrRequest
from kwire.wire.messages.produce import PartitionProduceData
from kwire.wire.parts import FileRange


def test_the_fields_of_the_version_under_kafkas_names() -> None:
    value = FetchRequest(
        max_wait_ms=1, min_bytes=2, topics=[FetchTopic(topic_id=bytes(range(16)), partitions=[])], cluster_id=None
    )
    json = to_json(value, 13)
    assert json == {
        "replicaId": -1,
        "maxWaitMs": 1,
        "minBytes": 2,
        "maxBytes": 2147483647,
        "isolationLevel": 0,
        "sessionId": 0,
        "sessionEpoch": -1,
        "topics": [{"topicId": "AAECAwQFBgcICQoLDA0ODw", "partitions": []}],
        "forgottenTopicsData": [],
        "rackId": "",
    }
    assert from_json(FetchRequest, 13, json) == value
    assert (
        to_json(LeaderAndIsrRequest(controller_id=0, controller_epoch=0, live_leaders=[]), 7)["isKRaftController"]
        is False
    )


def test_records_are_shown_whatever_they_are_made_of(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    path.write_bytes(b"0123")
    fd = os.open(path, os.O_RDONLY)
    try:
        value = PartitionProduceData(index=0, records=[FileRange(fd, 1, 2), memoryview(b"x")])
        assert to_json(value, 3) == {"index": 0, "records": "MTJ4"}
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    ("json", "reason"),
    [
        ({"index": 1}, "needs records"),
        ({"index": 1, "records": None, "more": 1}, "has no more"),
        ({"index": 1, "records": "*"}, "records"),
        ({"index": None, "records": None}, "must not be null"),
    ],
)
def test_json_that_is_no_message(json: dict[str, object], reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        from_json(PartitionProduceData, 3, json)
