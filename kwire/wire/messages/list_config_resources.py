"""Listing resources that have options."""

from __future__ import annotations

from kwire.wire.schema import Int8, Int16, Int32, String, message, struct, wire


@message(key=74, valid="0-1", flexible="0+")
class ListConfigResourcesRequest:
    """The types wanted; v0 lists client metrics only (KIP-1142)."""

    resource_types: list[Int8] = wire("1+", factory=list)


@struct
class ConfigResource:
    resource_name: String
    resource_type: Int8 = wire("1+", default=16, ignorable=True)


@message(key=74, valid="0-1", flexible="0+")
class ListConfigResourcesResponse:
    """Names and types of the resources."""

    throttle_time_ms: Int32
    error_code: Int16
    config_resources: list[ConfigResource]


@message(key=74, valid="0", flexible="0+")
class ListClientMetricsResourcesRequest:
    """What ListConfigResources v0 was called in Kafka 3.9 (KIP-714)."""


@struct
class ClientMetricsResource:
    name: String


@message(key=74, valid="0", flexible="0+")
class ListClientMetricsResourcesResponse:
    """What ListConfigResources v0 answered in Kafka 3.9 (KIP-714)."""

    throttle_time_ms: Int32
    error_code: Int16
    client_metrics_resources: list[ClientMetricsResource]
