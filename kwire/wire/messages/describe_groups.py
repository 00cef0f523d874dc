"""Describing classic consumer groups."""

from __future__ import annotations

from kwire.wire.schema import Bool, Bytes, Int16, Int32, String, message, struct, wire


@message(key=15, valid="0-6", flexible="5+")
class DescribeGroupsRequest:
    """The groups to describe. Authorized operations from v3 (KIP-430)."""

    groups: list[String]
    include_authorized_operations: Bool = wire("3+", default=False)


@struct
class DescribedGroupMember:
    member_id: String
    group_instance_id: String | None = wire("4+", default=None, ignorable=True)
    client_id: String
    client_host: String
    member_metadata: Bytes
    member_assignment: Bytes


@struct
class DescribedGroup:
    error_code: Int16
    error_message: String | None = wire("6+", default=None)
    group_id: String
    group_state: String
    protocol_type: String
    protocol_data: String
    members: list[DescribedGroupMember]
    authorized_operations: Int32 = wire("3+", default=-2147483648)


@message(key=15, valid="0-6", flexible="5+")
class DescribeGroupsResponse:
    """State, protocol and members of each group. Static members from v4 (KIP-345), error message from v6 (KIP-1043)."""

    throttle_time_ms: Int32 = wire("1+", default=0, ignorable=True)
    groups: list[DescribedGroup]
