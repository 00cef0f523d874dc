"""One client's connection: requests in, one at a time, responses out in the order of the requests.

A request is handed to the handler synchronously, inside the read callback. A reply given at once is written at once,
without a task. When the handler returns an awaitable the next frame waits for it, as Kafka mutes a channel while its
request is in work; reading goes on only until the receive buffer is full, so that a peer that leaves is noticed.
While a response is not with the transport (see `response_writer`), no further request is taken either.
An awaitable whose client has gone is cancelled; a handler shields what must be done to its end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import cast

from kwire.net.endpoint import CLOSE, Endpoint, Reply
from kwire.net.framing import FrameError, FrameReader
from kwire.net.response_writer import IncompleteResponseError, ResponseWriter

REQUESTS_PER_TURN = 32
"""So many pipelined requests of one connection are answered before the others get their turn."""

BYTES_PER_TURN = 512 * 1024
"""A connection that sent so much in one turn of the event loop is not read again before the next one: uvloop reads a
ready socket up to 32 times, which for a client that keeps it full can be 32 MiB while all others wait."""

_LARGE_READ_BYTES = 16 * 1024
"""Reads below this size are not counted: a turn has room for few of them."""

logger = logging.getLogger("kwire.net")


class Connection(asyncio.BufferedProtocol):
    """The protocol object of one accepted socket.

    For handlers: `peer_host`/`peer_port`, `local_host`/`local_port` (the address through which the client reached us),
    `listener_name`, `security_protocol`, `state` (theirs to fill), `loop`, `on_close`, `close`.
    """

    __slots__ = (
        "_active",
        "_close_callbacks",
        "_closing",
        "_counters",
        "_endpoint",
        "_eof",
        "_in_work",
        "_lent_scratch",
        "_reader",
        "_reading_paused",
        "_resting",
        "_transport",
        "_transport_is_full",
        "_turn_bytes",
        "_turn_s",
        "_turn_scheduled",
        "_writer",
        "idle_since_s",
        "listener_name",
        "local_host",
        "local_port",
        "loop",
        "peer_host",
        "peer_port",
        "security_protocol",
        "state",
    )

    _transport: asyncio.Transport
    _writer: ResponseWriter

    def __init__(
        self,
        endpoint: Endpoint,
        loop: asyncio.AbstractEventLoop,
        peer: tuple[str, int],
        local: tuple[str, int],
        now_s: float,
    ) -> None:
        self._endpoint = endpoint
        self._counters = endpoint.counters
        self.loop = loop
        self.listener_name = endpoint.listener_name
        self.security_protocol = endpoint.security_protocol
        self.peer_host, self.peer_port = peer
        self.local_host, self.local_port = local
        self.state: dict[str, object] = {}
        self.idle_since_s = now_s
        self._reader = FrameReader(endpoint.scratches, endpoint.limits.socket_request_max_bytes)
        self._in_work: asyncio.Future[Reply] | None = None
        self._lent_scratch: memoryview | None = None
        self._close_callbacks: list[Callable[[], object]] | None = []  # None once they were called.
        self._active = False
        self._turn_scheduled = False
        self._transport_is_full = False
        self._reading_paused = False
        self._resting = False
        self._turn_bytes = 0
        self._turn_s = 0.0
        self._eof = False
        self._closing = False

    def __repr__(self) -> str:
        return f"{self.peer_host}:{self.peer_port} on listener {self.listener_name}"

    # ---- what handlers and the listener call ------------------------------------------------------------------------

    @property
    def is_closing(self) -> bool:
        """Whether no further request will be taken."""
        return self._closing

    def on_close(self, callback: Callable[[], object]) -> None:
        """Call `callback` once when the connection is gone; at the loop's next turn if it is already."""
        if self._close_callbacks is None:
            self.loop.call_soon(callback)
        else:
            self._close_callbacks.append(callback)

    def forget_on_close(self, callback: Callable[[], object]) -> None:
        """Undo `on_close`; nothing happens when `callback` is not registered."""
        if self._close_callbacks and callback in self._close_callbacks:
            self._close_callbacks.remove(callback)

    def close(self) -> None:
        """Take no more requests, send what was replied so far, then close."""
        if not self._closing:
            self._closing = True
            self._writer.flush()
            if not self._writer.is_blocked:
                self._transport.close()

    def abort(self) -> None:
        """Close at once; what is not sent is lost."""
        self._closing = True
        self._transport.abort()

    def finish(self) -> None:
        """Orderly stop: answer the request in work, if there is one, then close; those not yet taken are dropped."""
        if self._in_work is None:
            self.close()
        elif not self._closing:
            self._eof = True
            self._reading_paused = True
            self._transport.pause_reading()
            self._reader.close()

    def take_activity(self) -> bool:
        """Whether anything moved since the last call, or a request is in work; for the idle sweep."""
        active, self._active = self._active, False
        return active or self._in_work is not None

    # ---- called by the event loop -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast(asyncio.Transport, transport)  # uvloop's transports are no subclass of it.
        self._transport = stream
        self._writer = ResponseWriter(stream, self._counters, partial(self.loop.call_soon, self._write_on))
        self._endpoint.connections.add(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        self._counters.bytes_in += nbytes
        self._active = True
        self._reader.received(nbytes)
        if nbytes >= _LARGE_READ_BYTES:
            self._count_turn(nbytes)
        if self._in_work is None and not (self._writer.is_paused or self._turn_scheduled or self._closing):
            self._take_requests()
        else:
            self._regulate_reading()

    def eof_received(self) -> bool:
        """The peer sends no more. The complete requests that it left are handled first, as Kafka does.

        If there are none but the one in work, the peer is taken to be gone, so that a long poll ends with its client.
        """
        self._eof = True
        if self._in_work is not None and not self._reader.has_frame:
            return False
        return not self._may_take()

    def pause_writing(self) -> None:
        self._transport_is_full = True
        self._writer.is_paused = True

    def _write_on(self) -> None:
        if not self._transport_is_full:
            self.resume_writing()

    def resume_writing(self) -> None:
        self._transport_is_full = False
        self._writer.resumed()
        self._active = True
        if self._writer.is_blocked and not self._send_rest():
            return
        if self._closing:
            if not self._writer.is_blocked:
                self._transport.close()
        elif self._may_take():
            self._take_requests()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        if self._in_work is not None:
            # Nobody hears the answer. A long poll may wait for weeks, and no limit on connections counts it any more.
            self._in_work.cancel()
        self._writer.discard()
        self._reader.close()
        callbacks, self._close_callbacks = self._close_callbacks or [], None
        for callback in callbacks:
            try:
                callback()
            except Exception:
                logger.exception("close callback of connection %r failed", self)
        self._counters.connections_closed += 1
        self._endpoint.connections.discard(self)
        self._endpoint.on_closed(self)

    # ---- requests and replies ---------------------------------------------------------------------------------------

    def _may_take(self) -> bool:
        """One request in work at a time, and none while the peer leaves the last response unread."""
        return self._in_work is None and not (self._writer.is_paused or self._turn_scheduled or self._closing)

    def _take_requests(self) -> None:
        """Answer the complete requests in the buffer, a bounded number of them, until one has to wait."""
        next_frame = self._reader.next_frame
        handler = self._endpoint.handler
        counters = self._counters
        writer = self._writer
        turns_left = REQUESTS_PER_TURN
        try:
            while not self._closing:
                frame = next_frame()
                if frame is None:
                    break
                counters.requests += 1
                reply = handler(frame, self)
                if reply.__class__ is list:
                    writer.send(reply)
                elif not self._accept_reply(reply):
                    break
                if writer.is_paused:
                    break
                turns_left -= 1
                if not turns_left:
                    self._turn_scheduled = True
                    self.loop.call_soon(self._next_turn)
                    break
        except FrameError as error:
            counters.frames_rejected += 1
            logger.warning("closing connection %r: %s", self, error)
            self.close()
        except Exception as error:
            self._fail(error)
        else:
            if not self._closing:
                writer.flush()
                if self._eof and self._may_take():
                    self.close()
                else:
                    self._regulate_reading()

    def _next_turn(self) -> None:
        self._turn_scheduled = False
        if self._may_take():
            self._take_requests()

    def _accept_reply(self, reply: Reply | Awaitable[Reply]) -> bool:
        """Send, close or wait, as the handler says; returns whether the next request may be taken.

        Raises IncompleteResponseError when a part cannot be read from disk, TypeError when `reply` is no reply.
        """
        if reply is None:
            return True
        if isinstance(reply, list | tuple):
            self._writer.send(reply)
            return True
        if reply is CLOSE:
            self.close()
            return False
        # What is left is an awaitable; ensure_future refuses anything else with TypeError.
        future: asyncio.Future[Reply] = asyncio.ensure_future(cast(Awaitable[Reply], reply), loop=self.loop)
        self._in_work = future
        self._lent_scratch = self._reader.detach()
        future.add_done_callback(self._reply_ready)
        return False

    def _reply_ready(self, future: asyncio.Future[Reply]) -> None:
        """The request in work is answered. If the client has gone meanwhile, its answer is dropped."""
        self._in_work = None
        if self._lent_scratch is not None:
            self._endpoint.scratches.give_back(self._lent_scratch)
            self._lent_scratch = None
        if future.cancelled():
            self.close()
            return
        try:
            reply = future.result()
            if self._closing or not self._accept_reply(reply):
                return
        except Exception as error:
            self._fail(error)
            return
        if self._may_take():
            self._take_requests()
        else:
            self._writer.flush()

    def _fail(self, error: Exception) -> None:
        """The handler raised, or its reply could not be read from disk: this connection ends, no other does."""
        if isinstance(error, IncompleteResponseError):
            self._counters.response_errors += 1
            logger.error("response to %r cannot be completed, closing the connection: %s", self, error)
            self.abort()
        else:
            self._counters.request_errors += 1
            logger.error("request of %r failed; closing the connection", self, exc_info=error)
            self.close()

    def _send_rest(self) -> bool:
        try:
            self._writer.drain()
        except IncompleteResponseError as error:
            self._fail(error)
            return False
        return True

    def _count_turn(self, nbytes: int) -> None:
        """Whoever had its share of this turn of the loop rests until the next one."""
        # uvloop's time stands still within a turn; asyncio's does not, but asyncio reads once per turn anyway.
        now_s = self.loop.time()
        if now_s != self._turn_s:
            self._turn_s = now_s
            self._turn_bytes = 0
        self._turn_bytes += nbytes
        if self._turn_bytes >= BYTES_PER_TURN and not self._resting:
            self._resting = True
            self._turn_bytes = 0
            self.loop.call_soon(self._end_rest)

    def _end_rest(self) -> None:
        self._resting = False
        if not self._closing:
            self._regulate_reading()

    def _regulate_reading(self) -> None:
        """Read while there is room and it is our turn; after the peer's end of file there is nothing to regulate."""
        if self._eof or (self._resting or self._reader.is_full) == self._reading_paused:
            return
        self._reading_paused = not self._reading_paused
        if self._reading_paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
