"""DeleteShareGroupOffsets (key 92), version 0: a share group without members forgets topics (KIP-932)."""

from __future__ import annotations

import asyncio

from kwire.api.context import RequestContext
from kwire.coord.group.share.offsets import delete_refused
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.delete_share_group_offsets import (
    DeleteShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsResponse,
)


async def handle(request: DeleteShareGroupOffsetsRequest, context: RequestContext) -> DeleteShareGroupOffsetsResponse:
    """One result per topic. What was begun is brought to its end, though the client should leave."""
    return await asyncio.shield(asyncio.ensure_future(_delete(request, context)))


async def _delete(request: DeleteShareGroupOffsetsRequest, context: RequestContext) -> DeleteShareGroupOffsetsResponse:
    response = await context.services.share.offsets.delete(request)
    if response.error_code == ErrorCode.NONE:
        context.services.share.partitions.drop_group(request.group_id)
    return response


def error_response(
    request: DeleteShareGroupOffsetsRequest, code: ErrorCode, message: str | None
) -> DeleteShareGroupOffsetsResponse:
    """`code` for the whole request."""
    return delete_refused(KafkaError(code, message))
