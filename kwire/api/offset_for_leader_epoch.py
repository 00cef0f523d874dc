"""OffsetForLeaderEpoch (key 23), versions 0-4: where an epoch ended (KIP-101, KIP-320).

v1 answers the epoch too; v2 checks the client's own epoch; v3 names the asking replica (-1 for a consumer).
"""

from __future__ import annotations

from kwire.api.context import RequestContext
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
)


def handle(request: OffsetForLeaderEpochRequest, context: RequestContext) -> OffsetForLeaderEpochResponse:
    """The end offset of each asked epoch; epoch and offset -1 where this log never knew it."""
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResult(
                topic=topic.topic,
                partitions=[_end_of_epoch(topic.topic, asked, context) for asked in topic.partitions],
            )
            for topic in request.topics
        ],
        throttle_time_ms=0,
    )


def _end_of_epoch(topic: str, asked: OffsetForLeaderPartition, context: RequestContext) -> EpochEndOffset:
    try:
        partition = context.services.replicas.partition(topic, asked.partition)
        partition.check_leader(asked.current_leader_epoch)
        epoch, end_offset = partition.log.end_offset_for_epoch(asked.leader_epoch)
    except KafkaError as error:
        return EpochEndOffset(error_code=error.code, partition=asked.partition, leader_epoch=-1, end_offset=-1)
    return EpochEndOffset(
        error_code=ErrorCode.NONE, partition=asked.partition, leader_epoch=epoch, end_offset=end_offset
    )
