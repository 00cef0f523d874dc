"""sync_group"""

from __future__ import annotations

from kwire.wire.schema import Bytes, Int16, Int32, String, message, struct, wire


@struct
class SyncGroupRequestAssignment:
    member_id: String
    assignment: Bytes


@message(key=14, valid="0-5", flexible="4+")
class SyncGroupRequest:
    """SyncGroupRequest v5 KIP-559."""

    group_id: String
    generation_id: Int32
    member_id: String
    group_instance_id: String | None = wire("3+", default=None)
    protocol_type: String | None = wire("5+", default=None, ignorable=True)
    protocol_name: String | None = wire("5+", default=None, ignorable=True)
    assignments: list[SyncGroupRequestAssignment]


@message(key=14, valid="0-5", flexible="4+")
class SyncGroupResponse:
    """SyncGroupResponse v5 KIP-559."""

    throttle_time_ms: Int32 = wire("1+", default=0, ignorable=True)
    error_code: Int16
    protocol_type: String | None = wire("5+", default=None, ignorable=True)
    protocol_name: String | None = wire("5+", default=None, ignorable=True)
    assignment: Bytes
