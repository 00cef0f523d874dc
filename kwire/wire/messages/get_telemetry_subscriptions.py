"""get_telemetry_subscriptions"""

from __future__ import annotations

from kwire.wire.schema import Bool, Int8, Int16, Int32, String, Uuid, message


@message(key=71, valid="0", flexible="0+")
class GetTelemetrySubscriptionsRequest:
    """GetTelemetrySubscriptionsRequest"""

    client_instance_id: Uuid


@message(key=71, valid="0", flexible="0+")
class GetTelemetrySubscriptionsResponse:
    """GetTelemetrySubscriptionsResponse"""

    throttle_time_ms: Int32
    error_code: Int16
    client_instance_id: Uuid
    subscription_id: Int32
    accepted_compression_types: list[Int8]
    push_interval_ms: Int32
    telemetry_max_bytes: Int32
    delta_temporality: Bool
    requested_metrics: list[String]
