"""Who is counted against which limit, and how loud refusals are."""

from __future__ import annotations

from kwire.clock import ManualClock
from kwire.net.limits import ConnectionLimits, ConnectionQuotas, RateLimit


def test_the_total_is_bounded_and_released() -> None:
    quotas = ConnectionQuotas(ConnectionLimits(max_connections=2))
    assert quotas.admit("10.0.0.1") is None
    assert quotas.admit("10.0.0.2") is None
    assert quotas.admit("10.0.0.3") == "max.connections=2 is reached"
    quotas.release("10.0.0.1")
    assert quotas.admit("10.0.0.3") is None


def test_each_address_has_its_own_bound_and_overrides_win() -> None:
    limits = ConnectionLimits(max_connections_per_ip=1, max_connections_per_ip_overrides={"10.0.0.9": 2, "10.0.0.8": 0})
    quotas = ConnectionQuotas(limits)
    assert quotas.admit("10.0.0.1") is None
    assert "max.connections.per.ip" in (quotas.admit("10.0.0.1") or "")
    assert [quotas.admit("10.0.0.9") is None for _ in range(3)] == [True, True, False]
    assert quotas.admit("10.0.0.8") is not None
    assert quotas.open_count == 3


def test_a_limit_changed_live_holds_for_the_next_connection() -> None:
    limits = ConnectionLimits(max_connections=1)
    quotas = ConnectionQuotas(limits)
    assert quotas.admit("a") is None
    assert quotas.admit("b") is not None
    limits.max_connections = 2
    assert quotas.admit("b") is None


def test_overrides_are_read_by_host_and_count() -> None:
    values = {
        "max.connections": 7,
        "max.connections.per.ip": 3,
        "max.connections.per.ip.overrides": " 10.0.0.9:2, [::1]:5 ",
    }
    limits = ConnectionLimits()
    limits.read_live(values.__getitem__)
    assert (limits.max_connections, limits.max_connections_per_ip) == (7, 3)
    assert limits.max_connections_per_ip_overrides == {"10.0.0.9": 2, "::1": 5}


def test_one_line_per_interval_says_how_many_were_silent() -> None:
    clock = ManualClock()
    log = RateLimit(clock, interval_s=10)
    assert log.admit() == 0
    assert [log.admit() for _ in range(3)] == [None, None, None]
    clock.advance(9_999)
    assert log.admit() is None
    clock.advance(1)
    assert log.admit() == 4
    clock.advance(10_000)
    assert log.admit() == 0
