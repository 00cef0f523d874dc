"""Requests that change or show topics and configurations, as functions of a Client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from kwire.cli.client import Client, check
from kwire.ids import ZERO_UUID
from kwire.wire.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from kwire.wire.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from kwire.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from kwire.wire.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from kwire.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)

TOPIC: Final = 2
BROKER: Final = 4
GROUP: Final = 32

_SET: Final = 0
_DELETE: Final = 1
_BY_ID_SINCE: Final = 6


class ConfigLine(NamedTuple):
    """One option as DescribeConfigs shows it; `synonyms` are (name, value, source number)."""

    name: str
    value: str | None
    source: int
    read_only: bool
    sensitive: bool
    synonyms: list[tuple[str, str | None, int]]
    documentation: str | None


def create_topic(
    client: Client,
    name: str,
    *,
    partitions: int = -1,
    replication_factor: int = -1,
    configs: Mapping[str, str] | None = None,
    validate_only: bool = False,
) -> None:
    """Create a topic; -1 leaves a count to the broker. Raises RequestFailed."""
    topic = CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=replication_factor,
        assignments=[],
        configs=[CreatableTopicConfig(name=key, value=value) for key, value in (configs or {}).items()],
    )
    request = CreateTopicsRequest(topics=[topic], timeout_ms=int(client.timeout_s * 1000), validate_only=validate_only)
    for result in client.controller().call(request).topics:
        check(result.error_code, result.error_message, f"topic {name} cannot be created")


def delete_topics(client: Client, names: Iterable[str]) -> list[tuple[str, int, str | None]]:
    """Delete topics by name; (name, error code, text) of each."""
    connection = client.controller()
    version = connection.version(DeleteTopicsRequest)
    timeout_ms = int(client.timeout_s * 1000)
    if version >= _BY_ID_SINCE:
        request = DeleteTopicsRequest(
            topics=[DeleteTopicState(name=name, topic_id=ZERO_UUID) for name in names], timeout_ms=timeout_ms
        )
    else:
        request = DeleteTopicsRequest(topic_names=list(names), timeout_ms=timeout_ms)
    answer = connection.call(request, version=version)
    return [(result.name, result.error_code, result.error_message) for result in answer.responses]


def add_partitions(client: Client, name: str, count: int) -> None:
    """Give a topic `count` partitions in all. Raises RequestFailed."""
    request = CreatePartitionsRequest(
        topics=[CreatePartitionsTopic(name=name, count=count, assignments=None)],
        timeout_ms=int(client.timeout_s * 1000),
        validate_only=False,
    )
    for result in client.controller().call(request).results:
        check(result.error_code, result.error_message, f"topic {name} cannot have {count} partitions")


def describe_config(
    client: Client, resource_type: int, resource: str, *, documentation: bool = False
) -> list[ConfigLine]:
    """The options of a topic, broker or group, by name. Raises RequestFailed."""
    connection = client.broker(int(resource)) if resource_type == BROKER and resource else client.any_broker()
    request = DescribeConfigsRequest(
        resources=[
            DescribeConfigsResource(resource_type=resource_type, resource_name=resource, configuration_keys=None)
        ],
        include_synonyms=True,
        include_documentation=documentation,
    )
    version = connection.version(DescribeConfigsRequest)
    if documentation and version < 3:
        request.include_documentation = False
    (result,) = connection.call(request, version=version).results
    check(result.error_code, result.error_message, f"the options of {resource or 'the cluster'}")
    return [
        ConfigLine(
            entry.name,
            entry.value,
            entry.config_source,
            entry.read_only,
            entry.is_sensitive,
            [(synonym.name, synonym.value, synonym.source) for synonym in entry.synonyms],
            entry.documentation,
        )
        for entry in sorted(result.configs, key=lambda entry: str(entry.name))
    ]


def alter_config(
    client: Client, resource_type: int, resource: str, *, set_values: Mapping[str, str], delete: Iterable[str] = ()
) -> None:
    """Set and delete options of a topic, broker ("" for the cluster's defaults) or group. Raises RequestFailed."""
    configs = [AlterableConfig(name=name, config_operation=_SET, value=value) for name, value in set_values.items()]
    configs += [AlterableConfig(name=name, config_operation=_DELETE, value=None) for name in delete]
    resources = [AlterConfigsResource(resource_type=resource_type, resource_name=resource, configs=configs)]
    request = IncrementalAlterConfigsRequest(resources=resources, validate_only=False)
    connection = client.broker(int(resource)) if resource_type == BROKER and resource else client.controller()
    for result in connection.call(request).responses:
        check(result.error_code, result.error_message, f"the options of {resource or 'the cluster'} cannot be altered")
