"""Histories that a seed chooses: many are run, and one that fails is cut down to the steps that it takes.

The log's simulator (`tests.sim`) and the walks of the coordinators' machines (`tests.walks`) are such histories.
"""

from __future__ import annotations

import argparse
import gc
import logging
import time
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.pool import Pool
from typing import Any, NamedTuple, Protocol

MAX_SHRINKING_RUNS = 2000
PROGRESS_INTERVAL = 1000
_SHARE = 50


class Failure(NamedTuple):
    """A broken promise: of which seed, after which of its steps, what had happened until then, and what was said."""

    seed: int
    steps: Sequence[Any]
    trace: list[str]
    error: BaseException

    @property
    def kind(self) -> str:
        """What stays the same while the history is cut down: the exception and where it was raised from."""
        frames = traceback.extract_tb(self.error.__traceback__)
        return f"{type(self.error).__name__} in {frames[-1].name}, {frames[-2].name if len(frames) > 1 else ''}"

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {type(self.error).__name__}: {self.error}"]
        lines += [f"  {number:2} {line}" for number, line in enumerate(self.trace)]
        return "\n".join([*lines, *traceback.format_exception(self.error)[-4:]])


class Run(Protocol):
    """Runs the history of a seed, or these steps in place of its own; None when every promise was kept.

    The `steps` of a failure are those that were taken. Instances are pickled: other processes run them, too.
    """

    def __call__(self, seed: int, steps: Sequence[Any] | None = None, /) -> Failure | None: ...


def shortened(failure: Failure, run: Run) -> Failure:
    """The same kind of failure with as few steps as can be found by taking some out."""
    best = failure
    size, runs = len(best.steps) // 2, 0
    while size and runs < MAX_SHRINKING_RUNS:
        at = 0
        while at < len(best.steps):
            runs += 1
            found = run(best.seed, [*best.steps[:at], *best.steps[at + size :]])
            if found is not None and found.kind == failure.kind:
                best = found
            else:
                at += size
        size //= 2
    return best


def _broken_among(run: Run, first: int, count: int) -> list[int]:
    """The seeds from `first` on whose histories break a promise."""
    # A history's objects die with it: looking for cycles while it runs takes a tenth of the time.
    gc.disable()
    broken = [seed for seed in range(first, first + count) if run(seed) is not None]
    gc.collect()
    return broken


def _shares(first: int, count: int) -> Iterator[tuple[int, int]]:
    for at in range(first, first + count, _SHARE):
        yield at, min(_SHARE, first + count - at)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that `search` reads."""
    parser.add_argument("--seeds", type=int, default=1000, help="how many histories")
    parser.add_argument("--seed", type=int, default=0, help="the first one's seed")
    parser.add_argument("--jobs", type=int, default=1, help="in so many processes")
    parser.add_argument("--failures", type=int, default=1, help="stop after so many failures")
    parser.add_argument("--as-is", action="store_true", help="print a failing history as it is, not shortened")


def search(name: str, run: Run, options: argparse.Namespace) -> int:
    """Run the histories that `options` ask for, print those that fail and a line at the end; how many failed."""
    logging.disable(logging.CRITICAL)
    try:
        return _search(name, run, options)
    finally:
        logging.disable(logging.NOTSET)


def _search(name: str, run: Run, options: argparse.Namespace) -> int:
    began, failures, ran = time.monotonic(), 0, 0
    with Pool(options.jobs, context=get_context("fork")) as pool:
        shares = _shares(options.seed, options.seeds)
        work = [(share, pool.apply_async(_broken_among, (run, *share))) for share in shares]
        for (first, count), result in work:
            for seed in result.get():
                failures += 1
                failure = run(seed)
                assert failure is not None, f"seed {seed} failed once, and not again"
                print(failure if options.as_is else shortened(failure, run), flush=True)
                if failures >= options.failures:
                    break
            ran += count
            if failures >= options.failures:
                break
            if ran % PROGRESS_INTERVAL == 0:
                print(f"... {name} up to seed {first + count - 1}: {failures} broken promises", flush=True)
        pool.terminate()
    seconds = time.monotonic() - began
    pace = f"{seconds:.1f} s, {60 * ran / seconds:.0f} a minute"
    print(f"{name}: {ran} histories, {failures} broken promises, {pace}", flush=True)
    return failures
