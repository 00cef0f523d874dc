"""One blocking connection to one broker: negotiates versions, sends requests, takes the answers in their order."""

from __future__ import annotations

import socket
from collections import deque
from struct import Struct
from typing import Any, Final, NamedTuple

from kwire.errors import ErrorCode
from kwire.wire.codec import decode, encode_parts
from kwire.wire.header import read_response_header, request_header_bytes
from kwire.wire.messages import API_MODULES, response_class
from kwire.wire.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from kwire.wire.model import model_of
from kwire.wire.parts import Unread, part_size
from kwire.wire.primitives import WireError

CLIENT_ID: Final = "kwire-cli"

_SIZE: Final = Struct(">i")
_API_VERSIONS: Final = 18
_LARGEST_ANSWER_BYTES: Final = 1 << 30


class ClientError(Exception):
    """Something the user should read: one sentence."""


class BrokerUnreachable(ClientError):
    """No connection, or one that broke."""


class Pending(NamedTuple):
    """A request whose answer has not been taken yet."""

    api_key: int
    api_version: int
    correlation_id: int


class Connection:
    """A connection to `host:port`, opened at once.

    `versions` maps API keys to the (lowest, highest) version the broker serves. Raises BrokerUnreachable when there is
    no broker, or something that does not speak Kafka's protocol.
    """

    def __init__(self, host: str, port: int, *, client_id: str = CLIENT_ID, timeout_s: float = 30.0) -> None:
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._client_id = client_id
        self._timeout_s = timeout_s
        self._correlation_id = 0
        self._pending: deque[Pending] = deque()
        try:
            self._socket = socket.create_connection((host, port), timeout=timeout_s)
        except OSError as error:
            reason = error.strerror or str(error) or "no answer"
            raise BrokerUnreachable(f"no broker at {self.address} ({reason})") from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.versions: dict[int, tuple[int, int]] = {}
        try:
            self.versions = self._negotiate()
        except BrokerUnreachable as error:
            self.close()
            raise BrokerUnreachable(
                f"what listens at {self.address} does not speak Kafka's protocol ({error})"
            ) from None

    def close(self) -> None:
        """Close the connection; answers not taken are lost."""
        self._socket.close()

    def version(self, cls: type, highest: int | None = None) -> int:
        """The highest version of a request class that both sides know, at most `highest`. Raises ClientError."""
        model = model_of(cls)
        assert model.key is not None
        served = self.versions.get(model.key)
        if served is None:
            raise ClientError(f"the broker at {self.address} does not serve {API_MODULES[model.key].stem}")
        top = min(model.valid[1], served[1], model.valid[1] if highest is None else highest)
        if top < max(model.valid[0], served[0]):
            stem = API_MODULES[model.key].stem
            raise ClientError(f"the broker at {self.address} serves {stem} {served[0]} to {served[1]} only")
        return top

    def call(self, request: Any, *, version: int | None = None, timeout_s: float | None = None) -> Any:
        """Send a request and wait for its answer; the version is negotiated unless it is given."""
        return self.take(self.send(request, version=version), timeout_s=timeout_s)

    def send(self, request: Any, *, version: int | None = None, answered: bool = True) -> Pending:
        """Send a request; its answer is taken with `take`, in the order of sending. `answered` False: there is none."""
        key = model_of(type(request)).key
        assert key is not None
        if version is None:
            version = self.version(type(request))
        self._correlation_id += 1
        pending = Pending(key, version, self._correlation_id)
        header = request_header_bytes(key, version, pending.correlation_id, self._client_id)
        parts = encode_parts(request, version, first=header)
        size = sum(part_size(part) for part in parts)
        payload = b"".join([_SIZE.pack(size), *(p.read() if isinstance(p, Unread) else p for p in parts)])
        try:
            self._socket.sendall(payload)
        except OSError as error:
            raise self._broken(error) from None
        if answered:
            self._pending.append(pending)
        return pending

    def take(self, pending: Pending, *, timeout_s: float | None = None) -> Any:
        """The answer to the oldest request that has none yet, which must be `pending`."""
        assert self._pending[0] is pending, "answers come in the order of the requests"
        frame = self._frame(timeout_s)
        self._pending.popleft()
        try:
            correlation_id, offset = read_response_header(pending.api_key, pending.api_version, frame)
            if correlation_id != pending.correlation_id:
                raise BrokerUnreachable(
                    f"{self.address} answered request {correlation_id}, not {pending.correlation_id}"
                )
            return decode(response_class(pending.api_key), pending.api_version, frame, offset)
        except WireError as error:
            raise BrokerUnreachable(f"{self.address} sent an answer that cannot be read: {error}") from None

    def _negotiate(self) -> dict[int, tuple[int, int]]:
        """ApiVersions in our newest version; a broker that does not know it answers error 35 in version 0 (KIP-511)."""
        from kwire.cli import SOFTWARE_VERSION

        newest = model_of(ApiVersionsRequest).valid[1]
        request = ApiVersionsRequest(client_software_name=CLIENT_ID, client_software_version=SOFTWARE_VERSION)
        pending = self.send(request, version=newest)
        frame = self._frame(None)
        self._pending.popleft()
        try:
            _, offset = read_response_header(_API_VERSIONS, newest, frame)
            refused = frame[offset : offset + 2] == int(ErrorCode.UNSUPPORTED_VERSION).to_bytes(2, "big")
            answer = decode(ApiVersionsResponse, 0 if refused else pending.api_version, frame, offset)
        except WireError as error:
            raise BrokerUnreachable(str(error)) from None
        if refused:
            answer = self.call(ApiVersionsRequest(), version=0)
        return {api.api_key: (api.min_version, api.max_version) for api in answer.api_keys}

    def _frame(self, timeout_s: float | None) -> bytearray:
        self._socket.settimeout(self._timeout_s if timeout_s is None else timeout_s)
        (size,) = _SIZE.unpack(self._exactly(_SIZE.size))
        if not 0 <= size <= _LARGEST_ANSWER_BYTES:
            raise BrokerUnreachable(f"{self.address} announced an answer of {size} bytes")
        return self._exactly(size)

    def _exactly(self, size: int) -> bytearray:
        data = bytearray(size)
        view = memoryview(data)
        position = 0
        try:
            while position < size:
                received = self._socket.recv_into(view[position:])
                if not received:
                    raise BrokerUnreachable(f"{self.address} closed the connection")
                position += received
        except OSError as error:
            raise self._broken(error) from None
        return data

    def _broken(self, error: OSError) -> BrokerUnreachable:
        if isinstance(error, TimeoutError):
            return BrokerUnreachable(f"{self.address} did not answer in time")
        return BrokerUnreachable(f"the connection to {self.address} broke ({error.strerror or error})")
