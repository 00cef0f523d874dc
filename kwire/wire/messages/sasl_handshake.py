"""sasl_handshake"""

from __future__ import annotations

from kwire.wire.schema import Int16, String, message


@message(key=17, valid="0-1")
class SaslHandshakeRequest:
    """SaslHandshakeRequest"""

    mechanism: String


@message(key=17, valid="0-1")
class SaslHandshakeResponse:
    """SaslHandshakeResponse"""

    error_code: Int16
    mechanisms: list[String]
