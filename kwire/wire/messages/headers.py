"""headers"""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, String, message, wire


@message(valid="0-2", flexible="2+")
class RequestHeader:
    """RequestHeader"""

    request_api_key: Int16
    request_api_version: Int16
    correlation_id: Int32
    client_id: String | None = wire("1+", default="", flexible="none")


@message(valid="0-1", flexible="1+")
class ResponseHeader:
    """ResponseHeader"""

    correlation_id: Int32
