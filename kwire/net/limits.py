"""How many connections, how large, how long: the bounds of the Kafka port and who is counted against them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kwire.clock import Clock

NO_LIMIT = 2**31 - 1
REFUSAL_LOG_INTERVAL_S = 10.0

LIVE_OPTIONS = ("max.connections", "max.connections.per.ip", "max.connections.per.ip.overrides")
"""Options that may be altered while the broker runs (KIP-226, KIP-402)."""


class ConnectionLimits:
    """The options of the socket server, under their own names; read anew at each decision, so they may be changed live.

    Sizes in bytes, -1 for the operating system's choice of a socket buffer; `connections_max_idle_ms` < 0 never closes
    an idle connection. Defaults are Kafka's (`SocketServerConfigs`), with two exceptions. The socket buffers are left
    to the operating system: 100 KiB, which Kafka asks for, make a 1 MiB request cost 2.4 times as much. And 1024
    connections may wait to be accepted: beyond Kafka's 50, a client in a burst waits a second for TCP to try again.
    """

    __slots__ = (
        "connections_max_idle_ms",
        "max_connections",
        "max_connections_per_ip",
        "max_connections_per_ip_overrides",
        "socket_listen_backlog_size",
        "socket_receive_buffer_bytes",
        "socket_request_max_bytes",
        "socket_send_buffer_bytes",
    )

    def __init__(
        self,
        *,
        max_connections: int = NO_LIMIT,
        max_connections_per_ip: int = NO_LIMIT,
        max_connections_per_ip_overrides: Mapping[str, int] | None = None,
        connections_max_idle_ms: int = 600_000,
        socket_request_max_bytes: int = 104_857_600,
        socket_send_buffer_bytes: int = -1,
        socket_receive_buffer_bytes: int = -1,
        socket_listen_backlog_size: int = 1024,
    ) -> None:
        self.max_connections = max_connections
        self.max_connections_per_ip = max_connections_per_ip
        self.max_connections_per_ip_overrides = dict(max_connections_per_ip_overrides or {})
        self.connections_max_idle_ms = connections_max_idle_ms
        self.socket_request_max_bytes = socket_request_max_bytes
        self.socket_send_buffer_bytes = socket_send_buffer_bytes
        self.socket_receive_buffer_bytes = socket_receive_buffer_bytes
        self.socket_listen_backlog_size = socket_listen_backlog_size

    @classmethod
    def from_options(cls, get: Callable[[str], Any]) -> ConnectionLimits:
        """`get` returns a broker option's typed value by its Kafka name."""
        limits = cls(
            connections_max_idle_ms=get("connections.max.idle.ms"),
            socket_request_max_bytes=get("socket.request.max.bytes"),
            socket_send_buffer_bytes=get("socket.send.buffer.bytes"),
            socket_receive_buffer_bytes=get("socket.receive.buffer.bytes"),
            socket_listen_backlog_size=get("socket.listen.backlog.size"),
        )
        limits.read_live(get)
        return limits

    def read_live(self, get: Callable[[str], Any]) -> None:
        """Take over `LIVE_OPTIONS` as they are now; they hold for the next connection, open ones stay."""
        self.max_connections = get("max.connections")
        self.max_connections_per_ip = get("max.connections.per.ip")
        self.max_connections_per_ip_overrides = {}
        for pair in filter(None, map(str.strip, get("max.connections.per.ip.overrides").split(","))):
            host, _, count = pair.rpartition(":")
            self.max_connections_per_ip_overrides[host.strip().strip("[]")] = int(count)


class ConnectionQuotas:
    """The open connections of a whole broker, all listeners together, in total and by address of the peer."""

    __slots__ = ("_per_ip", "limits", "open_count")

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self.open_count = 0
        self._per_ip: dict[str, int] = {}

    def admit(self, host: str) -> str | None:
        """Count one more connection from `host`, or say which limit forbids it."""
        limits = self.limits
        if self.open_count >= limits.max_connections:
            return f"max.connections={limits.max_connections} is reached"
        from_host = self._per_ip.get(host, 0)
        allowed = limits.max_connections_per_ip_overrides.get(host, limits.max_connections_per_ip)
        if from_host >= allowed:
            return f"{host} already has {from_host} connections, which max.connections.per.ip allows at most"
        self.open_count += 1
        self._per_ip[host] = from_host + 1
        return None

    def release(self, host: str) -> None:
        """A connection that `admit` counted is gone."""
        self.open_count -= 1
        left = self._per_ip[host] - 1
        if left:
            self._per_ip[host] = left
        else:
            del self._per_ip[host]


class NetworkCounters:
    """What happened on one listener since it started; plain integers, read by whoever exposes metrics."""

    __slots__ = (
        "accept_errors",
        "bytes_held",
        "bytes_in",
        "bytes_out",
        "connections_accepted",
        "connections_closed",
        "connections_idle_closed",
        "connections_refused",
        "frames_rejected",
        "request_errors",
        "requests",
        "response_errors",
        "responses",
    )

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)

    accept_errors: int
    bytes_held: int
    bytes_in: int
    bytes_out: int
    connections_accepted: int
    connections_closed: int
    connections_idle_closed: int
    connections_refused: int
    frames_rejected: int
    request_errors: int
    requests: int
    response_errors: int
    responses: int


class RateLimit:
    """Lets one log line pass per `interval_s` and counts those that were held back meanwhile."""

    __slots__ = ("_clock", "_interval_s", "_next_s", "_suppressed")

    def __init__(self, clock: Clock, interval_s: float = REFUSAL_LOG_INTERVAL_S) -> None:
        self._clock = clock
        self._interval_s = interval_s
        self._next_s = float("-inf")
        self._suppressed = 0

    def admit(self) -> int | None:
        """None: stay silent. Otherwise speak, and the number is how many were silent since the last line."""
        now = self._clock.monotonic()
        if now < self._next_s:
            self._suppressed += 1
            return None
        self._next_s = now + self._interval_s
        suppressed, self._suppressed = self._suppressed, 0
        return suppressed
