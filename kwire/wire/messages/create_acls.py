"""Creating access rules."""

from __future__ import annotations

from kwire.wire.schema import Int8, Int16, Int32, String, message, struct, wire


@struct
class AclCreation:
    resource_type: Int8
    resource_name: String
    resource_pattern_type: Int8 = wire("1+", default=3)
    principal: String
    host: String
    operation: Int8
    permission_type: Int8


@message(key=30, valid="0-3", flexible="2+")
class CreateAclsRequest:
    """Access rules to add. Pattern type from v1 (KIP-290)."""

    creations: list[AclCreation]


@struct
class AclCreationResult:
    error_code: Int16
    error_message: String | None


@message(key=30, valid="0-3", flexible="2+")
class CreateAclsResponse:
    """An error per rule."""

    throttle_time_ms: Int32
    results: list[AclCreationResult]
