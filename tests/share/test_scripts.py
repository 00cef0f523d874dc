"""Plays tests/scripts/share_partition_*.txt on a share partition (see `world`) and compares the traces.

Run with KWIRE_REWRITE_SCRIPTS=1 to write the traces anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.share.world import World, assert_replay_equals_live, assert_sound

SCRIPTS = sorted((Path(__file__).parents[1] / "scripts").glob("share_partition_*.txt"))
REWRITE = os.environ.get("KWIRE_REWRITE_SCRIPTS") == "1"


def played(text: str) -> str:
    """The script with the traces that its commands give now; comments and blank lines stay."""
    world = World()
    lines = []
    for line in text.splitlines():
        if line.startswith("  "):
            continue
        lines.append(line)
        if line and not line.startswith("#"):
            lines += [f"  {said}" for said in world.play(line)]
            assert_sound(world)
    assert_replay_equals_live(world)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path: Path) -> None:
    text = path.read_text()
    trace = played(text)
    if REWRITE:
        path.write_text(trace)
    assert trace == text or REWRITE


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 5
