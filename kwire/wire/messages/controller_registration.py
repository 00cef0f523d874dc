"""KRaft: a controller registering."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int16, Int32, String, UInt16, Uuid, message, struct


@struct
class Listener:
    name: String
    host: String
    port: UInt16
    security_protocol: Int16


@struct
class Feature:
    name: String
    min_supported_version: Int16
    max_supported_version: Int16


@message(key=70, valid="0", flexible="0+")
class ControllerRegistrationRequest:
    """Listeners and features of a controller that starts (KIP-919)."""

    controller_id: Int32
    incarnation_id: Uuid
    zk_migration_ready: Bool
    listeners: list[Listener]
    features: list[Feature]


@message(key=70, valid="0", flexible="0+")
class ControllerRegistrationResponse:
    """Whether it was registered."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None
