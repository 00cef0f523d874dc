"""A broker passing a client's request on to the controller."""

from __future__ import annotations

from kwire.wire.schema import Bytes, Int16, message, wire


@message(key=58, valid="0", flexible="0+")
class EnvelopeRequest:
    """The request with its header, and the principal who sent it (KIP-590)."""

    request_data: Bytes
    request_principal: Bytes | None
    client_host_address: Bytes


@message(key=58, valid="0", flexible="0+")
class EnvelopeResponse:
    """The response with its header."""

    response_data: Bytes | None = wire(default=None)
    error_code: Int16
