"""One member of a consumer group, as a value: a change is another member."""

from __future__ import annotations

from kwire.coord.group.modern.reconciliation import CurrentAssignment
from kwire.named_tuple import NamedTuple

LEAVE_EPOCH = -1
LEAVE_STATIC_EPOCH = -2
JOIN_EPOCH = 0
"""Epochs that a heartbeat carries instead of one it was given: leave, leave for a while (static members), join."""


class Requester(NamedTuple):
    """Who sends a request; `client_host` is an address as Java prints it (`/127.0.0.1`)."""

    client_id: str
    client_host: str


class ClassicProtocols(NamedTuple):
    """What a member that speaks the classic protocol brought: its session timeout, its protocols in its order."""

    session_timeout_ms: int
    protocols: tuple[tuple[str, bytes], ...]

    @property
    def names(self) -> list[str]:
        """The names of the protocols, best first."""
        return [name for name, _ in self.protocols]


class Subscription(NamedTuple):
    """What a member said about itself; `classic` only if it speaks the classic protocol.

    `topic_regex` is empty if it subscribes by names alone.
    """

    instance_id: str | None = None
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    topic_names: frozenset[str] = frozenset()
    topic_regex: str = ""
    rebalance_timeout_ms: int = -1
    server_assignor: str | None = None
    classic: ClassicProtocols | None = None


class ConsumerMember(NamedTuple):
    """A member: its id, what it said, what it has."""

    member_id: str
    said: Subscription = Subscription()
    has: CurrentAssignment = CurrentAssignment()

    @property
    def member_epoch(self) -> int:
        """The epoch up to which it is reconciled."""
        return self.has.member_epoch

    @property
    def uses_classic_protocol(self) -> bool:
        """Whether it joins and syncs instead of heartbeating its assignment."""
        return self.said.classic is not None
