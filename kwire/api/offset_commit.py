"""OffsetCommit (key 8), versions 0-10.

v1 members and generations, and a timestamp per partition (v1 only); v2-v4 a retention time of the request's own; v6
leader epochs (KIP-320); v7 static members (KIP-345); v9 GROUP_ID_NOT_FOUND for a generation of an unknown group, and
STALE_MEMBER_EPOCH for members of consumer groups, who need v9 (KIP-848); v10 topic ids (KIP-848). Version 0 is stored
like the others; Apache Kafka 3.9 kept it in ZooKeeper.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from kwire.api.context import RequestContext
from kwire.coord.group.coordinator import commit_refused
from kwire.errors import ErrorCode
from kwire.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)

FIRST_VERSION_WITH_UNKNOWN_GROUPS = FIRST_VERSION_WITH_MEMBER_EPOCHS = 9
FIRST_VERSION_WITH_TOPIC_IDS = 10
LAST_TIMESTAMP = 2**63 - 1


def handle(
    request: OffsetCommitRequest, context: RequestContext
) -> OffsetCommitResponse | asyncio.Future[OffsetCommitResponse] | Coroutine[None, None, OffsetCommitResponse]:
    """Offsets of partitions that exist go to the group's coordinator; the others are answered here."""
    refused = _take_out_unknown(request, context)
    if not request.topics:
        return OffsetCommitResponse(topics=refused)
    # "For ever" is said with the largest number, after which there is no instant.
    request.retention_time_ms = min(request.retention_time_ms, LAST_TIMESTAMP - context.now_ms)
    answer = context.services.groups.commit_offsets(
        request,
        unknown_group=ErrorCode.GROUP_ID_NOT_FOUND
        if context.api_version >= FIRST_VERSION_WITH_UNKNOWN_GROUPS
        else ErrorCode.ILLEGAL_GENERATION,
        knows_member_epochs=context.api_version >= FIRST_VERSION_WITH_MEMBER_EPOCHS,
    )
    if not refused:
        return answer
    return _merged(answer, refused) if isinstance(answer, OffsetCommitResponse) else _merged_later(answer, refused)


def error_response(request: OffsetCommitRequest, code: ErrorCode, message: str | None) -> OffsetCommitResponse:
    """Every partition of the request answered with `code`."""
    return commit_refused(request, code)


def _take_out_unknown(request: OffsetCommitRequest, context: RequestContext) -> list[OffsetCommitResponseTopic]:
    """Leave in the request what exists, by name; the answer for the rest.

    UNKNOWN_TOPIC_OR_PARTITION; UNKNOWN_TOPIC_ID for an id that no topic has.
    """
    metadata = context.services.metadata
    known: list[OffsetCommitRequestTopic] = []
    refused: list[OffsetCommitResponseTopic] = []
    for topic in request.topics:
        code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if context.api_version >= FIRST_VERSION_WITH_TOPIC_IDS:
            code = ErrorCode.UNKNOWN_TOPIC_ID
            topic.name = metadata.topic_names.get(topic.topic_id, "")
        image = metadata.topics.get(topic.name)
        if image is None:
            refused.append(_refused(topic, topic.partitions, code))
            continue
        count = len(image.partitions)
        unknown = [partition for partition in topic.partitions if not 0 <= partition.partition_index < count]
        if unknown:
            refused.append(_refused(topic, unknown, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
            topic.partitions = [partition for partition in topic.partitions if 0 <= partition.partition_index < count]
        if topic.partitions:
            known.append(topic)
    request.topics = known
    return refused


def _refused(
    topic: OffsetCommitRequestTopic, partitions: list[OffsetCommitRequestPartition], code: ErrorCode
) -> OffsetCommitResponseTopic:
    answers = [
        OffsetCommitResponsePartition(partition_index=partition.partition_index, error_code=code)
        for partition in partitions
    ]
    return OffsetCommitResponseTopic(name=topic.name, topic_id=topic.topic_id, partitions=answers)


def _merged(response: OffsetCommitResponse, refused: list[OffsetCommitResponseTopic]) -> OffsetCommitResponse:
    """Both answers in one, each topic once."""
    topics = {(topic.name, topic.topic_id): topic for topic in response.topics}
    for topic in refused:
        accepted = topics.get((topic.name, topic.topic_id))
        if accepted is None:
            response.topics.append(topic)
        else:
            accepted.partitions += topic.partitions
    return response


async def _merged_later(
    answer: asyncio.Future[OffsetCommitResponse], refused: list[OffsetCommitResponseTopic]
) -> OffsetCommitResponse:
    return _merged(await answer, refused)
