"""Plays scripts of tests/scripts on a core: each command is followed by the trace of what it did, indented.

Run with KWIRE_REWRITE_SCRIPTS=1 to write the traces anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, TypeVar

REWRITE = os.environ.get("KWIRE_REWRITE_SCRIPTS") == "1"


class Plays(Protocol):
    """Carries out one command and says what came of it."""

    def play(self, line: str, /) -> Iterable[str]: ...


P = TypeVar("P", bound=Plays)


def scripts(pattern: str) -> list[Path]:
    """The scripts whose names match, in order."""
    return sorted((Path(__file__).parent / "scripts").glob(pattern))


def played(
    text: str, player: P, *, after_each: Callable[[P], None] | None = None, at_end: Callable[[P], None] | None = None
) -> str:
    """The script with the traces that its commands give now; comments and blank lines stay.

    `after_each` looks at the player after every command, `at_end` after the last.
    """
    lines = []
    for line in text.splitlines():
        if line.startswith("  "):
            continue
        lines.append(line)
        if line and not line.startswith("#"):
            lines += [f"  {said}" for said in player.play(line)]
            if after_each is not None:
                after_each(player)
    if at_end is not None:
        at_end(player)
    return "\n".join(lines) + "\n"


def compare(path: Path, trace: str) -> None:
    """What was played is what the script says."""
    text = path.read_text()
    if REWRITE:
        path.write_text(trace)
    assert trace == text or REWRITE
