"""`python -m tests.sim --seeds N [--seed S] [--jobs J]`: run histories; a failing one is printed, cut short."""

from __future__ import annotations

import argparse
import sys

from tests.histories import add_options, search
from tests.sim.history import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    add_options(parser)
    return 1 if search("log", run, parser.parse_args()) else 0


if __name__ == "__main__":
    sys.exit(main())
