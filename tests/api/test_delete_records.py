"""DeleteRecords: the start of a log moves, within bounds."""

from __future__ import annotations

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from tests.api.served import Served, batch


def delete(served: Served, offset: int, version: int = 2, topic: str = "t") -> tuple[int, int]:
    partitions = [DeleteRecordsPartition(partition_index=0, offset=offset)]
    request = DeleteRecordsRequest(timeout_ms=1000, topics=[DeleteRecordsTopic(name=topic, partitions=partitions)])
    ((result,),) = [found.partitions for found in served.call(request, version).topics]
    return result.error_code, result.low_watermark


@pytest.fixture
def filled(served: Served) -> Served:
    """Ten records in ten batches."""
    served.create_topic("t")
    served.fill("t", *[batch(b"a")] * 10)
    return served


@pytest.mark.parametrize("version", range(3))
def test_every_version(filled: Served, version: int) -> None:
    assert delete(filled, 4, version) == (ErrorCode.NONE, 4)
    assert filled.log("t").log_start_offset == 4


def test_bounds(filled: Served) -> None:
    assert delete(filled, 11) == (ErrorCode.OFFSET_OUT_OF_RANGE, -1)
    assert delete(filled, -2) == (ErrorCode.OFFSET_OUT_OF_RANGE, -1)
    assert delete(filled, 5) == (ErrorCode.NONE, 5)
    assert delete(filled, 3) == (ErrorCode.NONE, 5)
    assert delete(filled, -1) == (ErrorCode.NONE, 10)
    assert delete(filled, 0, topic="u") == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1)


def test_compacted_topics_are_not_deleted_from(served: Served) -> None:
    served.create_topic("t", cleanup_policy="compact")
    assert delete(served, 0) == (ErrorCode.POLICY_VIOLATION, -1)


@pytest.mark.parametrize("topic", ["__consumer_offsets", "__share_group_state", "__transaction_state"])
def test_internal_topics_are_their_coordinators_own(served: Served, topic: str) -> None:
    served.create_topic(topic, cleanup_policy="delete")
    served.fill(topic, batch(b"a"))
    assert delete(served, -1, topic=topic) == (ErrorCode.INVALID_TOPIC_EXCEPTION, -1)
    assert served.log(topic).log_start_offset == 0
