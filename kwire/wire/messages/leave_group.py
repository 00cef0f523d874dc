"""Leaving a classic consumer group."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, String, message, struct, wire


@struct
class MemberIdentity:
    member_id: String
    group_instance_id: String | None = wire(default=None)
    reason: String | None = wire("5+", default=None, ignorable=True)


@message(key=13, valid="0-5", flexible="4+")
class LeaveGroupRequest:
    """Members that leave: one before v3, several after (KIP-345), with a reason from v5 (KIP-800)."""

    group_id: String
    member_id: String = wire("0-2", default="")
    members: list[MemberIdentity] = wire("3+", factory=list)


@struct
class MemberResponse:
    member_id: String
    group_instance_id: String | None
    error_code: Int16


@message(key=13, valid="0-5", flexible="4+")
class LeaveGroupResponse:
    """An error for the request and, from v3, for each member."""

    throttle_time_ms: Int32 = wire("1+", default=0, ignorable=True)
    error_code: Int16
    members: list[MemberResponse] = wire("3+", factory=list)
