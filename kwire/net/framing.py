"""Kafka's framing without sockets: where to receive, which requests are complete, what is wrong with the rest.

A request on the wire is `size: int32, big-endian` followed by `size` bytes. `FrameReader` owns the receive buffer of
one connection and is driven in three steps: the transport fills `buffer()`, `received(n)` says how much came, and
`next_frame()` is called until it returns None.

Memory follows what the peer has *sent*, never what it has announced, so that neither a thousand idle connections nor
a peer that promises 100 MB and stays silent costs anything:

* The 64 KiB scratch buffer is borrowed from a pool for one receive and goes back when everything in it was consumed;
  on a selector loop all idle connections together hold a single one.
* An incomplete rest of up to 4 KiB is kept as a copy of its own, a longer one keeps the scratch.
* Only a frame that has filled the whole scratch gets a buffer of its own: of its exact size up to `FIRST_BYTES`,
  doubling with the data received beyond that. A peer therefore pins at most `FIRST_BYTES / SCRATCH_BYTES` (17) times
  what it sent; a frame up to 1 MiB is received without any copy but that of its first 64 KiB.
* A frame up to 4 KiB is handed out as a copy, so that a long poll does not hold a scratch while it waits.
"""

from __future__ import annotations

from struct import Struct

SCRATCH_BYTES = 64 * 1024
SMALL_BYTES = 4 * 1024
FIRST_BYTES = 1024 * 1024 + SCRATCH_BYTES
POOLED_SCRATCHES = 16
LENGTH_BYTES = 4

_unpack_length = Struct(">i").unpack_from


class FrameError(ValueError):
    """The peer does not speak Kafka's protocol, or asks for more than `socket.request.max.bytes`."""


class ScratchPool:
    """Receive buffers of `SCRATCH_BYTES` that the connections of one event loop lend each other."""

    __slots__ = ("_free", "created_count")

    def __init__(self) -> None:
        self._free: list[memoryview] = []
        self.created_count = 0

    def borrow(self) -> memoryview:
        """A writable view of `SCRATCH_BYTES`; its content is arbitrary."""
        if self._free:
            return self._free.pop()
        self.created_count += 1
        return memoryview(bytearray(SCRATCH_BYTES))

    def give_back(self, scratch: memoryview) -> None:
        """Return what `borrow` gave; nobody may look at it any more."""
        if len(self._free) < POOLED_SCRATCHES:
            self._free.append(scratch)


