"""Carrying SASL tokens."""

from __future__ import annotations

from kwire.wire.schema import Bytes, Int16, Int64, String, message, wire


@message(key=36, valid="0-2", flexible="2+")
class SaslAuthenticateRequest:
    """One token of the chosen mechanism (KIP-152)."""

    auth_bytes: Bytes


@message(key=36, valid="0-2", flexible="2+")
class SaslAuthenticateResponse:
    """The server's token. Session lifetime from v1 (KIP-368)."""

    error_code: Int16
    error_message: String | None
    auth_bytes: Bytes
    session_lifetime_ms: Int64 = wire("1+", default=0, ignorable=True)
