"""One share partition: which records of a partition a share group has, and how far each of them is (KIP-932).

A pure core. Records below `start_offset` are done with; those from there to `end_offset` are in flight; what comes
after nobody has acquired. Locks are deadlines as data: `expire` is called when `next_deadline_ms` has come. A change
that the persister must know of is an `Update`: it holds already, but counts once `complete` says that it is stored,
and until then nobody else gets these records.

Invariants, held by the random walks of the tests:
- batches in flight do not overlap, and their runs are without gaps;
- a record is somebody's if, and only if, it is Acquired, and one member's at most;
- a record that the persister knows to be done with (Acknowledged, Archived) stays so, and is given to nobody again;
- no record is delivered more often than the group's limit;
- the start that the persister knows never falls;
- a leader that was replaced changes nothing any more;
- once everybody accepts what is left, all that was ever written is done with.
(apache/kafka `SharePartition`, whose rules and precedences are kept.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from kwire.share.in_flight import Batch, Before, InFlight, Run
from kwire.share.states import ACKNOWLEDGED, ACQUIRED, ARCHIVED, AVAILABLE, NO_MEMBER, TERMINAL

NEVER_MS = 1 << 62

_STATES = frozenset({AVAILABLE, ACQUIRED, ACKNOWLEDGED, ARCHIVED})


class Limits(NamedTuple):
    """What a group's options say; read anew at each use, so that setting one takes effect at once."""

    max_deliveries: int
    max_locks: int
    lock_duration_ms: int
    may_renew: bool


class StateBatch(NamedTuple):
    """Offsets in one state, as the persister keeps them."""

    first: int
    last: int
    state: int
    deliveries: int


class PersistedBatch(Protocol):
    """`StateBatch` as messages have it."""

    first_offset: int
    last_offset: int
    delivery_state: int
    delivery_count: int


class InvalidState(Exception):
    """The persister's state of this partition cannot be right; the text says why."""


class Update:
    """Records on their way to another state: to be stored, and then completed."""

    __slots__ = ("batches", "max_deliveries")

    def __init__(self, max_deliveries: int) -> None:
        self.batches: list[StateBatch] = []
        self.max_deliveries = max_deliveries

    def __bool__(self) -> bool:
        return bool(self.batches)


