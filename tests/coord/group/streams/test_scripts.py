"""Plays tests/scripts/streams_*.txt on the group core (see `player`) and compares the traces."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.coord.group.streams.player import StreamsPlayer
from tests.coord.group.test_scripts import REWRITE, played

SCRIPTS = sorted((Path(__file__).parents[3] / "scripts").glob("streams_*.txt"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path: Path) -> None:
    text = path.read_text()
    trace = played(text, StreamsPlayer())
    if REWRITE:
        path.write_text(trace)
    assert trace == text or REWRITE


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 5
