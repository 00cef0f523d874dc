"""AlterReplicaLogDirs (key 34), versions 0-2: move replicas to other log directories while they are used (KIP-113).

v2 flexible. The answer says that the move has begun, not that it is over: DescribeLogDirs shows a future replica until
then. A partition without a replica here is created in that directory, should it come (REPLICA_NOT_AVAILABLE all the
same).
"""

from __future__ import annotations

import logging

from kwire.api.context import RequestContext
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.wire.messages.alter_replica_log_dirs import (
    AlterReplicaLogDirPartitionResult,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
    AlterReplicaLogDirTopicResult,
)

logger = logging.getLogger("kwire.api")


def handle(request: AlterReplicaLogDirsRequest, context: RequestContext) -> AlterReplicaLogDirsResponse:
    """An error per partition; a partition that is named twice goes to the directory that is named last."""
    wanted = {
        TopicPartition(topic.name, index): directory.path
        for directory in request.dirs
        for topic in directory.topics
        for index in topic.partitions
    }
    topics: dict[str, AlterReplicaLogDirTopicResult] = {}
    for name, path in wanted.items():
        topic = topics.setdefault(name.topic, AlterReplicaLogDirTopicResult(topic_name=name.topic, partitions=[]))
        code = _move(name, path, context)
        topic.partitions.append(AlterReplicaLogDirPartitionResult(partition_index=name.partition, error_code=code))
    return AlterReplicaLogDirsResponse(throttle_time_ms=0, results=list(topics.values()))


def _move(name: TopicPartition, path: str, context: RequestContext) -> ErrorCode:
    services = context.services
    try:
        _ask(name, path, context)
    except KafkaError as error:
        logger.warning("%s is not moved to %s: %s", name, path, error)
        is_known = services.metadata.partition_count(name.topic) > name.partition
        if error.code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION and is_known:
            # The cluster has it, this broker has no replica of it.
            return ErrorCode.REPLICA_NOT_AVAILABLE
        return error.code
    return ErrorCode.NONE


def _ask(name: TopicPartition, path: str, context: RequestContext) -> None:
    """Begin the move of a partition that is served here; of any other, remember the wish, and raise why it is not.

    A log that lies here, and that the cluster does not know, stays where it is.
    """
    relocations = context.services.logs.relocations
    try:
        context.services.replicas.partition(name.topic, name.partition)
    except KafkaError:
        relocations.prefer(name, path)
        raise
    relocations.request(name, path, context.now_ms)


def error_response(
    request: AlterReplicaLogDirsRequest, code: ErrorCode, message: str | None
) -> AlterReplicaLogDirsResponse:
    """`code` for every partition."""
    topics: dict[str, AlterReplicaLogDirTopicResult] = {}
    for directory in request.dirs:
        for asked in directory.topics:
            topic = topics.setdefault(asked.name, AlterReplicaLogDirTopicResult(topic_name=asked.name, partitions=[]))
            topic.partitions += [
                AlterReplicaLogDirPartitionResult(partition_index=index, error_code=code) for index in asked.partitions
            ]
    return AlterReplicaLogDirsResponse(throttle_time_ms=0, results=list(topics.values()))
