"""Listing SCRAM credentials."""

from __future__ import annotations

from kwire.wire.schema import Int8, Int16, Int32, String, message, struct


@struct
class UserName:
    name: String


@message(key=50, valid="0", flexible="0+")
class DescribeUserScramCredentialsRequest:
    """The users wanted; all for null (KIP-554)."""

    users: list[UserName] | None


@struct
class CredentialInfo:
    mechanism: Int8
    iterations: Int32


@struct
class DescribeUserScramCredentialsResult:
    user: String
    error_code: Int16
    error_message: String | None
    credential_infos: list[CredentialInfo]


@message(key=50, valid="0", flexible="0+")
class DescribeUserScramCredentialsResponse:
    """Mechanisms and iteration counts of each user; never a secret."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None
    results: list[DescribeUserScramCredentialsResult]
