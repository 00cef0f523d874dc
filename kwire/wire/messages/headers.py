"""The headers of requests and responses; `kwire.wire.header` reads and writes them on the hot path."""

from __future__ import annotations

from kwire.wire.schema import Int16, Int32, String, message, wire


@message(valid="0-2", flexible="2+")
class RequestHeader:
    """What precedes every request. The client id keeps its old form in the flexible v2 (KIP-482)."""

    request_api_key: Int16
    request_api_version: Int16
    correlation_id: Int32
    client_id: String | None = wire("1+", default="", flexible="none")


@message(valid="0-1", flexible="1+")
class ResponseHeader:
    """What precedes every response."""

    correlation_id: Int32
