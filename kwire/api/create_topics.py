"""CreateTopics (key 19), versions 0-7.

v1 validate only; v4 counts of -1 mean the broker's defaults (KIP-464; taken in every version); v5 answers with the
numbers and settings of the new topic (KIP-525); v7 with its id (KIP-516). When the answer is sent the topic can be
used; the request's timeout has nothing to wait for. Left out: topic policies (`create.topic.policy.class.name`).
"""

from __future__ import annotations

from kwire.api.context import RequestContext
from kwire.cluster.controller.core import NewTopic, TopicResult
from kwire.cluster.metadata_cache import TopicImage
from kwire.config.topic_config import TopicConfig
from kwire.errors import ErrorCode
from kwire.ids import ZERO_UUID
from kwire.wire.messages.create_topics import (
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)

FIRST_VERSION_WITH_CONFIGS = 5

Described = dict[frozenset[tuple[str, str]], list[CreatableTopicConfigs]]
"""All settings by a topic's own: topics that are created together often have the same."""


async def handle(request: CreateTopicsRequest, context: RequestContext) -> CreateTopicsResponse:
    """One result per name; a name that occurs twice has one, INVALID_REQUEST."""
    topics = [
        NewTopic(
            topic.name,
            topic.num_partitions,
            topic.replication_factor,
            [(assignment.partition_index, assignment.broker_ids) for assignment in topic.assignments],
            {config.name: config.value for config in topic.configs},
        )
        for topic in request.topics
    ]
    results = await context.services.controller.create_topics(topics, validate_only=request.validate_only)
    described: Described = {}
    return CreateTopicsResponse(
        throttle_time_ms=0,
        topics=[_result(result, context, described, validate_only=request.validate_only) for result in results],
    )


def error_response(request: CreateTopicsRequest, code: ErrorCode, message: str | None) -> CreateTopicsResponse:
    """The error for each topic."""
    topics = [
        CreatableTopicResult(name=name, error_code=code, error_message=message, configs=[])
        for name in dict.fromkeys(topic.name for topic in request.topics)
    ]
    return CreateTopicsResponse(throttle_time_ms=0, topics=topics)


def _result(
    result: TopicResult, context: RequestContext, described: Described, *, validate_only: bool
) -> CreatableTopicResult:
    if result.error is not None:
        return CreatableTopicResult(
            name=result.name, error_code=result.error.code, error_message=result.error.message, configs=[]
        )
    topic = result.topic
    assert topic is not None
    configs: list[CreatableTopicConfigs] = []
    if context.api_version >= FIRST_VERSION_WITH_CONFIGS:
        own = frozenset(topic.overrides.items())
        if own not in described:
            described[own] = _configs(topic, context)
        configs = described[own]
    return CreatableTopicResult(
        name=topic.name,
        topic_id=ZERO_UUID if validate_only else topic.topic_id,
        error_code=ErrorCode.NONE,
        error_message=None,
        num_partitions=len(topic.partitions),
        replication_factor=len(topic.partitions[0].replicas),
        configs=configs,
    )


def _configs(topic: TopicImage, context: RequestContext) -> list[CreatableTopicConfigs]:
    return [
        CreatableTopicConfigs(
            name=entry.name,
            value=entry.value,
            read_only=entry.read_only,
            config_source=entry.source,
            is_sensitive=entry.sensitive,
        )
        for entry in TopicConfig(context.services.config, topic.overrides).describe()
    ]
