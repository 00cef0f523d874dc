"""`python -m tests.sim --seeds N [--seed S] [--jobs J]`: run histories; a failing one is printed, cut short."""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import time
from collections.abc import Iterator
from multiprocessing import Pool

from tests.sim.history import run, shortened

PROGRESS_INTERVAL = 1000
_SHARE = 50


def broken_among(first: int, count: int) -> list[int]:
    """The seeds from `first` on whose histories break a promise."""
    # A history's objects die with it: looking for cycles while it runs takes a tenth of the time.
    gc.disable()
    broken = [seed for seed in range(first, first + count) if run(seed) is not None]
    gc.collect()
    return broken


def _shares(first: int, count: int) -> Iterator[tuple[int, int]]:
    for at in range(first, first + count, _SHARE):
        yield at, min(_SHARE, first + count - at)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many histories")
    parser.add_argument("--seed", type=int, default=0, help="the first one's seed")
    parser.add_argument("--jobs", type=int, default=1, help="in so many processes")
    parser.add_argument("--failures", type=int, default=1, help="stop after so many failures")
    parser.add_argument("--as-is", action="store_true", help="print a failing history as it is, not shortened")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    began, failures, ran = time.monotonic(), 0, 0
    with Pool(options.jobs) as pool:
        work = [(share, pool.apply_async(broken_among, share)) for share in _shares(options.seed, options.seeds)]
        for (first, count), result in work:
            for seed in result.get():
                failures += 1
                failure = run(seed)
                assert failure is not None, f"seed {seed} failed once, and not again"
                print(failure if options.as_is else shortened(failure), flush=True)
            ran += count
            if failures >= options.failures:
                break
            if ran % PROGRESS_INTERVAL == 0:
                print(f"... up to seed {first + count - 1}: {failures} broken promises", flush=True)
        pool.terminate()
    seconds = time.monotonic() - began
    print(f"{ran} histories, {failures} broken promises, {seconds:.1f} s, {60 * ran / seconds:.0f} a minute")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
