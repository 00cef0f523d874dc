"""A listener on loopback and raw clients for it, on either event loop; nothing here waits for a clock."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from kwire.clock import ManualClock
from kwire.net.connection import Connection
from kwire.net.endpoint import CLOSE, Reply
from kwire.net.limits import ConnectionLimits, ConnectionQuotas
from kwire.net.listener import Listener

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

both_loops = pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["std", "uv"])


def run(loop_factory: LoopFactory, main: Coroutine[Any, Any, None]) -> None:
    """Run `main` to its end on a fresh loop; a hang fails after 20 s instead of stopping the suite."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(asyncio.wait_for(main, 20))


def framed(*bodies: bytes) -> bytes:
    """The bodies as requests on the wire."""
    return b"".join(struct.pack(">i", len(body)) + body for body in bodies)


class Client:
    """A peer that sends what it is told and reads responses one by one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, listener: Listener, host: str = "127.0.0.1") -> Client:
        return cls(*await asyncio.open_connection(host, listener.port))

    def send(self, *bodies: bytes) -> None:
        self.writer.write(framed(*bodies))

    async def receive(self) -> bytes:
        size = struct.unpack(">i", await self.reader.readexactly(4))[0]
        return await self.reader.readexactly(size)

    async def ask(self, body: bytes) -> bytes:
        self.send(body)
        return await self.receive()

    async def is_closed_by_peer(self) -> bool:
        """Wait for the end of the stream; True when nothing came before it."""
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except (ConnectionResetError, BrokenPipeError):
            return


class Answers:
    """A handler whose answers the test holds in its hand.

    `echo ...` is echoed at once; `later ...` when the test resolves the future in `pending`; `none` gets no answer;
    `close` and `raise` do so; any other body is looked up in `replies`.
    """

    def __init__(self) -> None:
        self.pending: list[asyncio.Future[Reply]] = []
        self.frames: list[memoryview] = []
        self.connections: list[Connection] = []
        self.replies: dict[bytes, Reply] = {}
        self.arrived = asyncio.Event()

    def __call__(self, frame: memoryview, connection: Connection) -> Reply | Awaitable[Reply]:
        body = bytes(frame)
        self.frames.append(frame)
        self.connections.append(connection)
        self.arrived.set()
        if body.startswith(b"echo"):
            return [body]
        if body.startswith(b"later"):
            self.pending.append(connection.loop.create_future())
            return self.pending[-1]
        if body == b"none":
            return None
        if body == b"close":
            return CLOSE
        if body == b"raise":
            raise RuntimeError("the handler's own fault")
        return self.replies[body]

    async def count(self, requests: int) -> None:
        """Wait until so many requests have arrived."""
        while len(self.frames) < requests:
            self.arrived.clear()
            await self.arrived.wait()


@asynccontextmanager
async def serving(
    handler: Callable[[memoryview, Connection], Reply | Awaitable[Reply]],
    *,
    host: str = "127.0.0.1",
    limits: ConnectionLimits | None = None,
    quotas: ConnectionQuotas | None = None,
    clock: ManualClock | None = None,
) -> AsyncIterator[Listener]:
    """A started listener; stopped without grace on leaving."""
    listener = Listener("PLAINTEXT", host, 0, handler, limits=limits, quotas=quotas, clock=clock)
    await listener.start()
    try:
        yield listener
    finally:
        await listener.stop(grace_s=0)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until `condition` holds."""
    while not condition():  # noqa: ASYNC110  # what is waited for happens in a socket, not in a task
        await asyncio.sleep(0.001)
