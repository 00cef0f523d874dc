"""Timers: order, rescheduling, cancelling, and that a heap of stale entries stays bounded."""

from __future__ import annotations

import random

from kwire.coord.timers import COMPACT_ABOVE_ENTRIES, Timers


def due(timers: Timers[str], now_ms: int) -> list[str]:
    keys = []
    while (key := timers.pop_due(now_ms)) is not None:
        keys.append(key)
    return keys


def test_in_the_order_of_their_deadlines() -> None:
    timers: Timers[str] = Timers()
    assert timers.next_deadline() is None
    for key, deadline_ms in (("b", 20), ("a", 10), ("c", 30), ("a2", 10)):
        timers.schedule(key, deadline_ms)
    assert timers.next_deadline() == 10
    assert due(timers, 9) == []
    assert due(timers, 20) == ["a", "a2", "b"]
    assert timers.next_deadline() == 30
    assert len(timers) == 1
    assert due(timers, 1000) == ["c"]
    assert timers.next_deadline() is None


def test_later_earlier_and_never() -> None:
    timers: Timers[str] = Timers()
    timers.schedule("a", 10)
    timers.schedule("a", 50)
    next_deadline = timers.next_deadline()
    assert next_deadline is not None
    assert next_deadline <= 50
    assert due(timers, 10) == []
    assert timers.deadline("a") == timers.next_deadline() == 50
    timers.schedule("a", 20)
    assert timers.next_deadline() == 20
    assert due(timers, 20) == ["a"]
    assert due(timers, 100) == []
    timers.schedule("b", 200)
    timers.cancel("b")
    timers.cancel("b")
    assert "b" not in timers
    assert timers.next_deadline() is None
    timers.schedule("b", 300)
    timers.schedule("c", 250)
    timers.cancel("c")
    assert timers.next_deadline() == 300
    assert due(timers, 300) == ["b"]


def test_against_a_plain_dictionary() -> None:
    rng = random.Random(7)
    timers: Timers[int] = Timers()
    model: dict[int, int] = {}
    now_ms = 0
    for _ in range(20_000):
        key = rng.randrange(40)
        action = rng.random()
        if action < 0.6:
            model[key] = now_ms + rng.randrange(1, 200)
            timers.schedule(key, model[key])
        elif action < 0.8:
            model.pop(key, None)
            timers.cancel(key)
        else:
            now_ms += rng.randrange(30)
            expected = sorted((deadline, key) for key, deadline in model.items() if deadline <= now_ms)
            fired = []
            while (popped := timers.pop_due(now_ms)) is not None:
                fired.append((model.pop(popped), popped))
            assert sorted(fired) == expected
        next_deadline = timers.next_deadline()
        if model:
            assert next_deadline is not None
            assert next_deadline <= min(model.values())
        else:
            assert next_deadline is None
    assert len(timers) == len(model)


def test_stale_entries_are_bounded() -> None:
    timers: Timers[int] = Timers()
    timers.schedule(-1, 10**9)
    for round_number in range(20 * COMPACT_ABOVE_ENTRIES):
        timers.schedule(0, 10**8 - round_number)
    assert len(timers._heap) <= COMPACT_ABOVE_ENTRIES + 1


def test_all_deadlines_move_together() -> None:
    timers: Timers[str] = Timers()
    for key, deadline_ms in (("a", 10), ("b", 20), ("c", 30), ("gone", 5)):
        timers.schedule(key, deadline_ms)
    timers.schedule("b", 40)
    timers.cancel("gone")
    timers.shift(100)
    assert [timers.deadline(key) for key in ("a", "b", "c", "gone")] == [110, 140, 130, None]
    assert due(timers, 129) == ["a"]
    timers.shift(-100)
    timers.schedule("d", 35)
    assert due(timers, 40) == ["c", "d", "b"]
    assert timers.next_deadline() is None


def test_members_that_go_on_heartbeating_wake_nobody_one_by_one() -> None:
    """A hundred deadlines 10 ms apart that were all moved on: whoever is woken corrects a second of them."""
    timers: Timers[int] = Timers()
    for key in range(100):
        timers.schedule(key, 10_000 + 10 * key)
    for key in range(100):
        timers.schedule(key, 20_000 + 10 * key)
    wakings = 0
    while (now_ms := timers.next_deadline()) is not None and now_ms < 20_000:
        assert timers.pop_due(now_ms) is None
        wakings += 1
    assert wakings == 1
    assert timers.next_deadline() == 20_000
    assert due(timers, 20_000) == [0]


def test_who_asks_for_something_earlier() -> None:
    timers: Timers[str] = Timers()
    assert timers.next_deadline(100) is None
    timers.schedule("a", 50)
    assert timers.next_deadline(51) == 50
    assert timers.next_deadline(50) is None
    timers.cancel("a")
    assert timers.next_deadline(51) is None
