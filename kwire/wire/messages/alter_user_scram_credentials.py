"""Changing SCRAM credentials."""

from __future__ import annotations

from kwire.wire.schema import Bytes, Int8, Int16, Int32, String, message, struct


@struct
class ScramCredentialDeletion:
    name: String
    mechanism: Int8


@struct
class ScramCredentialUpsertion:
    name: String
    mechanism: Int8
    iterations: Int32
    salt: Bytes
    salted_password: Bytes


@message(key=51, valid="0", flexible="0+")
class AlterUserScramCredentialsRequest:
    """Credentials to delete and to store (KIP-554)."""

    deletions: list[ScramCredentialDeletion]
    upsertions: list[ScramCredentialUpsertion]


@struct
class AlterUserScramCredentialsResult:
    user: String
    error_code: Int16
    error_message: String | None


@message(key=51, valid="0", flexible="0+")
class AlterUserScramCredentialsResponse:
    """An error per user."""

    throttle_time_ms: Int32
    results: list[AlterUserScramCredentialsResult]
