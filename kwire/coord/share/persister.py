"""The share coordinator as those use it who keep states there: with patience while it cannot answer yet.

A coordinator that is being loaded, or has just moved, is asked again, first soon, as loading takes milliseconds, then
once a second. Requests about one share partition go one at a time, so that a write that had to be tried again does not
undo a later one. (apache/kafka `PersisterStateManager`, which also asks again about partitions that it does not know:
other brokers may hear of them later. Here the metadata are the broker's own, and what is not in them is gone.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from kwire.coord.answers import Answer, promised, when_settled
from kwire.coord.share.coordinator import ShareCoordinator
from kwire.coord.share.shard import Change, Outcome
from kwire.coord.share.state import NO_STATE, ShareKey
from kwire.errors import ErrorCode, KafkaError

RETRIED = frozenset(
    {ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.NOT_COORDINATOR}
)
FIRST_DELAY_S = 0.05
LONGEST_DELAY_S = 1.0
MAX_ATTEMPTS = 20
"""Some fifteen seconds altogether: half of the time that clients give a request."""


class Alarm(Protocol):
    """A wake-up that may be called off."""

    def cancel(self) -> None: ...


class _Request(NamedTuple):
    ask: Callable[[], Answer[Outcome]]
    done: Callable[[Outcome], None]


class _Line:
    """The requests about one share partition. The first one is asked, or will be when the alarm rings."""

    __slots__ = ("alarm", "attempts", "delay_s", "requests")

    def __init__(self) -> None:
        self.requests: deque[_Request] = deque()
        self.alarm: Alarm | None = None
        self.begin_anew()

    def begin_anew(self) -> None:
        """The coordinator has answered."""
        self.attempts = 0
        self.delay_s = FIRST_DELAY_S


class PatientPersister:
    """The states of share partitions; every method answers as that of `ShareCoordinator` does.

    `call_later(seconds, callback)` wakes once: the event loop's own. When `MAX_ATTEMPTS` have failed, everybody who
    waits for that share partition is told why.
    """

    def __init__(self, states: ShareCoordinator, call_later: Callable[[float, Callable[[], None]], Alarm]) -> None:
        self._states = states
        self._call_later = call_later
        self._lines: dict[ShareKey, _Line] = {}
        self._stopped = False

    async def ensure_topic(self) -> None:
        """See `ShareCoordinator.ensure_topic`."""
        await self._states.ensure_topic()

    def read_one(self, key: ShareKey, leader_epoch: int) -> Answer[Outcome]:
        """See `ShareShard.read`."""
        return self._answer(key, lambda: self._states.read_one(key, leader_epoch))

    def write_one(self, key: ShareKey, change: Change) -> Answer[Outcome]:
        """See `ShareShard.write`."""
        return self._answer(key, lambda: self._states.write_one(key, change))

    def initialize_one(self, key: ShareKey, state_epoch: int, start_offset: int) -> Answer[Outcome]:
        """See `ShareShard.initialize`."""
        return self._answer(key, lambda: self._states.initialize_one(key, state_epoch, start_offset))

    def delete_one(self, key: ShareKey) -> Answer[Outcome]:
        """See `ShareShard.delete`."""
        return self._answer(key, lambda: self._states.delete_one(key))

    def summary_of(self, key: ShareKey) -> Answer[Outcome]:
        """See `ShareShard.summary`."""
        return self._answer(key, lambda: self._states.summary_of(key))

    def stop(self) -> None:
        """Whoever waits is told NOT_COORDINATOR; nothing is tried again."""
        self._stopped = True
        lines, self._lines = self._lines, {}
        for line in lines.values():
            self._give_up(line, Outcome(NO_STATE, KafkaError(ErrorCode.NOT_COORDINATOR)))

    def _answer(self, key: ShareKey, ask: Callable[[], Answer[Outcome]]) -> Answer[Outcome]:
        return promised(lambda done: self._line_up(key, _Request(ask, done)))

    def _line_up(self, key: ShareKey, request: _Request) -> None:
        line = self._lines.get(key)
        if line is not None:
            line.requests.append(request)
            return
        line = self._lines[key] = _Line()
        line.requests.append(request)
        self._ask_first(key, line)

    def _ask_first(self, key: ShareKey, line: _Line) -> None:
        line.alarm = None
        when_settled(line.requests[0].ask(), lambda outcome: self._on_outcome(key, line, outcome))

    def _on_outcome(self, key: ShareKey, line: _Line, outcome: Outcome) -> None:
        if self._lines.get(key) is not line:
            return  # It was given up meanwhile.
        if self._may_change(outcome):
            line.attempts += 1
            if line.attempts < MAX_ATTEMPTS:
                self._ask_in(line.delay_s, key, line)
                line.delay_s = min(line.delay_s * 2, LONGEST_DELAY_S)
                return
            del self._lines[key]
            self._give_up(line, outcome)
            return
        request = line.requests.popleft()
        if line.requests:
            line.begin_anew()
            self._ask_in(0, key, line)
        else:
            del self._lines[key]
        request.done(outcome)

    def _may_change(self, outcome: Outcome) -> bool:
        """Whether it helps to ask again. As long as there is no topic there is nothing to be read from it."""
        is_refused = outcome.error is not None and outcome.error.code in RETRIED
        return is_refused and self._states.topic_exists and not self._stopped

    def _ask_in(self, delay_s: float, key: ShareKey, line: _Line) -> None:
        line.alarm = self._call_later(delay_s, lambda: self._ask_first(key, line))

    def _give_up(self, line: _Line, outcome: Outcome) -> None:
        if line.alarm is not None:
            line.alarm.cancel()
        for request in line.requests:
            request.done(outcome)
