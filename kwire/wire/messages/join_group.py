"""join_group"""

from __future__ import annotations

from kwire.wire.schema import Bool, Bytes, Int16, Int32, String, message, struct, wire


@struct
class JoinGroupRequestProtocol:
    name: String
    metadata: Bytes


@message(key=11, valid="0-9", flexible="6+")
class JoinGroupRequest:
    """JoinGroupRequest v8 KIP-800."""

    group_id: String
    session_timeout_ms: Int32
    rebalance_timeout_ms: Int32 = wire("1+", default=-1, ignorable=True)
    member_id: String
    group_instance_id: String | None = wire("5+", default=None)
    protocol_type: String
    protocols: list[JoinGroupRequestProtocol]
    reason: String | None = wire("8+", default=None, ignorable=True)


@struct
class JoinGroupResponseMember:
    member_id: String
    group_instance_id: String | None = wire("5+", default=None, ignorable=True)
    metadata: Bytes


@message(key=11, valid="0-9", flexible="6+")
class JoinGroupResponse:
    """JoinGroupResponse v7 KIP-559."""

    throttle_time_ms: Int32 = wire("2+", default=0, ignorable=True)
    error_code: Int16
    generation_id: Int32 = wire(default=-1)
    protocol_type: String | None = wire("7+", default=None, ignorable=True)
    protocol_name: String | None = wire(nullable="7+")
    leader: String
    skip_assignment: Bool = wire("9+", default=False)
    member_id: String
    members: list[JoinGroupResponseMember]
