"""A clock that is set, or that a sleeping machine makes jump, is noticed once; small corrections are not."""

from __future__ import annotations

from kwire.clock import ManualClock
from kwire.coord.clock_watch import JUMP_MS, ClockWatch


class HandSetClock(ManualClock):
    """Wall and monotonic clock apart."""

    def __init__(self) -> None:
        super().__init__()
        self.set_by_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.set_by_ms


def test_jumps_are_told_once() -> None:
    clock = HandSetClock()
    watch = ClockWatch(clock)
    clock.advance(86_400_000)
    assert watch.read() == (clock.now_ms(), 0)
    clock.set_by_ms = 3_600_000
    assert watch.read()[1] == 3_600_000
    clock.advance(500)
    assert watch.read() == (clock.now_ms(), 0)
    clock.set_by_ms = -5_000
    assert watch.read()[1] == -3_605_000
    assert watch.read()[1] == 0


def test_small_corrections_add_up() -> None:
    clock = HandSetClock()
    watch = ClockWatch(clock)
    clock.set_by_ms = JUMP_MS // 2
    assert watch.read()[1] == 0
    clock.set_by_ms = JUMP_MS + 1
    assert abs(watch.read()[1] - JUMP_MS) <= 2
