"""DescribeConfigs (key 32), versions 0-4: the settings of topics, brokers, groups, and the loggers of this broker.

v0 says "is default"; v1 where each value comes from, and its synonyms (KIP-226); v3 types and documentation (KIP-569).
Left out: client metrics (resource type 16).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from kwire.api.config_resources import ResourceType, check_broker_name
from kwire.api.context import RequestContext
from kwire.cluster.controller.validation import check_topic_name
from kwire.config.entry import ConfigEntry
from kwire.config.option import STRING
from kwire.config.topic_config import TopicConfig
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)

SOURCE_DYNAMIC_BROKER_LOGGER = 6


def handle(request: DescribeConfigsRequest, context: RequestContext) -> DescribeConfigsResponse:
    """One result per resource, in order."""
    results = []
    described: dict[object, list[DescribeConfigsResourceResult]] = {}
    for resource in request.resources:
        result = DescribeConfigsResult(
            error_code=ErrorCode.NONE,
            error_message=None,
            resource_type=resource.resource_type,
            resource_name=resource.resource_name,
            configs=[],
        )
        results.append(result)
        try:
            alike = _alike(resource, context)
            if alike in described:
                result.configs = described[alike]
                continue
            # No keys and an empty list of keys both mean all of them.
            entries = _describe(resource, resource.configuration_keys or None, context)
            result.configs = [_entry(entry, request, context.api_version) for entry in entries]
            if alike is not None:
                described[alike] = result.configs
        except KafkaError as error:
            result.error_code, result.error_message = error.code, error.message
    return DescribeConfigsResponse(throttle_time_ms=0, results=results)


def error_response(request: DescribeConfigsRequest, code: ErrorCode, message: str | None) -> DescribeConfigsResponse:
    """The error for each resource."""
    results = [
        DescribeConfigsResult(
            error_code=code,
            error_message=message,
            resource_type=resource.resource_type,
            resource_name=resource.resource_name,
            configs=[],
        )
        for resource in request.resources
    ]
    return DescribeConfigsResponse(throttle_time_ms=0, results=results)


def _alike(resource: DescribeConfigsResource, context: RequestContext) -> object:
    """What a topic's answer depends on: overviews ask for all topics at once, and most have the same settings."""
    image = context.services.metadata.topics.get(resource.resource_name)
    if resource.resource_type != ResourceType.TOPIC or image is None:
        return None
    return frozenset(image.overrides.items()), frozenset(resource.configuration_keys or ())


def _describe(
    resource: DescribeConfigsResource, keys: list[str] | None, context: RequestContext
) -> Iterable[ConfigEntry]:
    services = context.services
    name = resource.resource_name
    kind = resource.resource_type
    if kind == ResourceType.TOPIC:
        check_topic_name(name)
        image = services.metadata.topics.get(name)
        if image is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        return TopicConfig(services.config, image.overrides).describe(keys)
    if kind == ResourceType.BROKER:
        if not name:
            return services.config.describe(keys, cluster_default=True)
        check_broker_name(name, context)
        return services.config.describe(keys)
    if kind == ResourceType.BROKER_LOGGER:
        check_broker_name(name, context)
        return _loggers(keys)
    if kind == ResourceType.GROUP:
        from kwire.config.group_config import GroupConfig  # Few ask; its table need not be read at start.

        if not name:
            raise KafkaError(ErrorCode.INVALID_REQUEST, "A group's name is not empty.")
        return GroupConfig(services.config, services.metadata.group_overrides_of(name)).describe(keys)
    raise KafkaError(ErrorCode.INVALID_REQUEST, f"There are no settings of resource type {kind}.")


def _loggers(keys: list[str] | None) -> list[ConfigEntry]:
    """The level of each logger of this process, under Kafka's names of levels."""
    loggers = {"root": logging.getLogger(), **logging.getLogger().manager.loggerDict}
    found = {name: logger for name, logger in loggers.items() if isinstance(logger, logging.Logger)}
    return [
        ConfigEntry(
            name=name,
            value=_level_name(found[name].getEffectiveLevel()),
            source=SOURCE_DYNAMIC_BROKER_LOGGER,
            read_only=True,  # The alter APIs do not take loggers.
            sensitive=False,
            synonyms=[],
            type=STRING,
            documentation=None,
        )
        for name in sorted(found)
        if keys is None or name in keys
    ]


def _level_name(level: int) -> str:
    """log4j's names: TRACE is below DEBUG, FATAL is CRITICAL."""
    for lowest, name in ((50, "FATAL"), (40, "ERROR"), (30, "WARN"), (20, "INFO"), (10, "DEBUG")):
        if level >= lowest:
            return name
    return "TRACE"


def _entry(entry: ConfigEntry, request: DescribeConfigsRequest, version: int) -> DescribeConfigsResourceResult:
    return DescribeConfigsResourceResult(
        name=entry.name,
        value=entry.value,
        read_only=entry.read_only,
        is_default=version == 0 and entry.is_default,  # Told by `config_source` ever since.
        config_source=entry.source,
        is_sensitive=entry.sensitive,
        synonyms=[
            DescribeConfigsSynonym(name=synonym.name, value=synonym.value, source=synonym.source)
            for synonym in entry.synonyms
        ]
        if request.include_synonyms
        else [],
        config_type=entry.type,
        documentation=entry.documentation if request.include_documentation else None,
    )
