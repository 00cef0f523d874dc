"""`python -m tests.sim --seeds N [--seed S]`: run histories; a failing one is printed as short as it gets."""

from __future__ import annotations

import argparse
import logging
import sys
import time

from tests.sim.history import run, shortened

PROGRESS_INTERVAL = 1000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many histories")
    parser.add_argument("--seed", type=int, default=0, help="the first one's seed")
    parser.add_argument("--failures", type=int, default=1, help="stop after so many failures")
    parser.add_argument("--as-is", action="store_true", help="print a failing history as it is, not shortened")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    began, failures, ran = time.monotonic(), 0, 0
    for seed in range(options.seed, options.seed + options.seeds):
        failure = run(seed)
        ran += 1
        if failure is not None:
            failures += 1
            print(failure if options.as_is else shortened(failure), flush=True)
            if failures >= options.failures:
                break
        if ran % PROGRESS_INTERVAL == 0:
            print(f"... up to seed {seed}: {failures} broken promises", flush=True)
    seconds = time.monotonic() - began
    print(f"{ran} histories, {failures} broken promises, {seconds:.1f} s, {60 * ran / seconds:.0f} a minute")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
