"""Checks files of golden vectors: `python -m tests.golden.check FILE...` (plain or .gz).

A vector's kind is read from its fields. With `--hostile`, message vectors are damaged in every way that `hostile`
knows, instead. Ends with the line "N passed, N failed"; the exit code is 1 if any failed.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Vector = dict[str, Any]
Check = Callable[[Vector], "str | None"]
"""Takes one vector; returns what is wrong with it, or None."""


def read_vectors(path: Path) -> list[Vector]:
    """The vectors of a file, one JSON object a line."""
    raw = path.read_bytes()
    if path.suffix == ".gz":
        raw = gzip.decompress(raw)
    # Only "\n" ends a line: a string inside may hold any other separator.
    return [json.loads(line) for line in raw.decode().split("\n") if line]


def check_for(vector: Vector, damage: bool) -> Check:
    """The check for vectors of this form."""
    if "name" in vector and "kind" in vector:
        if damage:
            from tests.golden import hostile

            return hostile.check
        from tests.golden import messages_check

        return messages_check.check
    from tests.golden import records_check

    return records_check.check


def main(arguments: list[str]) -> int:
    """Check the files; the exit code."""
    damage = "--hostile" in arguments
    passed = failed = 0
    for name in arguments:
        if name == "--hostile":
            continue
        for number, vector in enumerate(read_vectors(Path(name)), 1):
            try:
                problem = check_for(vector, damage)(vector)
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
            if problem is None:
                passed += 1
            else:
                failed += 1
                print(f"{name}:{number}: {problem[:300]}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
