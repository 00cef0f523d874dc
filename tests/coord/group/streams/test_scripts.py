"""Plays tests/scripts/streams_*.txt on the group core (see `player`) and compares the traces."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.coord.group.script import assert_replay_equals_live
from tests.coord.group.streams.player import StreamsPlayer
from tests.played_scripts import compare, played, scripts

SCRIPTS = scripts("streams_*.txt")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path: Path) -> None:
    compare(path, played(path.read_text(), StreamsPlayer(), at_end=assert_replay_equals_live))


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 5
