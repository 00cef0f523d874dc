"""envelope"""

from __future__ import annotations

from kwire.wire.schema import Bytes, Int16, message, wire


@message(key=58, valid="0", flexible="0+")
class EnvelopeRequest:
    """EnvelopeRequest"""

    request_data: Bytes
    request_principal: Bytes | None
    client_host_address: Bytes


@message(key=58, valid="0", flexible="0+")
class EnvelopeResponse:
    """EnvelopeResponse"""

    response_data: Bytes | None = wire(default=None)
    error_code: Int16
