"""ListOffsets (key 2), versions 0-11.

v0 the list of segment starts of Kafka 0.8; v1 one offset by timestamp (KIP-79); v2 isolation level (KIP-98); v4 leader
epochs (KIP-320); v7 the offset of the largest timestamp, -3 (KIP-734); v8 earliest local, -4 (KIP-405); v9 latest
tiered, -5 (KIP-1005); v11 earliest pending upload, -6 (KIP-1023). There is no tiered storage here: -4 is the earliest
offset, -5 and -6 find nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

from kwire.api.context import RequestContext
from kwire.errors import ErrorCode, KafkaError
from kwire.replica.partition import Partition
from kwire.wire.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)
from kwire.wire.primitives import WireError

T = TypeVar("T")

FIRST_VERSION_WITH_EPOCHS = 4

LATEST = -1
EARLIEST = -2
MAX_TIMESTAMP = -3
EARLIEST_LOCAL = -4
LATEST_TIERED = -5
EARLIEST_PENDING_UPLOAD = -6

FIRST_VERSION_OF_TIMESTAMP = {
    LATEST: 0,
    EARLIEST: 0,
    MAX_TIMESTAMP: 7,
    EARLIEST_LOCAL: 8,
    LATEST_TIERED: 9,
    EARLIEST_PENDING_UPLOAD: 11,
}

Found = tuple[int, int, int]
"""Timestamp, offset and leader epoch; -1 for each that is not known."""

NOTHING: Found = (-1, -1, -1)


Steps = Generator[Callable[[], Any], Any, T]
"""Work that may take long is yielded, and its outcome sent back."""


def handle(
    request: ListOffsetsRequest, context: RequestContext
) -> ListOffsetsResponse | Awaitable[ListOffsetsResponse]:
    """Each partition's offset, or its error; a partition that is asked twice is INVALID_REQUEST, once.

    Answered at once, unless a batch of a great many records must be searched: a thread does that.
    """
    steps = _respond(request, context)
    try:
        work = next(steps)
    except StopIteration as end:
        response: ListOffsetsResponse = end.value
        return response
    return _in_threads(steps, work, context)


async def _in_threads(
    steps: Steps[ListOffsetsResponse], work: Callable[[], Any], context: RequestContext
) -> ListOffsetsResponse:
    loop = asyncio.get_running_loop()
    while True:
        try:
            try:
                async with context.services.heavy_work:
                    found = await loop.run_in_executor(None, work)
            except (KafkaError, WireError) as error:
                work = steps.throw(error)
            else:
                work = steps.send(found)
        except StopIteration as end:
            response: ListOffsetsResponse = end.value
            return response


def _respond(request: ListOffsetsRequest, context: RequestContext) -> Steps[ListOffsetsResponse]:
    if request.isolation_level not in (0, 1):
        raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, f"unknown isolation level {request.isolation_level}")
    asked: dict[tuple[str, int], int] = {}
    for topic in request.topics:
        for partition in topic.partitions:
            key = (topic.name, partition.partition_index)
            asked[key] = asked.get(key, 0) + 1
    topics = []
    for topic in request.topics:
        answers = []
        for partition in topic.partitions:
            times = asked.pop((topic.name, partition.partition_index), 0)
            if times:
                answer = yield from _answer(request, context, topic.name, partition, asked_once=times == 1)
                answers.append(answer)
        topics.append(ListOffsetsTopicResponse(name=topic.name, partitions=answers))
    return ListOffsetsResponse(topics=topics, throttle_time_ms=0)


def error_response(request: ListOffsetsRequest, code: ErrorCode, message: str | None) -> ListOffsetsResponse:
    """Every partition of the request answered with `code`."""
    return ListOffsetsResponse(
        topics=[
            ListOffsetsTopicResponse(
                name=topic.name,
                partitions=[
                    ListOffsetsPartitionResponse(
                        partition_index=partition.partition_index, error_code=code, old_style_offsets=[]
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ],
        throttle_time_ms=0,
    )


def _answer(
    request: ListOffsetsRequest,
    context: RequestContext,
    topic: str,
    asked: ListOffsetsPartition,
    *,
    asked_once: bool,
) -> Steps[ListOffsetsPartitionResponse]:
    index = asked.partition_index
    version = context.api_version
    try:
        if not asked_once:
            raise KafkaError(ErrorCode.INVALID_REQUEST)
        if asked.timestamp < 0 and version < FIRST_VERSION_OF_TIMESTAMP.get(asked.timestamp, version + 1):
            raise KafkaError(ErrorCode.UNSUPPORTED_VERSION)
        partition = context.services.replicas.partition(topic, index)
        partition.check_leader(asked.current_leader_epoch)
        if version == 0:
            offsets = _segment_starts(partition, asked.timestamp, asked.max_num_offsets)
            return ListOffsetsPartitionResponse(
                partition_index=index, error_code=ErrorCode.NONE, old_style_offsets=offsets
            )
        committed = request.isolation_level == 1
        timestamp, offset, epoch = yield from _find(partition, asked.timestamp, read_committed=committed)
    except KafkaError as error:
        return ListOffsetsPartitionResponse(partition_index=index, error_code=error.code, old_style_offsets=[])
    return ListOffsetsPartitionResponse(
        partition_index=index,
        error_code=ErrorCode.NONE,
        timestamp=timestamp,
        offset=offset,
        leader_epoch=epoch if version >= FIRST_VERSION_WITH_EPOCHS else -1,
        old_style_offsets=[],
    )


def _find(partition: Partition, timestamp: int, *, read_committed: bool) -> Steps[Found]:
    log = partition.log
    limit = log.last_stable_offset if read_committed else log.high_watermark
    if timestamp == LATEST:
        return -1, limit, log.latest_epoch
    if timestamp in (EARLIEST, EARLIEST_LOCAL):
        return -1, log.log_start_offset, log.epochs.epoch_for(log.log_start_offset)
    if timestamp in (LATEST_TIERED, EARLIEST_PENDING_UPLOAD):
        return NOTHING
    from kwire.log import lookup

    try:
        if timestamp == MAX_TIMESTAMP:
            found = yield from lookup.max_timestamp_offset(log)
        else:
            found = yield from lookup.offset_for_timestamp(log, timestamp)
    except (OSError, WireError) as error:
        raise log.read_error(error) from error
    if found is None or found[1] >= limit:
        return NOTHING
    return found


def _segment_starts(partition: Partition, timestamp: int, max_count: int) -> list[int]:
    """Version 0: up to `max_count` offsets, newest first, at which segments start that were written before then."""
    log = partition.log
    if timestamp == EARLIEST:
        return [log.log_start_offset][:max_count]
    starts = [
        max(segment.base_offset, log.log_start_offset)
        for segment in log.segments
        if timestamp == LATEST or segment.largest_timestamp_or_mtime() <= timestamp
    ]
    if timestamp == LATEST:
        starts.append(log.high_watermark)
    return sorted(set(starts), reverse=True)[: max(max_count, 0)]
