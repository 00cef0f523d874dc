"""list_client_metrics_resources"""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, String, message, struct


@message(key=74, valid="0", flexible="0+")
class ListClientMetricsResourcesRequest:
    """ListClientMetricsResourcesRequest"""


@struct
class ClientMetricsResource:
    name: String


@message(key=74, valid="0", flexible="0+")
class ListClientMetricsResourcesResponse:
    """ListClientMetricsResourcesResponse"""

    throttle_time_ms: Int32
    error_code: Int16
    client_metrics_resources: list[ClientMetricsResource]
