"""Staying in a classic consumer group."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, String, message, wire


@message(key=12, valid="0-4", flexible="4+")
class HeartbeatRequest:
    """A sign of life from a member. Static members from v3 (KIP-345)."""

    group_id: String
    generation_id: Int32
    member_id: String
    group_instance_id: String | None = wire("3+", default=None)


@message(key=12, valid="0-4", flexible="4+")
class HeartbeatResponse:
    """Whether the member may stay, or must rejoin."""

    throttle_time_ms: Int32 = wire("1+", default=0, ignorable=True)
    error_code: Int16
