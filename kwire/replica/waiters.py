"""Requests that wait for something to happen to partitions: a long poll, a produce request with acks=all.

A waiter watches its partitions. When one of them moves, its check runs once at the end of the event loop's current
turn, so that many appends of one turn cost one check and the producer is answered before the consumer is served.
It ends when the check gives a result, or at its deadline (apache/kafka `DelayedOperationPurgatory`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Watched(Protocol):
    """What calls its watchers when it has moved: a partition, a share partition."""

    @property
    def watchers(self) -> set[Callable[[], None]]: ...


class Waiter(Generic[T]):
    """Waits until `check(expired)` returns something other than None; `expired` is true at the deadline.

    At the deadline the check must give its final answer. `future` holds the result; cancelling it ends the waiting.
    """

    __slots__ = ("_check", "_partitions", "_scheduled", "_timer", "future")

    def __init__(self, partitions: Sequence[Watched], check: Callable[[bool], T | None], timeout_ms: int) -> None:
        loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = loop.create_future()
        self._partitions = partitions
        self._check = check
        self._scheduled = False
        self._timer = loop.call_later(timeout_ms / 1000, self._run, True)
        for partition in partitions:
            partition.watchers.add(self._on_change)
        self.future.add_done_callback(self._stop)

    def _on_change(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self.future.get_loop().call_soon(self._run, False)

    def _run(self, expired: bool) -> None:
        self._scheduled = False
        if self.future.done():
            return
        try:
            result = self._check(expired)
        except Exception as error:
            self.future.set_exception(error)
            return
        if result is not None:
            self.future.set_result(result)

    def _stop(self, _: asyncio.Future[T]) -> None:
        self._timer.cancel()
        for partition in self._partitions:
            partition.watchers.discard(self._on_change)
