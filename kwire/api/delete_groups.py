"""DeleteGroups (key 42), versions 0-2: groups without members, with all that they committed (KIP-229).

Of a share group the states of its partitions go first (KIP-932).
"""

from __future__ import annotations

import asyncio

from kwire.api.context import RequestContext
from kwire.coord.answers import settled
from kwire.coord.group.coordinator import GroupCoordinator
from kwire.errors import ErrorCode
from kwire.wire.messages.delete_groups import DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse


def handle(
    request: DeleteGroupsRequest, context: RequestContext
) -> DeleteGroupsResponse | asyncio.Future[DeleteGroupsResponse]:
    """One result per group, each group once."""
    groups = context.services.groups
    if not any(_may_be_share_group(group_id, groups) for group_id in request.groups_names):
        return groups.delete_groups(request.groups_names)
    return asyncio.shield(asyncio.ensure_future(_delete_with_states(request, context)))


def error_response(request: DeleteGroupsRequest, code: ErrorCode, message: str | None) -> DeleteGroupsResponse:
    """Every group answered with `code`."""
    return DeleteGroupsResponse(
        throttle_time_ms=0,
        results=[DeletableGroupResult(group_id=group_id, error_code=code) for group_id in request.groups_names],
    )


def _may_be_share_group(group_id: str, groups: GroupCoordinator) -> bool:
    """Whether the partition of this group has ever had a share group; True if that cannot be told at once."""
    partition = groups.partition_for(group_id)
    answer = groups.runtime.read(
        partition, lambda shard, now_ms: shard.kinds.met("share") is not None, lambda code: False
    )
    return answer is not False


async def _delete_with_states(request: DeleteGroupsRequest, context: RequestContext) -> DeleteGroupsResponse:
    share = context.services.share
    refused = await share.offsets.before_deletion(request.groups_names)
    rest = [group_id for group_id in request.groups_names if group_id not in refused]
    response = await settled(context.services.groups.delete_groups(rest))
    for result in response.results:
        if result.error_code == ErrorCode.NONE:
            share.partitions.drop_group(result.group_id)
    response.results += [DeletableGroupResult(group_id=name, error_code=code) for name, code in refused.items()]
    return response
