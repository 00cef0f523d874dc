"""OffsetDelete (key 47), version 0: forget a group's offsets of topics that it does not consume (KIP-496)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from kwire.api.context import RequestContext
from kwire.errors import ErrorCode
from kwire.wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)


def handle(
    request: OffsetDeleteRequest, context: RequestContext
) -> OffsetDeleteResponse | asyncio.Future[OffsetDeleteResponse] | Coroutine[None, None, OffsetDeleteResponse]:
    """One result per partition, or a top-level error for the group. What does not exist never gets to the group."""
    refused = _take_out_unknown(request, context)
    answer = context.services.groups.delete_offsets(request)
    if not refused:
        return answer
    return _merged(answer, refused) if isinstance(answer, OffsetDeleteResponse) else _merged_later(answer, refused)


def _take_out_unknown(request: OffsetDeleteRequest, context: RequestContext) -> list[OffsetDeleteResponseTopic]:
    """Leave in the request what exists; UNKNOWN_TOPIC_OR_PARTITION for the rest."""
    images = context.services.metadata.topics
    known: list[OffsetDeleteRequestTopic] = []
    refused: list[OffsetDeleteResponseTopic] = []
    for topic in request.topics:
        image = images.get(topic.name)
        count = 0 if image is None else len(image.partitions)
        unknown = [
            OffsetDeleteResponsePartition(
                partition_index=partition.partition_index, error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            )
            for partition in topic.partitions
            if not 0 <= partition.partition_index < count
        ]
        if unknown:
            refused.append(OffsetDeleteResponseTopic(name=topic.name, partitions=unknown))
            topic.partitions = [partition for partition in topic.partitions if 0 <= partition.partition_index < count]
        if topic.partitions:
            known.append(topic)
    request.topics = known
    return refused


def _merged(response: OffsetDeleteResponse, refused: list[OffsetDeleteResponseTopic]) -> OffsetDeleteResponse:
    """Both answers in one, each topic once; the group's error says everything there is to say."""
    if response.error_code:
        return response
    topics = {topic.name: topic for topic in response.topics}
    for topic in refused:
        accepted = topics.get(topic.name)
        if accepted is None:
            response.topics.append(topic)
        else:
            accepted.partitions += topic.partitions
    return response


async def _merged_later(
    answer: asyncio.Future[OffsetDeleteResponse], refused: list[OffsetDeleteResponseTopic]
) -> OffsetDeleteResponse:
    return _merged(await answer, refused)
