"""What a consumer group waits for, as keys of the shard's timers."""

from __future__ import annotations

from typing import Final

from kwire.coord.timers import Timers

TimerKey = tuple[str, str, str]
"""One of the kinds below, a group id, a member id (or nothing)."""

SESSION: Final = "consumer-session"
"""The member was not heard of for its session timeout."""
REVOCATION: Final = "consumer-revocation"
"""The member did not give back what it must not keep within its rebalance timeout."""
JOIN: Final = "consumer-join"
"""A classic member was told to join again and did not."""
SYNC: Final = "consumer-sync"
"""A classic member joined and did not ask for its assignment."""
REGEX: Final = "consumer-regex"
"""The next slice of resolving the group's regular expressions."""

MEMBER_KINDS: Final = (SESSION, REVOCATION, JOIN, SYNC)
KINDS: Final = frozenset({*MEMBER_KINDS, REGEX})


class Deadlines:
    """The deadlines of consumer groups among those of a shard."""

    __slots__ = ("_timers",)

    def __init__(self, timers: Timers[TimerKey]) -> None:
        self._timers = timers

    def expect(self, kind: str, group_id: str, member_id: str, deadline_ms: int) -> None:
        """Wake at `deadline_ms`, whatever was expected of this kind before."""
        self._timers.schedule((kind, group_id, member_id), deadline_ms)

    def expect_unless_expected(self, kind: str, group_id: str, member_id: str, deadline_ms: int) -> None:
        """Wake at `deadline_ms` unless a deadline of this kind runs already."""
        key = (kind, group_id, member_id)
        if key not in self._timers:
            self._timers.schedule(key, deadline_ms)

    def forget(self, kind: str, group_id: str, member_id: str) -> None:
        """This has come in time."""
        self._timers.cancel((kind, group_id, member_id))

    def forget_member(self, group_id: str, member_id: str) -> None:
        """Nothing is expected of this member any more."""
        for kind in MEMBER_KINDS:
            self._timers.cancel((kind, group_id, member_id))
