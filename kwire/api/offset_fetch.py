"""OffsetFetch (key 9), versions 0-10.

v2 null topics mean all of them, and a top-level error; v5 leader epochs (KIP-320); v7 stable offsets only, on request
(KIP-447); v8 several groups (KIP-709); v9 member epochs (KIP-848; a classic group has none and ignores them); v10
topic ids (KIP-848). Version 0 reads what the others do; Apache Kafka 3.9 read it from ZooKeeper.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from kwire.api.context import RequestContext
from kwire.coord.runtime import when_all
from kwire.errors import ErrorCode
from kwire.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)

FIRST_VERSION_WITH_TOP_LEVEL_ERROR = 2
FIRST_VERSION_WITH_GROUPS = 8
FIRST_VERSION_WITH_TOPIC_IDS = 10

Answer = OffsetFetchResponse | asyncio.Future[OffsetFetchResponse] | Coroutine[None, None, OffsetFetchResponse]


def handle(request: OffsetFetchRequest, context: RequestContext) -> Answer:
    """What each group has committed; -1 where that is nothing."""
    if context.api_version < FIRST_VERSION_WITH_GROUPS:
        return _fetch_single(request, context)
    groups = context.services.groups
    with_ids = context.api_version >= FIRST_VERSION_WITH_TOPIC_IDS
    unknown = [_take_out_unknown_ids(group, context) if with_ids else [] for group in request.groups]

    def finish(answers: list[OffsetFetchResponseGroup]) -> OffsetFetchResponse:
        for answer, refused in zip(answers, unknown, strict=True):
            if with_ids and not answer.error_code:
                _put_ids(answer, context)
                answer.topics += refused
        return OffsetFetchResponse(groups=answers)

    return when_all([groups.fetch_offsets(group, request.require_stable) for group in request.groups], finish)


def error_response(request: OffsetFetchRequest, code: ErrorCode, message: str | None) -> OffsetFetchResponse:
    """Every group answered with `code`; before v8 the response itself is the group."""
    if request.groups:
        return OffsetFetchResponse(
            groups=[
                OffsetFetchResponseGroup(group_id=group.group_id, topics=[], error_code=code)
                for group in request.groups
            ]
        )
    return _single(request, OffsetFetchResponseGroup(group_id=request.group_id, topics=[], error_code=code))


def _fetch_single(request: OffsetFetchRequest, context: RequestContext) -> Answer:
    """Versions before 8: one group, its error at the top, or before v2 on every partition."""
    asked = request.topics
    topics = None
    if asked is not None:
        topics = [
            OffsetFetchRequestTopics(name=topic.name, partition_indexes=topic.partition_indexes) for topic in asked
        ]
    group = OffsetFetchRequestGroup(group_id=request.group_id, topics=topics)
    answer = context.services.groups.fetch_offsets(group, request.require_stable)
    return when_all([answer], lambda answers: _single(request, answers[0]))


def _single(request: OffsetFetchRequest, answer: OffsetFetchResponseGroup) -> OffsetFetchResponse:
    """An error stands on the partitions too: a version that has no other place for it drops the one at the top."""
    if answer.error_code:
        return OffsetFetchResponse(
            topics=[
                OffsetFetchResponseTopic(
                    name=topic.name,
                    partitions=[_unknown_in_old_form(index, answer.error_code) for index in topic.partition_indexes],
                )
                for topic in request.topics or []
            ],
            error_code=answer.error_code,
        )
    return OffsetFetchResponse(
        topics=[
            OffsetFetchResponseTopic(
                name=topic.name,
                partitions=[
                    OffsetFetchResponsePartition(
                        partition_index=partition.partition_index,
                        committed_offset=partition.committed_offset,
                        committed_leader_epoch=partition.committed_leader_epoch,
                        metadata=partition.metadata,
                        error_code=partition.error_code,
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in answer.topics
        ],
        error_code=ErrorCode.NONE,
    )


def _unknown_in_old_form(index: int, code: int) -> OffsetFetchResponsePartition:
    return OffsetFetchResponsePartition(partition_index=index, committed_offset=-1, metadata="", error_code=code)


def _take_out_unknown_ids(group: OffsetFetchRequestGroup, context: RequestContext) -> list[OffsetFetchResponseTopics]:
    """Name the topics of the request, and answer for ids that no topic has: UNKNOWN_TOPIC_ID on their partitions."""
    if group.topics is None:
        return []
    names = context.services.metadata.topic_names
    known: list[OffsetFetchRequestTopics] = []
    refused: list[OffsetFetchResponseTopics] = []
    for topic in group.topics:
        name = names.get(topic.topic_id)
        if name is not None:
            topic.name = name
            known.append(topic)
            continue
        partitions = [
            OffsetFetchResponsePartitions(
                partition_index=index, committed_offset=-1, metadata="", error_code=ErrorCode.UNKNOWN_TOPIC_ID
            )
            for index in topic.partition_indexes
        ]
        refused.append(OffsetFetchResponseTopics(topic_id=topic.topic_id, partitions=partitions))
    group.topics = known
    return refused


def _put_ids(answer: OffsetFetchResponseGroup, context: RequestContext) -> None:
    """Topics by id; one that exists no more has none and is left out."""
    images = context.services.metadata.topics
    topics = []
    for topic in answer.topics:
        image = images.get(topic.name)
        if image is not None:
            topic.topic_id = image.topic_id
            topics.append(topic)
    answer.topics = topics
