"""Plays tests/scripts/share_partition_*.txt on a share partition (see `world`) and compares the traces."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.played_scripts import compare, played, scripts
from tests.share.world import World, assert_replay_equals_live, assert_sound

SCRIPTS = scripts("share_partition_*.txt")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path: Path) -> None:
    compare(path, played(path.read_text(), World(), after_each=assert_sound, at_end=assert_replay_equals_live))


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 5
