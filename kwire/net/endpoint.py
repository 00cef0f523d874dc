"""What the connections of one listener share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kwire.net.framing import ScratchPool
from kwire.net.limits import ConnectionLimits, NetworkCounters

if TYPE_CHECKING:
    from kwire.net.connection import Connection, RequestHandler


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
