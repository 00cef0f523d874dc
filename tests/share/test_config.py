"""A share group's own options: within the broker's bounds, and where it begins."""

from __future__ import annotations

import pytest

from kwire.config.broker_config import BrokerConfig
from kwire.share.config import EARLIEST, LATEST, ShareConfig, duration_ms
from kwire.share.partition import Limits


def config(**own: str) -> ShareConfig:
    options = {f"share.{name.replace('_', '.')}": value for name, value in own.items()}
    return ShareConfig(BrokerConfig({}).get, lambda group_id: options if group_id == "g" else {})


def test_options_and_their_bounds() -> None:
    assert config().limits_of("g") == Limits(5, 2000, 30_000, True)
    own = config(
        delivery_count_limit="7",
        partition_max_record_locks="3000",
        record_lock_duration_ms="20000",
        renew_acknowledge_enable="false",
    )
    assert own.limits_of("g") == Limits(7, 3000, 20_000, False)
    assert own.limits_of("other") == Limits(5, 2000, 30_000, True)
    # The broker's bounds may have been narrowed since the group was configured.
    wild = config(delivery_count_limit="99", partition_max_record_locks="1", record_lock_duration_ms="1")
    assert wild.limits_of("g") == Limits(10, 100, 15_000, True)
    assert wild.lock_duration_ms("g") == 15_000


def test_isolation_and_beginning() -> None:
    assert not config().reads_committed("g")
    assert config(isolation_level="read_committed").reads_committed("g")
    assert config().offset_reset_of("g") == LATEST
    assert config(auto_offset_reset="earliest").offset_reset_of("g") == EARLIEST
    assert config(auto_offset_reset="by_duration:PT1H").offset_reset_of("g") == 3_600_000


def test_space_around_a_value_counts_for_nothing() -> None:
    """Options are checked, and shown, without it; the overrides hold what was written."""
    own = config(isolation_level=" read_committed", auto_offset_reset="earliest ", renew_acknowledge_enable=" TRUE\n")
    assert own.reads_committed("g")
    assert own.offset_reset_of("g") == EARLIEST
    assert own.limits_of("g") == Limits(5, 2000, 30_000, True)
    assert config(auto_offset_reset=" by_duration:PT1H ").offset_reset_of("g") == 3_600_000


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("P1D", 86_400_000),
        ("PT1.5S", 1500),
        ("P2DT3H4M5S", 183_845_000),
        ("PT0S", 0),
        ("PT90M", 5_400_000),
        ("pt1h2.S", 3_602_000),
    ],
)
def test_durations(text: str, milliseconds: int) -> None:
    assert duration_ms(text) == milliseconds
