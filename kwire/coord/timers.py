"""Deadlines as data: a coordinator's core writes down when it wants to be woken, and somebody else waits.

A timer is a key and an instant. Scheduling a key again replaces its instant. The common case is a heartbeat, which
moves a deadline to later thousands of times before it is ever reached, so a move to later only writes the new instant
down: the old entry of the heap is corrected when it surfaces. (apache/kafka `CoordinatorTimer` has the same contract.)
"""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

COMPACT_ABOVE_ENTRIES = 1024
"""A heap of fewer entries is never rebuilt, whatever part of it is stale."""

CORRECT_AHEAD_MS = 1000
"""Who is woken corrects so much of the heap at once: members that go on heartbeating wake nobody one by one."""


class Timers(Generic[K]):
    """Keys with deadlines in milliseconds since the epoch; equal deadlines come due in the order of scheduling."""

    __slots__ = ("_deadlines", "_heap", "_queued", "_sequence")

    def __init__(self) -> None:
        self._deadlines: dict[K, int] = {}
        self._queued: dict[K, tuple[int, int]] = {}
        self._heap: list[tuple[int, int, K]] = []
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._deadlines)

    def __contains__(self, key: K) -> bool:
        return key in self._deadlines

    def deadline(self, key: K) -> int | None:
        """The instant at which `key` comes due, None when it is not scheduled."""
        return self._deadlines.get(key)

    def schedule(self, key: K, deadline_ms: int) -> None:
        """Wake `key` at `deadline_ms`, and not at the instant it may have had before."""
        self._deadlines[key] = deadline_ms
        queued = self._queued.get(key)
        if queued is None or deadline_ms < queued[0]:
            self._push(key, deadline_ms)

    def cancel(self, key: K) -> None:
        """Forget `key`; no harm if it is not scheduled."""
        self._deadlines.pop(key, None)

    def shift(self, by_ms: int) -> None:
        """Move every deadline, to earlier if `by_ms` is negative."""
        self._deadlines = {key: deadline_ms + by_ms for key, deadline_ms in self._deadlines.items()}
        self._queued = {key: (queued_ms + by_ms, sequence) for key, (queued_ms, sequence) in self._queued.items()}
        self._heap = [(queued_ms + by_ms, sequence, key) for queued_ms, sequence, key in self._heap]

    def next_deadline(self, before_ms: int | None = None) -> int | None:
        """The earliest instant at which something may be due, never later than the true one; None without timers.

        None, too, if it is not earlier than `before_ms`.
        """
        heap = self._heap
        if before_ms is not None and (not heap or heap[0][0] >= before_ms):
            return None
        if not self._deadlines:
            heap.clear()
            self._queued.clear()
            return None
        while heap and self._is_dead(heap[0]):
            heappop(heap)
        return heap[0][0] if heap else None

    def pop_due(self, now_ms: int) -> K | None:
        """Take the earliest key whose deadline is at or before `now_ms`, None when there is none."""
        heap = self._heap
        until_ms = now_ms + CORRECT_AHEAD_MS
        while heap and heap[0][0] <= until_ms:
            queued_ms, sequence, key = heap[0]
            queued = self._queued.get(key)
            if queued is None or queued[1] != sequence:
                heappop(heap)
                continue
            deadline_ms = self._deadlines.get(key)
            if deadline_ms == queued_ms > now_ms:
                return None
            heappop(heap)
            del self._queued[key]
            if deadline_ms is None:
                continue
            if deadline_ms > now_ms:
                self._push(key, deadline_ms)
                continue
            del self._deadlines[key]
            return key
        return None

    def _push(self, key: K, deadline_ms: int) -> None:
        self._sequence += 1
        self._queued[key] = (deadline_ms, self._sequence)
        heappush(self._heap, (deadline_ms, self._sequence, key))
        if len(self._heap) > COMPACT_ABOVE_ENTRIES and len(self._heap) > 2 * len(self._deadlines):
            self._compact()

    def _is_dead(self, entry: tuple[int, int, K]) -> bool:
        """Whether a heap entry stands for nothing any more: cancelled, or queued again at an earlier instant."""
        _, sequence, key = entry
        queued = self._queued.get(key)
        if queued is None or queued[1] != sequence:
            return True
        if key not in self._deadlines:
            del self._queued[key]
            return True
        return False

    def _compact(self) -> None:
        self._heap = [entry for entry in self._heap if not self._is_dead(entry)]
        heapify(self._heap)
