"""Tables for people, JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click


def show_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print aligned columns under headings; numbers to the right, an empty cell for None."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    numeric = [
        bool(cells) and all(row[column].lstrip("-").isdigit() or not row[column] for row in cells)
        for column in range(len(headings))
    ]
    widths = [max(len(heading), *(len(row[column]) for row in cells), 0) for column, heading in enumerate(headings)]
    for line in ([heading.upper() for heading in headings], *cells):
        aligned = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ]
        click.echo("  ".join(aligned).rstrip())


def show_json(value: Any) -> None:
    """Print one JSON document, indented."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
