"""Choosing a SASL mechanism."""

from __future__ import annotations

from kwire.wire.schema import Int16, String, message


@message(key=17, valid="0-1")
class SaslHandshakeRequest:
    """The mechanism that the client wants. After v0 the tokens follow as bare frames, after v1 in SaslAuthenticate
    (KIP-152).
    """

    mechanism: String


@message(key=17, valid="0-1")
class SaslHandshakeResponse:
    """The mechanisms that the broker offers."""

    error_code: Int16
    mechanisms: list[String]
