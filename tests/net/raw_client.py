"""A blocking client that says exactly the bytes a test wants, and decodes answers with kwire's own messages."""

from __future__ import annotations

import socket
import struct
from typing import Any

from kwire.wire.codec import decode, encode
from kwire.wire.header import read_response_header, request_header_bytes
from kwire.wire.messages import response_class

PATIENCE_S = 20.0
"""After so long a missing answer fails the test instead of hanging it."""


class RawClient:
    """One TCP connection to a broker on loopback."""

    def __init__(self, port: int, *, receive_buffer_bytes: int = 0) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE_S)
        if receive_buffer_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._correlation_id = 0

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def frame(self, api_key: int, version: int, body: bytes) -> bytes:
        """A request with its length, ready to be sent."""
        self._correlation_id += 1
        request = request_header_bytes(api_key, version, self._correlation_id, "raw") + body
        return struct.pack(">i", len(request)) + request

    def receive_frame(self) -> bytes:
        """The next response without its length; EOFError when the broker has closed the connection."""
        return self._exactly(struct.unpack(">i", self._exactly(4))[0])

    def response(self, api_key: int, version: int) -> Any:
        """The next response, decoded; its correlation id must be that of the last request."""
        frame = self.receive_frame()
        correlation_id, offset = read_response_header(api_key, version, frame)
        assert correlation_id == self._correlation_id
        return decode(response_class(api_key), version, frame, offset)

    def ask(self, api_key: int, version: int, request: object) -> Any:
        """Send a request message and return the response message."""
        self.socket.sendall(self.frame(api_key, version, encode(request, version)))
        return self.response(api_key, version)

    def is_closed_by_broker(self) -> bool:
        """Wait for the end of the connection; False when an answer came instead."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise EOFError(f"closed after {len(data)} of {size} bytes")
            data += piece
        return bytes(data)
