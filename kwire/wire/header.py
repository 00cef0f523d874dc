"""Request and response headers.

A request header is int16 API key, int16 version, int32 correlation id and, from header v1, the client id as a nullable
string with an int16 length; header v2 (flexible requests, KIP-482) adds tagged fields. Header v0 is ControlledShutdown
v0's alone. A response header is the correlation id and, in v1, tagged fields; ApiVersions answers with v0 in every
version (KIP-511), because a client that asked with a version unknown here must be able to read the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from struct import Struct
from struct import error as StructError  # noqa: N812  # it is a class, whatever it is called

from kwire.named_tuple import NamedTuple
from kwire.wire.messages import API_MODULES
from kwire.wire.parts import Buffer
from kwire.wire.primitives import (
    DecodeError,
    EncodeError,
    nullable_string,
    read_nullable_string,
    skip_tags,
)

__all__ = [
    "RequestHeader",
    "is_flexible_request",
    "read_request_header",
    "read_response_header",
    "request_header_bytes",
    "request_header_version",
    "response_header",
    "response_header_version",
]

_API_VERSIONS = 18
_CONTROLLED_SHUTDOWN = 7
_FIXED = Struct(">hhi")
_FIXED_AND_CLIENT = Struct(">hhih")
_CORRELATION_ID = Struct(">i")
_CORRELATION_ID_AND_NO_TAGS = Struct(">ix")


_LARGEST_CACHED_VERSION = 63
_header_versions: dict[tuple[int, int], int] = {}
"""Header version by API key and version, as they are met; bounded, since a peer may send any version."""


class RequestHeader(NamedTuple):
    """What precedes every request; its body starts at `body_offset`."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None
    body_offset: int


_as_header: Callable[[tuple[int, int, int, str | None, int]], RequestHeader] = partial(tuple.__new__, RequestHeader)
"""`RequestHeader._make` without its own Python frame: every request pays for this."""


def is_flexible_request(api_key: int, api_version: int) -> bool:
    """Whether the request has compact strings and tagged fields. An unknown API has none."""
    api = API_MODULES.get(api_key)
    return api is not None and api.flexible_since is not None and api_version >= api.flexible_since


def request_header_version(api_key: int, api_version: int) -> int:
    """0, 1 or 2."""
    if is_flexible_request(api_key, api_version):
        return 2
    return 0 if api_key == _CONTROLLED_SHUTDOWN and api_version == 0 else 1


def response_header_version(api_key: int, api_version: int) -> int:
    """0 or 1."""
    return 1 if api_key != _API_VERSIONS and is_flexible_request(api_key, api_version) else 0


def read_request_header(frame: Buffer) -> RequestHeader:
    """The header at the start of a frame. Raises DecodeError for bytes that are none, and for an unknown API key."""
    # The common shape first, a known flexible API with a client id and no tags; whatever else it is, `_read_any` knows.
    try:
        api_key, api_version, correlation_id, length = _FIXED_AND_CLIENT.unpack_from(frame)
        end = 10 + length
        if length >= 0 and not frame[end] and _header_versions.get((api_key, api_version)) == 2:
            return _as_header((api_key, api_version, correlation_id, str(frame[10:end], "utf-8"), end + 1))
    except (IndexError, StructError, UnicodeDecodeError):
        pass
    return _read_any(frame)


def _read_any(frame: Buffer) -> RequestHeader:
    end = len(frame)
    if end < _FIXED.size:
        raise DecodeError(f"{end} bytes are too few for a request header")
    api_key, api_version, correlation_id = _FIXED.unpack_from(frame)
    version = _header_versions.get((api_key, api_version))
    if version is None:
        if api_key not in API_MODULES:
            raise DecodeError(f"API key {api_key} (version {api_version}) is unknown")
        version = request_header_version(api_key, api_version)
        if 0 <= api_version <= _LARGEST_CACHED_VERSION:
            _header_versions[api_key, api_version] = version
    if version == 0:
        return RequestHeader(api_key, api_version, correlation_id, None, _FIXED.size)
    try:
        client_id, position = read_nullable_string(frame, _FIXED.size, end)
        if version == 2:
            position = skip_tags(frame, position, end)
    except (IndexError, StructError):
        raise DecodeError(f"a frame of {end} bytes ends inside its request header") from None
    return RequestHeader(api_key, api_version, correlation_id, client_id, position)


def request_header_bytes(api_key: int, api_version: int, correlation_id: int, client_id: str | None) -> bytes:
    """The header of a request to send. Raises EncodeError for a client id that has no UTF-8 of at most 32767 bytes."""
    version = request_header_version(api_key, api_version)
    try:
        fixed = _FIXED.pack(api_key, api_version, correlation_id)
        return fixed if version == 0 else fixed + nullable_string(client_id) + (b"\0" if version == 2 else b"")
    except (StructError, UnicodeEncodeError) as error:
        raise EncodeError(f"request header: {error}") from error


def response_header_packer(api_key: int, api_version: int) -> Callable[[int], bytes]:
    """What makes the headers of the responses of one API version from their correlation ids."""
    return (_CORRELATION_ID_AND_NO_TAGS if response_header_version(api_key, api_version) else _CORRELATION_ID).pack


def response_header(api_key: int, api_version: int, correlation_id: int) -> bytes:
    """The header of one response."""
    return response_header_packer(api_key, api_version)(correlation_id)


def read_response_header(api_key: int, api_version: int, frame: Buffer) -> tuple[int, int]:
    """Correlation id and where the body starts, of the answer to such a request. Raises DecodeError."""
    end = len(frame)
    try:
        (correlation_id,) = _CORRELATION_ID.unpack_from(frame)
        position = _CORRELATION_ID.size
        if response_header_version(api_key, api_version):
            position = skip_tags(frame, position, end)
    except (IndexError, StructError):
        raise DecodeError(f"a frame of {end} bytes ends inside its response header") from None
    return correlation_id, position
