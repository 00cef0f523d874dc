"""The outgoing side of a connection: responses into the transport, never faster than the peer reads them.

Small responses of one turn are joined into one write. A big one leaves in chunks: each run of a file is read just
before it is written, and nothing more is read while the transport holds more than its high-water mark. A peer that
does not read therefore costs one chunk beside the transport's own mark, however large the response is. Large chunks are
twice as fast as small ones (fewer turns of the event loop for the same bytes), so they are large (`CHUNK_BYTES`) until
slow peers of a listener hold `HELD_BYTES_LIMIT` together, and small from then on. Bytes that must be made first
(`PieceStream`) leave a piece at a time, and other connections get their turn after each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from struct import Struct
from typing import Protocol

from kwire.net.limits import NetworkCounters
from kwire.wire.parts import FileRange, Part, PieceStream, Unread, part_size

SMALL_BYTES = 16 * 1024
CHUNK_BYTES = 1024 * 1024
CHUNK_BYTES_WHEN_SCARCE = 64 * 1024
HELD_BYTES_LIMIT = 64 * 1024 * 1024

_pack_length = Struct(">I").pack


class IncompleteResponseError(Exception):
    """A part of a response cannot be read from disk; what was sent of it is not a whole response."""


class Sink(Protocol):
    """What is needed of an `asyncio.Transport`."""

    def write(self, data: bytes | bytearray | memoryview) -> None: ...

    def is_closing(self) -> bool: ...


class ResponseWriter:
    """Writes responses in order. The owner relays the transport's flow control: sets `is_paused`, calls `resumed`."""

    __slots__ = ("_counters", "_give_turn", "_held_bytes", "_joined", "_sink", "_unsent", "is_paused")

    def __init__(self, sink: Sink, counters: NetworkCounters, give_turn: Callable[[], object] = lambda: None) -> None:
        """`give_turn` is called when writing has paused by itself, and is to call `resumed` and `drain` later."""
        self._sink = sink
        self._counters = counters
        self._give_turn = give_turn
        self._joined: list[bytes | bytearray | memoryview] = []  # Small responses that wait for `flush`.
        self._unsent: deque[Part] = deque()  # The rest of a response that the transport could not take yet.
        self._held_bytes = 0  # Of the last chunk, while the transport could not pass it on.
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
            if isinstance(part, Unread):
                is_small = False
            size += part_size(part)
        joined.append(_pack_length(size))
        if is_small and size <= SMALL_BYTES:
            joined.extend(parts)  # type: ignore[arg-type]  # nothing unread among them
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
            takes_turns = isinstance(self._unsent[0], PieceStream)
            try:
                chunk = self._next_chunk()
            except OSError as error:
                raise IncompleteResponseError(str(error)) from error
            self._counters.bytes_out += len(chunk)
            if chunk:
                sink.write(chunk)
            if self.is_paused:
                self._held_bytes += len(chunk)
                self._counters.bytes_held += len(chunk)
            elif takes_turns and self._unsent:
                self.is_paused = True
                following = self._unsent[0]
                if isinstance(following, PieceStream):
                    following.when_ready(self._give_turn)
                else:
                    self._give_turn()

    def resumed(self) -> None:
        """The transport has passed on what it was given and takes more."""
        self.is_paused = False
        self._release()

    def discard(self) -> None:
        """Forget what is unsent."""
        self._release()
        self._joined.clear()
        self._unsent.clear()

    def _release(self) -> None:
        self._counters.bytes_held -= self._held_bytes
        self._held_bytes = 0

    def _next_chunk(self) -> bytes | bytearray | memoryview:
        """Neighbouring small parts joined, a middle-sized part whole, the first chunk of a big one."""
        unsent = self._unsent
        part = unsent.popleft()
        if part_size(part) > SMALL_BYTES:
            is_scarce = self._counters.bytes_held >= HELD_BYTES_LIMIT
            return self._head_of(part, CHUNK_BYTES_WHEN_SCARCE if is_scarce else CHUNK_BYTES)
        gathered = [_as_bytes(part)]
        size = len(gathered[0])
        while unsent and part_size(unsent[0]) <= SMALL_BYTES and size < CHUNK_BYTES:
            gathered.append(_as_bytes(unsent.popleft()))
            size += len(gathered[-1])
        return b"".join(gathered)

    def _head_of(self, part: Part, chunk_bytes: int) -> bytes | bytearray | memoryview:
        if isinstance(part, PieceStream):
            piece = part.next_piece()
            if part.size:
                self._unsent.appendleft(part)
            return piece
        if part_size(part) <= chunk_bytes:
            return _as_bytes(part)
        if isinstance(part, FileRange):
            rest = FileRange(part.fd, part.position + chunk_bytes, part.size - chunk_bytes, part.owner)
            self._unsent.appendleft(rest)
            return FileRange(part.fd, part.position, chunk_bytes, part.owner).read()
        view = memoryview(_as_bytes(part))
        self._unsent.appendleft(view[chunk_bytes:])
        return view[:chunk_bytes]


def _as_bytes(part: Part) -> bytes | bytearray | memoryview:
    return part.read() if isinstance(part, Unread) else part
