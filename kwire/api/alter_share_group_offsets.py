"""AlterShareGroupOffsets (key 91), version 0: a share group without members begins elsewhere (KIP-932)."""

from __future__ import annotations

import asyncio

from kwire.api.context import RequestContext
from kwire.coord.group.share.offsets import alter_refused
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.alter_share_group_offsets import AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse


async def handle(request: AlterShareGroupOffsetsRequest, context: RequestContext) -> AlterShareGroupOffsetsResponse:
    """One result per partition. What was begun is brought to its end, though the client should leave."""
    return await asyncio.shield(asyncio.ensure_future(_alter(request, context)))


async def _alter(request: AlterShareGroupOffsetsRequest, context: RequestContext) -> AlterShareGroupOffsetsResponse:
    response = await context.services.share.offsets.alter(request)
    if response.error_code == ErrorCode.NONE:
        context.services.share.partitions.drop_group(request.group_id)
    return response


def error_response(
    request: AlterShareGroupOffsetsRequest, code: ErrorCode, message: str | None
) -> AlterShareGroupOffsetsResponse:
    """`code` for the whole request."""
    return alter_refused(KafkaError(code, message))
