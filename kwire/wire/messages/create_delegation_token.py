"""Creating a delegation token."""

from __future__ import annotations

from kwire.wire.schema import Bytes, Int16, Int32, Int64, String, message, struct, wire


@struct
class CreatableRenewers:
    principal_type: String
    principal_name: String


@message(key=38, valid="0-3", flexible="2+")
class CreateDelegationTokenRequest:
    """Who may renew the token, and its maximum life (KIP-48). Owners other than the caller from v3 (KIP-373)."""

    owner_principal_type: String | None = wire("3+", default="")
    owner_principal_name: String | None = wire("3+", default="")
    renewers: list[CreatableRenewers]
    max_lifetime_ms: Int64


@message(key=38, valid="0-3", flexible="2+")
class CreateDelegationTokenResponse:
    """The token and its HMAC."""

    error_code: Int16
    principal_type: String
    principal_name: String
    token_requester_principal_type: String = wire("3+", default="")
    token_requester_principal_name: String = wire("3+", default="")
    issue_timestamp_ms: Int64
    expiry_timestamp_ms: Int64
    max_timestamp_ms: Int64
    token_id: String
    hmac: Bytes
    throttle_time_ms: Int32
