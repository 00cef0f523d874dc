"""Handing out assignments in a classic consumer group."""

from __future__ import annotations

from kwire.wire.schema import Bytes, Int16, Int32, String, message, struct, wire


@struct
class SyncGroupRequestAssignment:
    member_id: String
    assignment: Bytes


@message(key=14, valid="0-5", flexible="4+")
class SyncGroupRequest:
    """The leader's assignments, empty from all others. Static members from v3 (KIP-345), protocol type and name from
    v5 (KIP-559).
    """

    group_id: String
    generation_id: Int32
    member_id: String
    group_instance_id: String | None = wire("3+", default=None)
    protocol_type: String | None = wire("5+", default=None, ignorable=True)
    protocol_name: String | None = wire("5+", default=None, ignorable=True)
    assignments: list[SyncGroupRequestAssignment]


@message(key=14, valid="0-5", flexible="4+")
class SyncGroupResponse:
    """The member's own assignment."""

    throttle_time_ms: Int32 = wire("1+", default=0, ignorable=True)
    error_code: Int16
    protocol_type: String | None = wire("5+", default=None, ignorable=True)
    protocol_name: String | None = wire("5+", default=None, ignorable=True)
    assignment: Bytes
