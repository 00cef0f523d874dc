"""The outgoing side of a connection: responses into the transport, never faster than the peer reads them.

Small responses of one turn are joined into one write. A big one leaves in chunks: each run of a file is read just
before it is written, and nothing more is read while the transport holds more than its high-water mark. A peer that
does not read therefore costs one chunk (`CHUNK_BYTES`) beside the transport's own mark, however large the response is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from struct import Struct
from typing import Protocol

from kwire.net.limits import NetworkCounters
from kwire.wire.parts import FileRange, Part, part_size

SMALL_BYTES = 16 * 1024
CHUNK_BYTES = 256 * 1024

_pack_length = Struct(">I").pack


class IncompleteResponseError(Exception):
    """A part of a response cannot be read from disk; what was sent of it is not a whole response."""


class Sink(Protocol):
    """What is needed of an `asyncio.Transport`."""

    def write(self, data: bytes | bytearray | memoryview) -> None: ...

    def is_closing(self) -> bool: ...


class ResponseWriter:
    """Writes responses in order. The owner relays the transport's flow control by setting `is_paused`."""

    __slots__ = ("_counters", "_joined", "_sink", "_unsent", "is_paused")

    def __init__(self, sink: Sink, counters: NetworkCounters) -> None:
        self._sink = sink
        self._counters = counters
        self._joined: list[bytes | bytearray | memoryview] = []  # Small responses that wait for `flush`.
        self._unsent: deque[Part] = deque()  # The rest of a response that the transport could not take yet.
        self.is_paused = False

    @property
    def is_blocked(self) -> bool:
        """Whether a response is partly unsent: `drain` goes on with it, and no other may be sent before."""
        return bool(self._unsent)

    def send(self, parts: Sequence[Part]) -> None:
        """Send one response, without its length; a small one leaves with `flush`.

        Raises IncompleteResponseError when a file range cannot be read: the connection is then of no more use.
        """
        self._counters.responses += 1
        joined = self._joined
        if len(parts) == 1 and parts[0].__class__ is bytes and len(parts[0]) <= SMALL_BYTES:
            joined.append(_pack_length(len(parts[0])))
            joined.append(parts[0])
            return
        size = 0
        is_small = True
        for part in parts:
            if isinstance(part, FileRange):
                is_small = False
            size += part_size(part)
        joined.append(_pack_length(size))
        if is_small and size <= SMALL_BYTES:
            joined.extend(parts)  # type: ignore[arg-type]  # no FileRange among them
            return
        unsent = self._unsent
        unsent.extend(joined)
        joined.clear()
        unsent.extend(parts)
        self.drain()

    def flush(self) -> None:
        """Write the small responses that were held back to be joined."""
        joined = self._joined
        if joined:
            data = b"".join(joined)
            joined.clear()
            self._counters.bytes_out += len(data)
            self._sink.write(data)

    def drain(self) -> None:
        """Write as much of a blocked response as the transport takes; raises IncompleteResponseError as `send` does."""
        sink = self._sink
        while self._unsent and not self.is_paused and not sink.is_closing():
            try:
                chunk = self._next_chunk()
            except OSError as error:
                raise IncompleteResponseError(str(error)) from error
            self._counters.bytes_out += len(chunk)
            sink.write(chunk)

    def discard(self) -> None:
        """Forget what is unsent."""
        self._joined.clear()
        self._unsent.clear()

    def _next_chunk(self) -> bytes | bytearray | memoryview:
        """Neighbouring small parts joined, a middle-sized part whole, the first CHUNK_BYTES of a big one."""
        unsent = self._unsent
        part = unsent.popleft()
        if part_size(part) > SMALL_BYTES:
            return self._head_of(part)
        gathered = [_as_bytes(part)]
        size = len(gathered[0])
        while unsent and part_size(unsent[0]) <= SMALL_BYTES and size < CHUNK_BYTES:
            gathered.append(_as_bytes(unsent.popleft()))
            size += len(gathered[-1])
        return b"".join(gathered)

    def _head_of(self, part: Part) -> bytes | bytearray | memoryview:
        if part_size(part) <= CHUNK_BYTES:
            return _as_bytes(part)
        if isinstance(part, FileRange):
            rest = FileRange(part.fd, part.position + CHUNK_BYTES, part.size - CHUNK_BYTES, part.owner)
            self._unsent.appendleft(rest)
            return FileRange(part.fd, part.position, CHUNK_BYTES, part.owner).read()
        view = memoryview(part)
        self._unsent.appendleft(view[CHUNK_BYTES:])
        return view[:CHUNK_BYTES]


def _as_bytes(part: Part) -> bytes | bytearray | memoryview:
    return part.read() if isinstance(part, FileRange) else part
