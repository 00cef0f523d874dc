"""The proofs' table: one row each, with what was counted, and every problem below it."""

from __future__ import annotations

import sys
import time
from typing import NamedTuple

MOST_SHOWN = 12


class Row(NamedTuple):
    """What one proof has shown; no problems means that it holds."""

    proof: str
    counts: str
    problems: list[str]
    seconds: float


class Report:
    """The rows so far."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._began = time.monotonic()

    def add(self, proof: str, counts: str, problems: list[str]) -> None:
        """A row; the seconds are those since the last one."""
        now = time.monotonic()
        self.rows.append(Row(proof, counts, problems, now - self._began))
        self._began = now
        print(f"  {proof}: {'ok' if not problems else f'{len(problems)} problems'}", file=sys.stderr, flush=True)

    def print(self) -> bool:
        """Print the table and `N passed, N failed`; True when everything holds."""
        width = max(len(row.proof) for row in self.rows)
        for row in self.rows:
            print(f"{row.proof:<{width}}  {'FAIL' if row.problems else 'ok':<4}  {row.seconds:5.1f} s  {row.counts}")
        for row in self.rows:
            for problem in row.problems[:MOST_SHOWN]:
                print(f"\n{row.proof}: {problem}")
            if len(row.problems) > MOST_SHOWN:
                print(f"\n{row.proof}: and {len(row.problems) - MOST_SHOWN} more")
        failed = sum(bool(row.problems) for row in self.rows)
        print(f"\n{len(self.rows) - failed} passed, {failed} failed")
        return not failed
