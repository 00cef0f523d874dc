"""A client pushing metrics."""

from __future__ import annotations

from kwire.wire.schema import Bool, Bytes, Int8, Int16, Int32, Uuid, message


@message(key=72, valid="0", flexible="0+")
class PushTelemetryRequest:
    """Metrics in OTLP form, perhaps compressed (KIP-714)."""

    client_instance_id: Uuid
    subscription_id: Int32
    terminating: Bool
    compression_type: Int8
    metrics: Bytes


@message(key=72, valid="0", flexible="0+")
class PushTelemetryResponse:
    """Whether they were taken."""

    throttle_time_ms: Int32
    error_code: Int16
