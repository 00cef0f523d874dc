"""DeleteGroups at every version."""

from __future__ import annotations

import asyncio

import pytest

from kwire.api.delete_groups import error_response
from kwire.errors import ErrorCode
from kwire.wire.messages.delete_groups import DeleteGroupsRequest
from kwire.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from tests.api.group_world import GroupWorld


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
