"""DescribeLogDirs (key 35), versions 0-5: what lies in each log directory (KIP-113).

A partition that is moving to a directory is listed there as a future replica, with its lag. v3 a top-level error; v4
the size of the volume and what is free on it (KIP-827); v5 cordoned directories (KIP-1066), which kwire does not have.
"""

from __future__ import annotations

import os
from asyncio import sleep
from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING

from kwire.api.context import RequestContext
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.log.directory import LogDirectory
from kwire.wire.messages.describe_log_dirs import (
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)

if TYPE_CHECKING:
    from kwire.log.log import Log

OPENED_AT_ONCE = 16
"""How many logs are opened in one turn of the event loop: some milliseconds."""


def handle(
    request: DescribeLogDirsRequest, context: RequestContext
) -> DescribeLogDirsResponse | Awaitable[DescribeLogDirsResponse]:
    """Every directory with its partitions: all of them, or those that are asked for (a null list asks for all).

    Answered at once, unless logs must be opened first.
    """
    wanted: set[TopicPartition] | None = None
    if request.topics is not None:
        wanted = {TopicPartition(topic.topic, index) for topic in request.topics for index in topic.partitions}
    unopened = [
        log
        for log in context.services.logs.logs()
        if not (log.is_loaded or log.is_failed) and (wanted is None or log.topic_partition in wanted)
    ]
    return _open_first(unopened, wanted, context) if unopened else _respond(wanted, context)


async def _open_first(
    unopened: list[Log], wanted: set[TopicPartition] | None, context: RequestContext
) -> DescribeLogDirsResponse:
    """Open logs for their sizes, with a turn of the event loop every so many; then answer."""
    for count, log in enumerate(unopened, 1):
        # It may have been deleted meanwhile, or its directory gone offline. What cannot be opened is answered later.
        if not log.is_failed:
            with suppress(KafkaError):
                log.load()
        if count % OPENED_AT_ONCE == 0:
            await sleep(0)
    return _respond(wanted, context)


def _respond(wanted: set[TopicPartition] | None, context: RequestContext) -> DescribeLogDirsResponse:
    results = []
    for directory in context.services.logs.directories:
        try:
            results.append(_describe(directory, wanted, context))
        except (KafkaError, OSError):
            results.append(
                DescribeLogDirsResult(error_code=ErrorCode.KAFKA_STORAGE_ERROR, log_dir=str(directory.path), topics=[])
            )
    return DescribeLogDirsResponse(error_code=ErrorCode.NONE, results=results, throttle_time_ms=0)


def _describe(
    directory: LogDirectory, wanted: set[TopicPartition] | None, context: RequestContext
) -> DescribeLogDirsResult:
    """One directory. KafkaError or OSError when it is offline or cannot be read."""
    if not directory.is_online:
        raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)
    topics: dict[str, DescribeLogDirsTopic] = {}
    for log in context.services.logs.logs_of(directory):
        name = log.topic_partition
        if wanted is not None and name not in wanted:
            continue
        topic = topics.setdefault(name.topic, DescribeLogDirsTopic(name=name.topic, partitions=[]))
        topic.partitions.append(
            DescribeLogDirsPartition(
                partition_index=name.partition, partition_size=log.size, offset_lag=0, is_future_key=False
            )
        )
    for move in context.services.logs.relocations:
        name = move.log.topic_partition
        if move.target is directory and (wanted is None or name in wanted):
            topic = topics.setdefault(name.topic, DescribeLogDirsTopic(name=name.topic, partitions=[]))
            topic.partitions.append(
                DescribeLogDirsPartition(
                    partition_index=name.partition,
                    partition_size=move.future.size,
                    offset_lag=max(move.lag, 0),
                    is_future_key=True,
                )
            )
    volume = os.statvfs(directory.path)
    return DescribeLogDirsResult(
        error_code=ErrorCode.NONE,
        log_dir=str(directory.path),
        topics=list(topics.values()),
        total_bytes=volume.f_blocks * volume.f_frsize,
        usable_bytes=volume.f_bavail * volume.f_frsize,
    )
