"""Bytes at a rate."""

from __future__ import annotations

import pytest

from kwire.log.throttler import BURST_S, Throttler


def test_the_rate_is_kept_over_time() -> None:
    throttler = Throttler(1000)
    now = 5.0
    for _ in range(20):
        now += throttler.pause_s(100, now)
    assert now - 5.0 == pytest.approx(2.0 - BURST_S)


def test_what_was_not_used_is_lost() -> None:
    throttler = Throttler(1000)
    throttler.pause_s(1000, 0.0)
    assert throttler.pause_s(300, 100.0) == 0
    assert throttler.pause_s(100, 100.0) == pytest.approx(0.1)


def test_the_rate_changes_at_once() -> None:
    throttler = Throttler(float("inf"))
    assert throttler.pause_s(1 << 40, 1.0) == 0
    throttler.change(100)
    assert throttler.pause_s(100, 1.0) == pytest.approx(1.0 - BURST_S)
    assert throttler.pause_s(1 << 20, 1.0) > 10_000
    throttler.change(1 << 20)
    assert throttler.pause_s(1 << 20, 1.0) == pytest.approx(1.0 - BURST_S)
