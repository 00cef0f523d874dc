"""A client asking which metrics are wanted."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int8, Int16, Int32, String, Uuid, message


@message(key=71, valid="0", flexible="0+")
class GetTelemetrySubscriptionsRequest:
    """The client's instance id, zero at first (KIP-714)."""

    client_instance_id: Uuid


@message(key=71, valid="0", flexible="0+")
class GetTelemetrySubscriptionsResponse:
    """The metrics to push, how often and in which form."""

    throttle_time_ms: Int32
    error_code: Int16
    client_instance_id: Uuid
    subscription_id: Int32
    accepted_compression_types: list[Int8]
    push_interval_ms: Int32
    telemetry_max_bytes: Int32
    delta_temporality: Bool
    requested_metrics: list[String]
