"""Notices that the machine's clock was set, or that the machine slept.

Deadlines are instants of that clock, but what they mean is time that passes while the machine runs: nobody's session
ends because a laptop was closed for the night. (Apache Kafka's timers run on a monotonic clock.)
"""

from __future__ import annotations

from kwire.clock import Clock

JUMP_MS = 1000
"""By how much the clock has to go wrong to be noticed; small corrections go on all the time."""


class ClockWatch:
    """Reads a clock, and compares it with the one that only ever counts."""

    __slots__ = ("_clock", "_lead_ms")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lead_ms = clock.now_ms() - int(clock.monotonic() * 1000)

    def read(self) -> tuple[int, int]:
        """The instant, and how far the clock has jumped since it was read last; 0 almost always."""
        now_ms = self._clock.now_ms()
        jump_ms = now_ms - int(self._clock.monotonic() * 1000) - self._lead_ms
        if abs(jump_ms) < JUMP_MS:
            return now_ms, 0
        self._lead_ms += jump_ms
        return now_ms, jump_ms
