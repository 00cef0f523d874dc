"""Each fault against each kind of file: a clean error, an offline directory or a full recovery."""

from __future__ import annotations

import pytest

from tests.sim.fault_table import FAULTS, FILE_KINDS, NEVER, OUTCOMES, outcome_of


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_does_silent_damage(fault: str) -> None:
    """Damage raises BrokenPromiseError while the row is made."""
    row = {file_kind: outcome_of(fault, file_kind) for file_kind in FILE_KINDS}
    assert set(row.values()) <= set(OUTCOMES)
    assert set(row.values()) != {"not met"}
    unexplained = [each for each, seen in row.items() if seen == "not met" and fault not in NEVER.get(each, {})]
    assert not unexplained


def test_a_dead_disk_takes_the_directory_offline() -> None:
    assert outcome_of("EIO on write", ".log") == "offline directory"
    assert outcome_of("ENOSPC", ".log") == "offline directory"
    assert outcome_of("EIO on fsync", ".log") == "offline directory"


def test_what_can_be_made_anew_is_made_anew() -> None:
    for file_kind in (".index", ".timeindex", ".snapshot", "leader epochs", "recovery points"):
        assert outcome_of("bit flip at rest", file_kind) == "full recovery"
