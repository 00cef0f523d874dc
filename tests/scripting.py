"""Scripts as tests: text in, trace out.

A script is blocks of input, a line `----`, the expected trace, an empty line. Lines beginning with `#` before an input
are kept as they are. `run` feeds each block's input to a machine and compares its trace; with `REGENERATE=1` in the
environment it writes what the machine said instead, to be reviewed as a diff.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

SCRIPTS = Path(__file__).parent / "scripts"


class Block(NamedTuple):
    """Comment lines, input lines, expected trace lines."""

    comments: list[str]
    lines: list[str]
    trace: list[str]


def parse(text: str) -> list[Block]:
    blocks = []
    for chunk in text.strip().split("\n\n"):
        rows = chunk.split("\n")
        comments = [row for row in rows if row.startswith("#")]
        rest = [row for row in rows if not row.startswith("#")]
        if not rest:
            blocks.append(Block(comments, [], []))
            continue
        cut = rest.index("----")
        blocks.append(Block(comments, rest[:cut], rest[cut + 1 :]))
    return blocks


def render(blocks: list[Block]) -> str:
    chunks = []
    for block in blocks:
        rows = list(block.comments)
        if block.lines:
            rows += [*block.lines, "----", *block.trace]
        chunks.append("\n".join(rows))
    return "\n\n".join(chunks) + "\n"


def run(path: Path, say: Callable[[list[str]], list[str]]) -> None:
    """`say` is given one block's input lines and returns its trace."""
    text = path.read_text()
    blocks = parse(text)
    heard = [Block(block.comments, block.lines, say(block.lines) if block.lines else []) for block in blocks]
    if os.environ.get("REGENERATE"):
        path.write_text(render(heard))
        return
    for expected, got in zip(blocks, heard, strict=True):
        assert got.trace == expected.trace, "\n".join(["after", *got.lines, "it said", *got.trace])
