"""sasl_authenticate"""

from __future__ import annotations

from kwire.wire.schema import Bytes, Int16, Int64, String, message, wire


@message(key=36, valid="0-2", flexible="2+")
class SaslAuthenticateRequest:
    """SaslAuthenticateRequest"""

    auth_bytes: Bytes


@message(key=36, valid="0-2", flexible="2+")
class SaslAuthenticateResponse:
    """SaslAuthenticateResponse"""

    error_code: Int16
    error_message: String | None
    auth_bytes: Bytes
    session_lifetime_ms: Int64 = wire("1+", default=0, ignorable=True)
