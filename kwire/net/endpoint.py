"""What all connections of one listener share, and what its handler gives back for a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Final

from kwire.net.framing import ScratchPool
from kwire.net.limits import ConnectionLimits, NetworkCounters
from kwire.wire.parts import Part

if TYPE_CHECKING:
    from kwire.net.connection import Connection


class Close(Enum):
    """The reply that ends the connection."""

    CLOSE = "close"


CLOSE: Final = Close.CLOSE
"""What a handler replies to close the connection, after the earlier replies have been sent."""

Reply = Sequence[Part] | None | Close
"""The parts of a response (list or tuple) without its 4-byte size; None for no response (acks=0); or CLOSE.

Parts are sent after the handler returned: they must not be views of the request frame, nor of bytes that change later.
"""

RequestHandler = Callable[[memoryview, "Connection"], Reply | Awaitable[Reply]]
"""Takes the body of one request, writable and valid until the reply is complete, and the connection it came by."""


class Endpoint:
    """What all connections of one listener have in common.

    `connections` holds the open ones: each enters and leaves by itself. `on_closed` is called when one has left.
    """

    __slots__ = (
        "connections",
        "counters",
        "handler",
        "limits",
        "listener_name",
        "on_closed",
        "scratches",
        "security_protocol",
    )

    def __init__(
        self,
        listener_name: str,
        security_protocol: str,
        handler: RequestHandler,
        limits: ConnectionLimits,
        on_closed: Callable[[Connection], None],
    ) -> None:
        self.listener_name = listener_name
        self.security_protocol = security_protocol
        self.handler = handler
        self.limits = limits
        self.on_closed = on_closed
        self.connections: set[Connection] = set()
        self.counters = NetworkCounters()
        self.scratches = ScratchPool()
