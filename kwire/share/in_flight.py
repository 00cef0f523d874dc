"""The records of a share partition between its start and its end: batches, and runs of offsets in equal state.

A batch is what was acquired together for the first time; it is acquired again as a whole unless something has happened
to a part of it. Then it is `is_split`: its runs say which offsets are in which state. (apache/kafka `InFlightBatch`,
whose offsets have a state each once a batch is taken apart; runs are the same in less room.)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from kwire.share.states import (
    ACQUIRED,
    ARCHIVED,
    AVAILABLE,
    NO_MEMBER,
    STATE_NAMES,
    TRANSITIONS,
    IllegalTransition,
)

if TYPE_CHECKING:
    from kwire.share.partition import Update


class Before(NamedTuple):
    """What a run was before a transition that the persister has not confirmed yet."""

    state: int
    member_id: str


class Run:
    """Neighbouring offsets in one state, delivered `deliveries` times.

    `deadline_ms` is the end of the lock while they are acquired. While `update` is not None the state is not stored
    yet, and `before` is what they go back to if it cannot be.
    """

    __slots__ = ("before", "deadline_ms", "deliveries", "first", "last", "member_id", "state", "update")

    def __init__(
        self, first: int, last: int, state: int, deliveries: int, member_id: str = NO_MEMBER, deadline_ms: int = 0
    ) -> None:
        self.first = first
        self.last = last
        self.state = state
        self.deliveries = deliveries
        self.member_id = member_id
        self.deadline_ms = deadline_ms
        self.update: Update | None = None
        self.before: Before | None = None

    @property
    def is_free(self) -> bool:
        """Whether a member may acquire it."""
        return self.state == AVAILABLE and self.update is None

    def move_to(self, state: int) -> None:
        """The one way to another state. Raises IllegalTransition."""
        if state not in TRANSITIONS[self.state]:
            raise IllegalTransition(f"{self}: {STATE_NAMES[self.state]} -> {STATE_NAMES[state]}")
        self.state = state

    def acquire(self, member_id: str, deadline_ms: int) -> None:
        """Lock it for a member: one more delivery."""
        self.move_to(ACQUIRED)
        self.deliveries += 1
        self.member_id = member_id
        self.deadline_ms = deadline_ms

    def archive(self) -> None:
        """Give it up, whatever it is; an update under way will not bring it back."""
        self.state = ARCHIVED
        self.member_id = NO_MEMBER
        self.before = None

    def cut(self, at: int) -> Run:
        """The part from `at` on becomes a run of its own, this one ends before it."""
        rest = Run(at, self.last, self.state, self.deliveries, self.member_id, self.deadline_ms)
        rest.update, rest.before = self.update, self.before
        self.last = at - 1
        return rest

    def __repr__(self) -> str:
        owner = f" of {self.member_id}" if self.member_id else ""
        waits = " (not stored)" if self.update is not None else ""
        return f"{self.first}-{self.last} {STATE_NAMES[self.state]} x{self.deliveries}{owner}{waits}"


class Batch:
    """Offsets `first` to `last` in one or more runs, without gaps between them."""

    __slots__ = ("first", "is_split", "last", "runs")

    def __init__(self, run: Run) -> None:
        self.first = run.first
        self.last = run.last
        self.runs = [run]
        self.is_split = False

    @property
    def whole(self) -> Run:
        """The one run of a batch that is not split."""
        return self.runs[0]

    def between(self, first: int, last: int) -> list[Run]:
        """The runs of offsets `first` to `last`, cut where these bounds lie within one; the batch is split then."""
        self.is_split = True
        found = []
        index = 0
        runs = self.runs
        while index < len(runs) and runs[index].first <= last:
            run = runs[index]
            if run.last >= first:
                if run.first < first:
                    runs.insert(index + 1, run.cut(first))
                    index += 1
                    run = runs[index]
                if run.last > last:
                    runs.insert(index + 1, run.cut(last + 1))
                found.append(run)
            index += 1
        return found

    def covering(self, offset: int) -> Run:
        """The run that holds `offset`, which is one of the batch's."""
        return next(run for run in self.runs if run.last >= offset)

    def tidy(self) -> None:
        """Make one run of neighbours that have become equal."""
        runs = self.runs
        if len(runs) == 1:
            return
        kept = [runs[0]]
        for run in runs[1:]:
            left = kept[-1]
            if _are_alike(left, run):
                left.last = run.last
            else:
                kept.append(run)
        self.runs = kept


def _are_alike(some: Run, other: Run) -> bool:
    return (
        some.state == other.state
        and some.deliveries == other.deliveries
        and some.member_id == other.member_id
        and (some.state != ACQUIRED or some.deadline_ms == other.deadline_ms)
        and some.update is other.update
        and some.before == other.before
    )


class InFlight:
    """The batches in order. They do not overlap; between them may lie offsets that nobody has acquired yet."""

    __slots__ = ("_firsts", "batches")

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self._firsts: list[int] = []

    def __bool__(self) -> bool:
        return bool(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.batches)

    @property
    def first_offset(self) -> int:
        """The first offset of the first batch; there must be one."""
        return self._firsts[0]

    @property
    def last_offset(self) -> int:
        """The last offset of the last batch; there must be one."""
        return self.batches[-1].last

    def put(self, batch: Batch) -> None:
        """Bring in a batch that overlaps no other."""
        index = bisect_right(self._firsts, batch.first)
        self._firsts.insert(index, batch.first)
        self.batches.insert(index, batch)

    def floor(self, offset: int) -> Batch | None:
        """The last batch that begins at or before `offset`."""
        index = bisect_right(self._firsts, offset)
        return self.batches[index - 1] if index else None

    def above(self, offset: int) -> Batch | None:
        """The first batch that begins after `offset`."""
        index = bisect_right(self._firsts, offset)
        return self.batches[index] if index < len(self.batches) else None

    def between(self, first: int, last: int) -> list[Batch]:
        """The batches that begin at an offset from `first` to `last`."""
        return self.batches[bisect_right(self._firsts, first - 1) : bisect_right(self._firsts, last)]

    def drop_through(self, first: int) -> None:
        """Forget the batches that begin at or before `first`."""
        count = bisect_right(self._firsts, first)
        del self._firsts[:count]
        del self.batches[:count]

    def clear(self) -> None:
        """Forget all."""
        self.batches.clear()
        self._firsts.clear()
