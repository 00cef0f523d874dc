"""Plays tests/scripts/txn_*.txt on the transaction core (see `script`) and compares the traces."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.coord.txn.script import Player, assert_replay_equals_live
from tests.played_scripts import compare, played, scripts

SCRIPTS = scripts("txn_*.txt")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path: Path) -> None:
    compare(path, played(path.read_text(), Player(), after_each=assert_replay_equals_live))


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 7