class FrameReader:
    """Cuts the byte stream of one connection into request frames.

    `max_bytes` is `socket.request.max.bytes`. Raises nothing but FrameError, and that only from `next_frame`.
    """

    __slots__ = (
        "_end",
        "_filled",
        "_frames",
        "_in_scratch",
        "_large",
        "_large_size",
        "_pool",
        "_scratch",
        "_start",
        "_stash",
        "max_bytes",
    )

    def __init__(self, pool: ScratchPool, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._pool = pool
        self._scratch: memoryview | None = None
        self._start = 0  # The unread bytes of the scratch are [_start, _end).
        self._end = 0
        self._stash = b""  # An incomplete frame, while no scratch is borrowed.
        self._large: bytearray | None = (
            None  # The body of a frame that is larger than the scratch, as far as allocated.
        )
        self._large_size = 0
        self._filled = 0
        self._frames = 0
        self._in_scratch = False  # Whether the last frame given out lies in the scratch.

    @property
    def is_full(self) -> bool:
        """Whether `buffer()` would have no room: frames must be consumed before anything more is received."""
        if self._large is not None:
            return self._filled == self._large_size
        return self._end - self._start == SCRATCH_BYTES

    @property
    def has_frame(self) -> bool:
        """Whether `next_frame` would return a frame or raise."""
        if self._large is not None:
            return self._filled == self._large_size
        if self._end - self._start < LENGTH_BYTES or self._scratch is None:
            return False
        size: int = _unpack_length(self._scratch, self._start)[0]
        return size <= 0 or size > self.max_bytes or self._end - self._start - LENGTH_BYTES >= size

    @property
    def allocated_bytes(self) -> int:
        """Memory that this connection's input holds now."""
        large = len(self._large) if self._large is not None else 0
        return large + len(self._stash) + (SCRATCH_BYTES if self._scratch is not None else 0)

    def buffer(self) -> memoryview:
        """Where the transport should receive next: never empty unless `is_full`."""
        large = self._large
        if large is not None:
            if self._filled == len(large):
                large = self._grow(large)
            return memoryview(large)[self._filled :]
        scratch = self._scratch
        if scratch is None:
            scratch = self._scratch = self._pool.borrow()
            if not self._stash:
                return scratch
            self._end = len(self._stash)
            scratch[: self._end] = self._stash
            self._stash = b""
        elif self._start:
            unread = self._end - self._start
            scratch[:unread] = scratch[self._start : self._end]
            self._start = 0
            self._end = unread
        return scratch[self._end :]

    def received(self, count: int) -> None:
        """`count` bytes were put at the beginning of the last `buffer()`."""
        if self._large is not None:
            self._filled += count
        else:
            self._end += count

    def next_frame(self) -> memoryview | None:
        """The next complete request without its length, writable; None when more bytes are needed.

        A frame up to SMALL_BYTES or above SCRATCH_BYTES is the caller's. Any other lies in the scratch and holds until
        the next call of any method here but `detach`. Call it until it returns None: that gives the scratch back.
        """
        scratch = self._scratch
        if scratch is None:
            return None if self._large is None else self._finish_large()
        start = self._start
        begin = start + LENGTH_BYTES
        if begin <= self._end:
            size: int = _unpack_length(scratch, start)[0]
            if size <= 0 or size > self.max_bytes:
                raise FrameError(self._complaint(size, bytes(scratch[start : min(self._end, start + 64)])))
            end = begin + size
            if end <= self._end:
                self._start = end
                self._frames += 1
                if size <= SMALL_BYTES:
                    self._in_scratch = False
                    frame = memoryview(bytearray(scratch[begin:end]))
                    if end == self._end:
                        self._release(scratch)
                    return frame
                self._in_scratch = True
                return scratch[begin:end]
            if self._end - start == SCRATCH_BYTES:
                self._begin_large(scratch, size)
                return None
        unread = self._end - start
        if unread <= SMALL_BYTES:
            if unread:
                self._stash = bytes(scratch[start : self._end])
            self._release(scratch)
        return None

    def detach(self) -> memoryview | None:
        """Leave the scratch to the frame that `next_frame` gave last, because its request is not answered yet.

        The unread rest moves elsewhere. Returns the scratch, which the caller gives back to the pool when the frame is
        no longer needed, or None when the frame does not lie in one.
        """
        scratch, start, end = self._scratch, self._start, self._end
        if scratch is None:
            return None
        if not self._in_scratch:
            if start == end:
                self._release(scratch)
            return None
        self._in_scratch = False
        self._scratch = None
        self._start = self._end = 0
        if end > start:
            fresh = self._scratch = self._pool.borrow()
            self._end = end - start
            fresh[: self._end] = scratch[start:end]
        return scratch

    def close(self) -> None:
        """Forget everything that was received."""
        if self._scratch is not None:
            self._release(self._scratch)
        self._stash = b""
        self._large = None

    def _release(self, scratch: memoryview) -> None:
        self._scratch = None
        self._start = self._end = 0
        self._pool.give_back(scratch)

    def _begin_large(self, scratch: memoryview, size: int) -> None:
        """Move a frame that filled the scratch into a buffer of its own; the scratch starts afresh."""
        large = self._large = bytearray(min(size, FIRST_BYTES))
        self._large_size = size
        self._filled = SCRATCH_BYTES - LENGTH_BYTES
        large[: self._filled] = scratch[LENGTH_BYTES:]
        self._release(scratch)

    def _grow(self, large: bytearray) -> bytearray:
        """Room for as much again as came so far. A copy, because the transport may still hold a view of the old one."""
        grown = self._large = bytearray(min(self._large_size, 2 * len(large)))
        grown[: len(large)] = large
        return grown

    def _finish_large(self) -> memoryview | None:
        if self._large is None or self._filled < self._large_size:
            return None
        frame = memoryview(self._large)
        self._large = None
        self._in_scratch = False
        self._frames += 1
        return frame

    def _complaint(self, size: int, head: bytes) -> str:
        if size <= 0:
            problem = f"frame length {size} is not positive"
        else:
            problem = f"frame length {size} exceeds socket.request.max.bytes={self.max_bytes}"
        if self._frames:
            return f"{problem} (after {self._frames} good requests)"
        guess = guess_protocol(head)
        return f"{problem}: looks like {guess}; the Kafka port speaks Kafka's protocol" if guess else problem


_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"GET ", "an HTTP request"),
    (b"POST ", "an HTTP request"),
    (b"PUT ", "an HTTP request"),
    (b"HEAD ", "an HTTP request"),
    (b"DELETE ", "an HTTP request"),
    (b"OPTIONS ", "an HTTP request"),
    (b"PATCH ", "an HTTP request"),
    (b"CONNECT ", "an HTTP proxy request"),
    (b"TRACE ", "an HTTP request"),
    (b"PRI * HTTP/2", "an HTTP/2 connection"),
    (b"HTTP/", "an HTTP response"),
    (b"\x16\x03", "a TLS handshake (is the client set to SSL?)"),
    (b"\x15\x03", "a TLS alert"),
    (b"SSH-", "an SSH client"),
    (b"PROXY ", "a PROXY protocol header (is a load balancer in between?)"),
    (b"\r\n\r\n\x00\r\nQUIT\n", "a PROXY protocol header (is a load balancer in between?)"),
    (b"AMQP", "an AMQP client"),
    (b"ruok", "a ZooKeeper command"),
    (b"srvr", "a ZooKeeper command"),
    (b"stat", "a ZooKeeper command"),
    (b"mntr", "a ZooKeeper command"),
    (b"*1\r\n", "a Redis client"),
    (b"*2\r\n", "a Redis client"),
    (b"*3\r\n", "a Redis client"),
)


def guess_protocol(head: bytes) -> str | None:
    """What the first bytes of a connection (its beginning, up to 64) probably are, as a noun with its article.

    None when there is nothing to say. Only asked about bytes that cannot be a Kafka request.
    """
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if len(head) >= 8 and head[4:8] == b"MQTT":
        return "an MQTT client"
    if all(byte in b"\t\r\n" or 0x20 <= byte < 0x7F for byte in head):
        return f"text ({head[:16].decode('ascii')!r})"
    return None
