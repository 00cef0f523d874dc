"""DeleteRecords (key 21), versions 0-2: moves a log's start forward (KIP-107)."""

from __future__ import annotations

from kwire.api.context import RequestContext
from kwire.cluster.metadata_cache import INTERNAL_TOPICS
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.delete_records import (
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)


def handle(request: DeleteRecordsRequest, context: RequestContext) -> DeleteRecordsResponse:
    """The low watermark of each partition after the deletion."""
    topics = []
    for topic in request.topics:
        results = []
        for asked in topic.partitions:
            low_watermark, code = -1, ErrorCode.NONE
            try:
                if topic.name in INTERNAL_TOPICS and topic.name in context.services.metadata.topics:
                    raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION)  # What it holds is its coordinators' to forget.
                partition = context.services.replicas.partition(topic.name, asked.partition_index)
                low_watermark = partition.delete_records(asked.offset)
            except KafkaError as error:
                code = error.code
            results.append(
                DeleteRecordsPartitionResult(
                    partition_index=asked.partition_index, low_watermark=low_watermark, error_code=code
                )
            )
        topics.append(DeleteRecordsTopicResult(name=topic.name, partitions=results))
    return DeleteRecordsResponse(topics=topics, throttle_time_ms=0)
