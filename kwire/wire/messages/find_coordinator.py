"""Finding the broker that coordinates a group or a transaction."""

from __future__ import annotations

from kwire.wire.schema import Int8, Int16, Int32, String, message, struct, wire


@message(key=10, valid="0-6", flexible="3+")
class FindCoordinatorRequest:
    """A group, transactional id (from v1) or share partition (v6, KIP-932) to find the coordinator of; many keys at
    once from v4 (KIP-699).
    """

    key: String = wire("0-3", default="")
    key_type: Int8 = wire("1+", default=0)
    coordinator_keys: list[String] = wire("4+", factory=list)


@struct
class Coordinator:
    key: String
    node_id: Int32
    host: String
    port: Int32
    error_code: Int16
    error_message: String | None


@message(key=10, valid="0-6", flexible="3+")
class FindCoordinatorResponse:
    """The coordinator's address; one per key from v4 (KIP-699)."""

    throttle_time_ms: Int32 = wire("1+", default=0, ignorable=True)
    error_code: Int16 = wire("0-3", default=0)
    error_message: String | None = wire("1-3", nullable="1-3", default="", ignorable=True)
    node_id: Int32 = wire("0-3", default=0)
    host: String = wire("0-3", default="")
    port: Int32 = wire("0-3", default=0)
    coordinators: list[Coordinator] = wire("4+", factory=list)
