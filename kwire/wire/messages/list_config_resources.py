"""list_config_resources"""

from __future__ import annotations

from kwire.wire.schema import Int8, Int16, Int32, String, message, struct, wire


@message(key=74, valid="0-1", flexible="0+")
class ListConfigResourcesRequest:
    """ListConfigResourcesRequest v1 KIP-1142."""

    resource_types: list[Int8] = wire("1+", factory=list)


@struct
class ConfigResource:
    resource_name: String
    resource_type: Int8 = wire("1+", default=16, ignorable=True)


@message(key=74, valid="0-1", flexible="0+")
class ListConfigResourcesResponse:
    """ListConfigResourcesResponse v1 KIP-1142."""

    throttle_time_ms: Int32
    error_code: Int16
    config_resources: list[ConfigResource]
