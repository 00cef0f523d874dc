"""ListConfigResources (key 74), versions 0-1: the names of what has settings (KIP-1142).

v0, ListClientMetricsResources until Kafka 4.0 (KIP-714), asks for client metrics, of which there are none here; v1
names the types that it wants, all for an empty list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kwire.api.config_resources import ResourceType
from kwire.api.context import RequestContext
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.list_config_resources import (
    ConfigResource,
    ListConfigResourcesRequest,
    ListConfigResourcesResponse,
)

_NAMES: dict[int, Callable[[RequestContext], Iterable[str]]] = {
    ResourceType.GROUP: lambda context: context.services.metadata.group_overrides,
    ResourceType.CLIENT_METRICS: lambda context: (),
    ResourceType.BROKER_LOGGER: lambda context: map(str, context.services.metadata.brokers),
    ResourceType.BROKER: lambda context: map(str, context.services.metadata.brokers),
    ResourceType.TOPIC: lambda context: context.services.metadata.topics,
}


def handle(request: ListConfigResourcesRequest, context: RequestContext) -> ListConfigResourcesResponse:
    """Groups are those that have settings of their own. UNSUPPORTED_VERSION if one of the types is unknown."""
    wanted = set(request.resource_types or _NAMES) if context.api_version >= 1 else {ResourceType.CLIENT_METRICS}
    if unknown := sorted(wanted - _NAMES.keys()):
        raise KafkaError(ErrorCode.UNSUPPORTED_VERSION, f"Unknown resource types: {unknown}.")
    return ListConfigResourcesResponse(
        throttle_time_ms=0,
        error_code=ErrorCode.NONE,
        config_resources=[
            ConfigResource(resource_name=name, resource_type=kind)
            for kind, names in _NAMES.items()
            if kind in wanted
            for name in names(context)
        ],
    )


def error_response(
    request: ListConfigResourcesRequest, code: ErrorCode, message: str | None
) -> ListConfigResourcesResponse:
    """No names."""
    return ListConfigResourcesResponse(throttle_time_ms=0, error_code=code, config_resources=[])