class SharePartition:
    """Records in flight between `start_offset` and `end_offset`. Made empty; `load` brings in the persister's state."""

    __slots__ = (
        "_gap",
        "_looks_for_free",
        "_next_deadline_ms",
        "end_offset",
        "in_flight",
        "limits",
        "start_offset",
        "state_epoch",
    )

    def __init__(self, limits: Callable[[], Limits]) -> None:
        self.limits = limits
        self.start_offset = 0
        self.end_offset = 0
        self.state_epoch = 0
        self.in_flight = InFlight()
        self._looks_for_free = False
        self._gap: tuple[int, int] | None = None
        self._next_deadline_ms = NEVER_MS

    def load(self, start_offset: int, state_epoch: int, batches: Iterable[PersistedBatch]) -> None:
        """Take over the persister's state. Locks are not in it: what was acquired is free, or unknown, again.

        Raises InvalidState.
        """
        self.start_offset, self.state_epoch = start_offset, state_epoch
        gap_start = -1
        last = start_offset - 1
        for stored in batches:
            if stored.first_offset < start_offset or stored.first_offset <= last:
                raise InvalidState(f"a batch at {stored.first_offset}, but {max(start_offset, last + 1)} is next")
            if stored.delivery_state not in _STATES or stored.last_offset < stored.first_offset:
                raise InvalidState(f"a batch {stored.first_offset}-{stored.last_offset} of {stored.delivery_state}")
            if gap_start < 0 and stored.first_offset > last + 1:
                gap_start = last + 1
            last = stored.last_offset
            run = Run(stored.first_offset, last, stored.delivery_state, stored.delivery_count)
            self.in_flight.put(Batch(run))
        if not self.in_flight:
            self.end_offset = start_offset
            return
        self._looks_for_free = True
        self.end_offset = self.in_flight.last_offset
        if gap_start >= 0:
            self._gap = (self.end_offset, gap_start)
        self.advance()

    # Where to read

    @property
    def locked_count(self) -> int:
        """Records in flight; those count that the start cannot pass yet."""
        return self.end_offset - self.start_offset + 1 if self.in_flight else 0

    @property
    def gap_start(self) -> int | None:
        """The first offset in flight that the persister knew nothing of when this was loaded, and nobody has had."""
        if self._gap is None or self._gap[0] != self.end_offset:
            return None
        return max(self._gap[1], self.start_offset)  # The log may have lost what lay there.

    def next_fetch_offset(self) -> int:
        """From where on there may be something to acquire."""
        in_flight = self.in_flight
        if not in_flight or self.start_offset > in_flight.last_offset:
            self._looks_for_free = False
            return self.end_offset
        if self._looks_for_free:
            gap_start = self.gap_start
            for batch in in_flight:
                if gap_start is not None:
                    if batch.first > gap_start:
                        return gap_start
                    gap_start = max(batch.last + 1, gap_start)
                for run in batch.runs:
                    if run.is_free:
                        return run.first
            self._looks_for_free = False
        return self.end_offset + 1

    def can_acquire(self) -> bool:
        """Whether a member may get anything: something is free in between, or there is room for more."""
        return self.next_fetch_offset() != self.end_offset + 1 or self.locked_count < self.limits().max_locks

    def note_free(self) -> None:
        """Something in between has become free."""
        self._looks_for_free = True

    def move_gap(self, offset: int) -> None:
        """Everything below `offset` has been acquired once; a gap behind it and behind what is known there is left."""
        if self._gap is None:
            return
        end = self._gap[0]
        while (batch := self.in_flight.floor(offset)) is not None and batch.last >= offset:
            offset = batch.last + 1
        self._gap = (end, offset) if end == self.end_offset >= offset else None

    # Locks

    @property
    def next_deadline_ms(self) -> int:
        """No lock ends before this instant."""
        return self._next_deadline_ms

    def lock(self, run: Run, member_id: str, deadline_ms: int) -> None:
        """Give free records to a member."""
        run.acquire(member_id, deadline_ms)
        self.note_deadline(deadline_ms)

    def note_deadline(self, deadline_ms: int) -> None:
        """A lock ends at this instant."""
        self._next_deadline_ms = min(self._next_deadline_ms, deadline_ms)

    def expire(self, now_ms: int) -> Update:
        """Take back what was locked for too long: free again, or archived where it was delivered often enough.

        That holds at once, whether it can be stored or not.
        """
        update = Update(self.limits().max_deliveries)
        nearest_ms = NEVER_MS
        for batch in self.in_flight:
            for run in self._overlapped_by_start(batch):
                if run.state != ACQUIRED:
                    continue
                if run.deadline_ms > now_ms:
                    nearest_ms = min(nearest_ms, run.deadline_ms)
                    continue
                is_spent = run.deliveries >= update.max_deliveries or run.last < self.start_offset
                run.move_to(ARCHIVED if is_spent else AVAILABLE)
                run.member_id = NO_MEMBER
                update.batches.append(StateBatch(run.first, run.last, run.state, run.deliveries))
                self._looks_for_free = self._looks_for_free or run.state == AVAILABLE
            batch.tidy()
        self._next_deadline_ms = nearest_ms
        return update

    def release(self, member_id: str) -> Update:
        """The member's session is over: what it has locked is free again, and this delivery does not count."""
        update = Update(self.limits().max_deliveries)
        for batch in self.in_flight:
            for run in self._overlapped_by_start(batch):
                if run.state == ACQUIRED and run.member_id == member_id:
                    self.begin(update, run, ARCHIVED if run.last < self.start_offset else AVAILABLE)
                    if run.state == AVAILABLE:
                        run.deliveries -= 1
                        update.batches[-1] = update.batches[-1]._replace(deliveries=run.deliveries)
        return update

    def _overlapped_by_start(self, batch: Batch) -> list[Run]:
        """The batch's runs, cut at the start offset if that has moved into locked records."""
        if batch.first < self.start_offset <= batch.last and any(run.state == ACQUIRED for run in batch.runs):
            return [*batch.between(batch.first, self.start_offset - 1), *batch.between(self.start_offset, batch.last)]
        return batch.runs

    # Updates

    def begin(self, update: Update, run: Run, state: int) -> None:
        """Move acquired records on; nobody owns them until it is stored."""
        before = Before(run.state, run.member_id)
        run.move_to(state)
        run.member_id = NO_MEMBER
        run.update, run.before = update, before
        update.batches.append(StateBatch(run.first, run.last, run.state, run.deliveries))

    def complete(self, update: Update, stored: bool, now_ms: int) -> bool:
        """The update is stored, or cannot be: then its records are locked as before, or free if their time is up.

        True if the start has moved, or something has become free.
        """
        changed = False
        for first, last, _, _ in update.batches:
            floor = self.in_flight.floor(first)
            for batch in self.in_flight.between(first if floor is None else floor.first, last):
                for run in batch.runs:
                    if run.update is update:
                        if not stored and run.before is not None:
                            _roll_back(run, run.before, update.max_deliveries, now_ms)
                            self.note_deadline(run.deadline_ms)
                        run.update = run.before = None
                        changed = changed or run.state == AVAILABLE
                batch.tidy()
        self._looks_for_free = self._looks_for_free or changed
        return self.advance() or changed

    @property
    def complete_count(self) -> int:
        """How many records in flight are done with: together with the start it says how far the group is (KIP-1226)."""
        start = self.start_offset
        return sum(
            run.last - max(run.first, start) + 1
            for batch in self.in_flight
            for run in batch.runs
            if run.state in TERMINAL and run.last >= start
        )

    # The start

    def advance(self) -> bool:
        """Move the start past records that are done with; whether it moved."""
        done = self._last_offset_done()
        if done is None:
            return False
        in_flight, gap_start = self.in_flight, self.gap_start
        if done == in_flight.last_offset:
            self.start_offset = self.end_offset = max(self.start_offset, done + 1)
            in_flight.clear()
            return True
        batch = in_flight.floor(done)
        assert batch is not None, "what is done lies in a batch"
        if done == batch.last:
            following = in_flight.above(done)
            assert following is not None, "it was not the last"
            self.start_offset = max(self.start_offset, following.first)
            if gap_start is not None:
                self.start_offset = min(gap_start, self.start_offset)
            in_flight.drop_through(batch.first)
        else:
            self.start_offset = max(self.start_offset, done + 1)
            in_flight.drop_through(batch.first - 1)
        return True

    def _last_offset_done(self) -> int | None:
        """The last offset up to which everything is done with, from the start on; None if the start itself is not."""
        at_start = self.in_flight.floor(self.start_offset)
        if at_start is None:
            return None
        if at_start.last >= self.start_offset and not _is_done(at_start.covering(self.start_offset)):
            return None
        gap_start = self.gap_start
        done = None
        for batch in self.in_flight:
            if gap_start is not None and batch.last >= gap_start:
                break
            for run in batch.runs:
                if not _is_done(run):
                    return done
                done = run.last
        return done

    def on_log_start(self, log_start: int) -> None:
        """The log has lost everything below `log_start`: what was free of it is archived, locks run out."""
        if log_start <= self.start_offset:
            return
        if self.in_flight:
            self.archive(self.start_offset, log_start - 1, AVAILABLE)
            self._looks_for_free = True
        self.start_offset = log_start
        self.end_offset = max(self.end_offset, log_start)
        self.advance()

    def archive(self, first: int, last: int, state: int) -> bool:
        """Give up the offsets `first` to `last` that are in `state`; whether there were any."""
        found = False
        floor = self.in_flight.floor(first)
        for batch in self.in_flight.between(first if floor is None else floor.first, last):
            if batch.last < first or not any(run.state == state for run in batch.runs):
                continue
            is_whole = not batch.is_split and first <= batch.first and batch.last <= last
            for run in batch.runs if is_whole else batch.between(first, last):
                if run.state == state:
                    run.archive()
                    found = True
            batch.tidy()
        return found


def _is_done(run: Run) -> bool:
    return run.state in TERMINAL and run.update is None


def _roll_back(run: Run, before: Before, max_deliveries: int, now_ms: int) -> None:
    """Back to what it was; a lock whose time has come meanwhile is not given back."""
    if run.deadline_ms <= now_ms:
        run.state = ARCHIVED if run.deliveries >= max_deliveries else AVAILABLE
        return
    run.state, run.member_id = before.state, before.member_id
