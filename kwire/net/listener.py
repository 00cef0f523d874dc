"""A listening port: binds every address family of its host, accepts within the limits, sweeps out the idle, stops.

Sockets are accepted here and not by `loop.create_server`, because then a connection beyond a limit is closed before it
costs a transport, and because running out of file descriptors (EMFILE) must pause accepting, not end it, on any loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket

from kwire.clock import Clock, SystemClock
from kwire.net.connection import Connection
from kwire.net.endpoint import Endpoint, RequestHandler
from kwire.net.limits import ConnectionLimits, ConnectionQuotas, NetworkCounters, RateLimit

ACCEPTS_PER_TURN = 64
ACCEPT_RETRY_S = 0.1
PORT_ATTEMPTS = 20
IDLE_SWEEPS_PER_PERIOD = 10

logger = logging.getLogger("kwire.net")


class Listener:
    """One named entry of `listeners`: `name://host:port` with its security protocol.

    `host` "" listens on all addresses of both families, "localhost" on both loopback addresses; any other name or
    address on what it resolves to. With `port` 0 the system chooses one port that is free on all of them.
    `quotas` counts connections over all listeners of a broker; without it the listener has its own.
    """

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        handler: RequestHandler,
        *,
        security_protocol: str = "PLAINTEXT",
        limits: ConnectionLimits | None = None,
        quotas: ConnectionQuotas | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.name = name
        self.host = host
        self.port = port
        self.addresses: list[tuple[str, int]] = []
        self._limits = limits or (quotas.limits if quotas else ConnectionLimits())
        self._quotas = quotas or ConnectionQuotas(self._limits)
        self._clock = clock or SystemClock()
        self._endpoint = Endpoint(name, security_protocol, handler, self._limits, self._connection_closed)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sockets: list[socket.socket] = []
        self._connections = self._endpoint.connections
        self._opening: set[asyncio.Task[None]] = set()
        self._all_closed = asyncio.Event()
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._retry_timer: asyncio.TimerHandle | None = None
        self._refusal_log = RateLimit(self._clock)
        self._accept_error_log = RateLimit(self._clock)

    @property
    def counters(self) -> NetworkCounters:
        """What happened here since the start."""
        return self._endpoint.counters

    @property
    def connection_count(self) -> int:
        """Connections open now."""
        return len(self._connections)

    def serve_with(self, handler: RequestHandler) -> None:
        """Give the requests that come from now on to another handler."""
        self._endpoint.handler = handler

    async def start(self) -> None:
        """Bind and accept. Afterwards `port` is the real one and `addresses` lists what is bound.

        Raises OSError, with the listener in its text, when the port is taken or the address is not this machine's.
        """
        _keep_freed_memory()
        loop = self._loop = asyncio.get_running_loop()
        targets = await self._resolve(loop)
        self._sockets = self._bind(targets)
        for listening in self._sockets:
            self.addresses.append(listening.getsockname()[:2])
            listening.listen(self._limits.socket_listen_backlog_size)
            loop.add_reader(listening.fileno(), self._accept, listening)
        self.port = self.addresses[0][1]
        self._schedule_sweep()

    async def stop(self, grace_s: float = 5.0) -> None:
        """Stop accepting, answer the requests in work, close; cut off what is not done after `grace_s` seconds."""
        loop = self._loop
        if loop is None:
            return
        self._loop = None
        for timer in (self._sweep_timer, self._retry_timer):
            if timer is not None:
                timer.cancel()
        for listening in self._sockets:
            loop.remove_reader(listening.fileno())
            listening.close()
        self._sockets.clear()
        if self._opening:
            await asyncio.wait(self._opening)
        for connection in list(self._connections):
            connection.finish()
        if self._connections and grace_s > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_closed.wait(), grace_s)
        for connection in list(self._connections):
            connection.abort()
        if self._connections:
            await self._all_closed.wait()

    def close_idle(self, now_s: float) -> int:
        """Close what has neither moved nor had a request in work for `connections.max.idle.ms`; returns how many.

        Called by a timer ten times in that period, so that no request has to read a clock: a connection lives from 1.0
        to 1.2 times the period after its last activity. One that is closing, but whose peer does not read, is cut off.
        """
        limit_s = self._limits.connections_max_idle_ms / 1000
        closed = 0
        if limit_s < 0:
            return closed
        for connection in list(self._connections):
            if connection.take_activity():
                connection.idle_since_s = now_s
            elif now_s - connection.idle_since_s >= limit_s:
                closed += 1
                logger.debug("closing idle connection %r", connection)
                connection.abort()
        self.counters.connections_idle_closed += closed
        return closed

    # ---- binding ----------------------------------------------------------------------------------------------------

    async def _resolve(self, loop: asyncio.AbstractEventLoop) -> list[tuple[int, str]]:
        """(address family, numeric host) of each socket to bind; names other than localhost go to the resolver."""
        if not self.host:
            return [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]
        if self.host == "localhost":
            return [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
        try:
            found = await loop.getaddrinfo(self.host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except socket.gaierror as error:
            raise OSError(
                error.errno, f"listener {self.name}: cannot resolve {self.host!r}: {error.strerror}"
            ) from error
        return list(dict.fromkeys((int(family), str(address[0])) for family, _, _, _, address in found))

    def _bind(self, targets: list[tuple[int, str]]) -> list[socket.socket]:
        """One bound socket per family; a chosen port may be taken on the second family, then another one is tried."""
        attempts = 1 if self.port else PORT_ATTEMPTS
        while True:
            attempts -= 1
            try:
                return self._bind_all(targets)
            except OSError as error:
                if attempts and error.errno == errno.EADDRINUSE:
                    continue
                raise

    def _bind_all(self, targets: list[tuple[int, str]]) -> list[socket.socket]:
        bound: list[socket.socket] = []
        port = self.port
        try:
            for family, host in targets:
                try:
                    listening = self._bind_one(family, host, port)
                except OSError as error:
                    if family == socket.AF_INET6 and bound and error.errno != errno.EADDRINUSE:
                        continue  # A machine or container without IPv6 is served by IPv4 alone.
                    text = f"listener {self.name} cannot listen on {host}:{port}: {error.strerror}"
                    raise OSError(error.errno, text) from error
                bound.append(listening)
                port = listening.getsockname()[1]
        except OSError:
            for listening in bound:
                listening.close()
            raise
        return bound

    def _bind_one(self, family: int, host: str, port: int) -> socket.socket:
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setblocking(False)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if self._limits.socket_receive_buffer_bytes > 0:
                # The TCP window is agreed when a connection is made, so that accepted sockets must inherit this.
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._limits.socket_receive_buffer_bytes)
            listening.bind((host, port))
        except OSError:
            listening.close()
            raise
        return listening

    # ---- accepting --------------------------------------------------------------------------------------------------

    def _accept(self, listening: socket.socket) -> None:
        loop = self._loop
        if loop is None:
            return
        for _ in range(ACCEPTS_PER_TURN):
            try:
                accepted, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._accept_failed(loop, listening, error)
                return
            refusal = self._quotas.admit(address[0])
            if refusal is not None:
                accepted.close()
                self._log_refusal(address, refusal)
                continue
            self.counters.connections_accepted += 1
            task = loop.create_task(self._open(loop, accepted, address[:2]))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self, loop: asyncio.AbstractEventLoop, accepted: socket.socket, peer: tuple[str, int]) -> None:
        try:
            self._configure(accepted)
            local = accepted.getsockname()[:2]
            connection = Connection(self._endpoint, loop, peer, local, self._clock.monotonic())
            await loop.connect_accepted_socket(lambda: connection, accepted)
        except OSError as error:
            # The peer was gone before we were ready; without connection_made there is no connection_lost.
            logger.debug("connection of %s:%s was lost at once: %s", *peer, error)
            accepted.close()
            self._quotas.release(peer[0])

    def _configure(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._limits.socket_send_buffer_bytes > 0:
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._limits.socket_send_buffer_bytes)

    def _connection_closed(self, connection: Connection) -> None:
        self._quotas.release(connection.peer_host)
        if self._loop is None and not self._connections:
            self._all_closed.set()

    def _log_refusal(self, address: tuple[str, int], reason: str) -> None:
        self.counters.connections_refused += 1
        silent = self._refusal_log.admit()
        if silent is not None:
            more = f" ({silent} more were refused since the last line)" if silent else ""
            logger.warning("listener %s refuses %s:%s: %s%s", self.name, address[0], address[1], reason, more)

    def _accept_failed(self, loop: asyncio.AbstractEventLoop, listening: socket.socket, error: OSError) -> None:
        """Out of descriptors or memory: those waiting stay in the backlog, and we look again a little later."""
        self.counters.accept_errors += 1
        if self._accept_error_log.admit() is not None:
            logger.error("listener %s cannot accept connections, trying again: %s", self.name, error)
        loop.remove_reader(listening.fileno())
        self._retry_timer = loop.call_later(ACCEPT_RETRY_S, self._resume_accepting)

    def _resume_accepting(self) -> None:
        if self._loop is not None:
            for listening in self._sockets:
                self._loop.add_reader(listening.fileno(), self._accept, listening)

    # ---- idle connections -------------------------------------------------------------------------------------------

    def _schedule_sweep(self) -> None:
        idle_s = self._limits.connections_max_idle_ms / 1000
        if self._loop is not None and idle_s >= 0:
            self._sweep_timer = self._loop.call_later(max(idle_s / IDLE_SWEEPS_PER_PERIOD, 0.01), self._sweep)

    def _sweep(self) -> None:
        self.close_idle(self._clock.monotonic())
        self._schedule_sweep()


def _keep_freed_memory() -> None:
    """Teach glibc to keep up to 8 MiB of freed memory for the next big request or response.

    Its `malloc` gives blocks of 128 KiB and more back to the system when they are freed, at the price of a page fault
    for each 4 KiB of the next one: sending a file took twice the time. Freeing one larger block raises that threshold
    to its size (mallopt(3), "dynamic mmap threshold"). `bytes` costs no memory here: its zeros come at first touch.
    """
    bytes(4 * 1024 * 1024)
