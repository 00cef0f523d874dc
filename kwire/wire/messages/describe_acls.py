"""Listing access rules."""

from __future__ import annotations

from kwire.wire.schema import Int8, Int16, Int32, String, message, struct, wire


@message(key=29, valid="0-3", flexible="2+")
class DescribeAclsRequest:
    """A filter for access rules. Pattern type from v1 (KIP-290)."""

    resource_type_filter: Int8
    resource_name_filter: String | None
    pattern_type_filter: Int8 = wire("1+", default=3)
    principal_filter: String | None
    host_filter: String | None
    operation: Int8
    permission_type: Int8


@struct
class AclDescription:
    principal: String
    host: String
    operation: Int8
    permission_type: Int8


@struct
class DescribeAclsResource:
    resource_type: Int8
    resource_name: String
    pattern_type: Int8 = wire("1+", default=3)
    acls: list[AclDescription]


@message(key=29, valid="0-3", flexible="2+")
class DescribeAclsResponse:
    """The rules that match, by resource."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None
    resources: list[DescribeAclsResource]
