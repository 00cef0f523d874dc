"""DeleteGroups at every version."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kwire.api.delete_groups import error_response
from kwire.errors import ErrorCode
from kwire.wire.messages.delete_groups import DeleteGroupsRequest
from kwire.wire.messages.delete_topics import DeleteTopicsRequest
from kwire.wire.messages.list_groups import ListGroupsRequest
from kwire.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from tests.api.group_world import GroupWorld
from tests.api.served import Served, batch
from tests.api.share_client import acquired, joined


@pytest.mark.parametrize("version", range(3))
def test_each_group_has_a_result(version: int) -> None:
    world = GroupWorld()

    async def delete() -> None:
        await world.join("busy")
        commit = OffsetCommitRequest(
            group_id="simple",
            topics=[
                OffsetCommitRequestTopic(
                    name="t",
                    partitions=[
                        OffsetCommitRequestPartition(partition_index=0, committed_offset=1, committed_metadata=None)
                    ],
                )
            ],
        )
        await world.call(commit, 2)
        request = DeleteGroupsRequest(groups_names=["busy", "simple", "nowhere", "simple"])
        response = await world.call(request, version)
        assert {result.group_id: result.error_code for result in response.results} == {
            "busy": ErrorCode.NON_EMPTY_GROUP,
            "simple": ErrorCode.NONE,
            "nowhere": ErrorCode.GROUP_ID_NOT_FOUND,
        }
        assert len(response.results) == 3

    asyncio.run(delete())


def test_error_response() -> None:
    response = error_response(DeleteGroupsRequest(groups_names=["a", "b"]), ErrorCode.UNKNOWN_SERVER_ERROR, None)
    assert [result.error_code for result in response.results] == [ErrorCode.UNKNOWN_SERVER_ERROR] * 2


def test_a_share_group_whose_topic_was_deleted_after_a_restart(tmp_path: Path) -> None:
    served = Served(directories=[tmp_path])
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a"))
    client = joined(served, "t")
    assert acquired(client.fetch(topic_id)) == [(0, 0, 1)]
    client.beat(epoch=-1)
    served.close()
    served = Served(directories=[tmp_path])
    try:
        (listed,) = served.call(ListGroupsRequest(), 5).groups
        assert listed.group_id == "g"
        (topic,) = served.call(DeleteTopicsRequest(topic_names=["t"], timeout_ms=1000), 5).responses
        assert topic.error_code == ErrorCode.NONE
        (result,) = served.call(DeleteGroupsRequest(groups_names=["g"]), 2).results
        assert (result.group_id, result.error_code) == ("g", ErrorCode.NONE)
    finally:
        served.close()
