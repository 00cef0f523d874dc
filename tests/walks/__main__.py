"""`python -m tests.walks [--machine M ..] [--seeds N] [--seed S] [--jobs J]`: walk histories of the state machines.

A history that breaks a promise is printed, cut short, with the command that walks it again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from tests.histories import Failure, add_options, search
from tests.walks.walk import Walk, run

MACHINES = {
    "transactions": "tests.coord.txn.test_random_walk",
    "classic": "tests.coord.group.test_random_walk",
    "consumer": "tests.coord.group.consumer.test_random_walk",
    "migration": "tests.coord.group.consumer.test_migration_walk",
    "share-group": "tests.coord.group.share.test_random_walk",
    "share-partition": "tests.share.test_random_walk",
    "streams": "tests.coord.group.streams.test_random_walk",
}
"""Where each machine's walk is; the invariants are listed in the docstring of the machine."""


class RunMachine:
    """Walks one machine, in whatever process."""

    def __init__(self, machine: str) -> None:
        self.machine = machine

    def __call__(self, seed: int, steps: Sequence[Any] | None = None, /) -> Failure | None:
        walk = import_module(MACHINES[self.machine]).Walk
        assert issubclass(walk, Walk)
        return run(walk, seed, steps)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.walks", description=__doc__)
    parser.add_argument("--machine", nargs="+", choices=["all", *MACHINES], default=["all"], help="which machines")
    add_options(parser)
    options = parser.parse_args()
    failures = 0
    for machine in MACHINES if "all" in options.machine else options.machine:
        found = search(machine, RunMachine(machine), options)
        failures += found
        if found:
            print(f"again: python -m tests.walks --machine {machine} --seeds 1 --seed SEED", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
