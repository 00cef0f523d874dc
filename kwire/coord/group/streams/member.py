"""One member of a Streams group, as a value: a change is another member."""

from __future__ import annotations

from typing import NamedTuple

from kwire.coord.group.consumer.member import JOIN_EPOCH, LEAVE_EPOCH, LEAVE_STATIC_EPOCH, Requester
from kwire.coord.group.streams.reconciliation import CurrentTasks

__all__ = ["JOIN_EPOCH", "LEAVE_EPOCH", "LEAVE_STATIC_EPOCH", "Description", "Requester", "StreamsMember"]


class Description(NamedTuple):
    """What a member said about itself.

    Members of one process share its directories of state. `endpoint` is where the application answers queries, host and
    port. There are no static members yet, in Apache Kafka 4.3 neither: `instance_id` comes from newer brokers only.
    """

    instance_id: str | None = None
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    rebalance_timeout_ms: int = -1
    topology_epoch: int = -1
    process_id: str = ""
    endpoint: tuple[str, int] | None = None
    client_tags: tuple[tuple[str, str], ...] = ()


class StreamsMember(NamedTuple):
    """A member: its id, what it said, what it has."""

    member_id: str
    said: Description = Description()
    has: CurrentTasks = CurrentTasks()

    @property
    def member_epoch(self) -> int:
        """The epoch up to which it is reconciled."""
        return self.has.member_epoch
