"""KRaft: a broker registering."""

from __future__ import annotations

from kwire.wire.schema import Bool, Int16, Int32, Int64, String, UInt16, Uuid, message, struct, wire


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


@message(key=62, valid="0-4", flexible="0+")
class BrokerRegistrationRequest:
    """Listeners, features and directories of a broker that starts (KIP-631). Directory ids from v2 (KIP-858), the
    previous epoch from v3 (KIP-966).
    """

    broker_id: Int32
    cluster_id: String
    incarnation_id: Uuid
    listeners: list[Listener]
    features: list[Feature]
    rack: String | None
    is_migrating_zk_broker: Bool = wire("1+", default=False)
    log_dirs: list[Uuid] = wire("2+", factory=list, ignorable=True)
    previous_broker_epoch: Int64 = wire("3+", default=-1, ignorable=True)


@message(key=62, valid="0-4", flexible="0+")
class BrokerRegistrationResponse:
    """The broker's epoch."""

    throttle_time_ms: Int32
    error_code: Int16
    broker_epoch: Int64 = wire(default=-1)
