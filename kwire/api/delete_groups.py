"""DeleteGroups (key 42), versions 0-2: groups without members, with all that they committed (KIP-229)."""

from __future__ import annotations

import asyncio

from kwire.api.context import RequestContext
from kwire.errors import ErrorCode
from kwire.wire.messages.delete_groups import DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse


def handle(
    request: DeleteGroupsRequest, context: RequestContext
) -> DeleteGroupsResponse | asyncio.Future[DeleteGroupsResponse]:
    """One result per group, each group once."""
    return context.services.groups.delete_groups(request.groups_names)


def error_response(request: DeleteGroupsRequest, code: ErrorCode, message: str | None) -> DeleteGroupsResponse:
    """Every group answered with `code`."""
    return DeleteGroupsResponse(
        throttle_time_ms=0,
        results=[DeletableGroupResult(group_id=group_id, error_code=code) for group_id in request.groups_names],
    )
