"""Entering a classic consumer group."""

from __future__ import annotations

from kwire.wire.schema import Bool, Bytes, Int16, Int32, String, message, struct, wire


@struct
class JoinGroupRequestProtocol:
    name: String
    metadata: Bytes


@message(key=11, valid="0-9", flexible="6+")
class JoinGroupRequest:
    """A member and the protocols that it speaks. Rebalance timeout from v1 (KIP-62), static members from v5
    (KIP-345), the reason from v8 (KIP-800).
    """

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
    """The generation, the chosen protocol and, for the leader, all members. Protocol type from v7 (KIP-559), whether
    the leader skips assigning from v9 (KIP-814).
    """

    throttle_time_ms: Int32 = wire("2+", default=0, ignorable=True)
    error_code: Int16
    generation_id: Int32 = wire(default=-1)
    protocol_type: String | None = wire("7+", default=None, ignorable=True)
    protocol_name: String | None = wire(nullable="7+")
    leader: String
    skip_assignment: Bool = wire("9+", default=False)
    member_id: String
    members: list[JoinGroupResponseMember]
