"""One partition of a coordinator's topic as the runtime keeps it: the shard, and what waits for the log."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from kwire.coord.coordinator_log import CoordinatorShard
from kwire.coord.decision import Decision
from kwire.errors import ErrorCode
from kwire.ids import TopicPartition

if TYPE_CHECKING:
    import asyncio

S = TypeVar("S", bound=CoordinatorShard)


class Slot(Generic[S]):
    """LOADING, then ACTIVE or FAILED.

    `last_offset` was appended last, everything up to `committed_offset` is known to be committed. Replies and orders of
    the decisions that are not stand in `deferred`: (offset, deadline in the event loop's seconds, decision). What is
    to be decided once it is loaded stands in `postponed`.
    """

    __slots__ = (
        "committed_offset",
        "deferred",
        "epoch",
        "last_offset",
        "load",
        "partition",
        "postponed",
        "shard",
        "skipped_count",
        "state",
        "waiter",
    )

    LOADING, ACTIVE, FAILED = "loading", "active", "failed"

    def __init__(self, partition: TopicPartition, epoch: int, shard: S) -> None:
        self.partition = partition
        self.epoch = epoch
        self.shard = shard
        self.state = self.LOADING
        self.last_offset = self.committed_offset = -1
        self.skipped_count = 0
        self.deferred: deque[tuple[int, float, Decision]] = deque()
        self.postponed: deque[Callable[[S, int], Decision]] = deque()
        self.waiter: asyncio.Task[None] | None = None
        self.load: asyncio.Task[None] | None = None


def unavailable(slot: Slot[S] | None) -> ErrorCode:
    """What a request meets where there is no active slot."""
    if slot is not None and slot.state is slot.LOADING:
        return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    return ErrorCode.NOT_COORDINATOR
