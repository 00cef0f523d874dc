"""`python -m compat_tests.suites`: other projects' own tests against kwire, as one table.

Each suite gets a kwire of its own, on a fresh directory and a free port. The exit status is 1 when a suite could not be
installed or a test did anything but what `expected/` says: failed without being listed, or passed in spite of it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from compat_tests.broker import BrokerError, KwireBroker
from compat_tests.clients.install import default_cache, install
from compat_tests.suites.catalog import SUITES
from compat_tests.suites.expectations import load, surprises
from compat_tests.suites.install import INSTALLERS
from compat_tests.suites.suite import FAILED, Outcome, Run, Suite
from compat_tests.suites.table import SuiteResult, print_table


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="compat_tests.suites", description=(__doc__ or "").partition("\n")[0])
    names = [suite.name for suite in SUITES]
    parser.add_argument("--suite", action="append", choices=names, help="only this suite; may be repeated")
    parser.add_argument("--only", default="", metavar="TEXT", help="only tests whose name contains this")
    parser.add_argument("--times", type=int, default=1, help="run each suite so often (%(default)s)")
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="use this broker instead of starting kwire")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="for installed suites (%(default)s)")
    parser.add_argument("--logs", type=Path, help="for the logs of tests and brokers (a temporary folder)")
    parser.add_argument("--install-only", action="store_true", help="install the suites and end")
    return parser.parse_args()


def _tell(outcome: Outcome) -> None:
    print(f"  {outcome.test} {outcome.result} {outcome.seconds:.1f} s", file=sys.stderr, flush=True)


def _outcomes(suite: Suite, run: Run) -> list[Outcome]:
    found = []
    for outcome in suite.run(run):
        _tell(outcome)
        found.append(outcome)
    return found


def run_suite(suite: Suite, options: argparse.Namespace, logs: Path) -> SuiteResult:
    """Against the named broker, or against a kwire that is started for the suite and stopped afterwards."""
    began = time.monotonic()
    print(f"{suite.name}: {suite.about}", file=sys.stderr, flush=True)
    logs.mkdir(parents=True, exist_ok=True)
    checkout = os.environ.get(suite.checkout, "")
    if options.bootstrap:
        outcomes = _outcomes(suite, Run(options.bootstrap, options.cache, logs, options.only, checkout))
    else:
        with tempfile.TemporaryDirectory(prefix="kwire-suites-") as folder:
            broker = KwireBroker(Path(folder), log=logs / "broker.log", options=suite.options)
            broker.start()
            try:
                outcomes = _outcomes(suite, Run(broker.bootstrap, options.cache, logs, options.only, checkout))
            finally:
                try:
                    broker.stop()
                except BrokerError as problem:
                    outcomes.append(Outcome("broker", FAILED, 0.0, str(problem)))
    expected = load(suite.name)
    whole = not options.only
    return SuiteResult(
        suite.name, outcomes, expected, surprises(outcomes, expected, whole=whole), time.monotonic() - began
    )


def chosen_suites(names: list[str] | None) -> list[Suite]:
    """Those that were named, or all; without the sources that a suite asks for it is left out, and that is said."""
    chosen = []
    for suite in SUITES:
        if names and suite.name not in names:
            continue
        if suite.checkout and not os.environ.get(suite.checkout):
            print(f"left out: {suite.name}: ${suite.checkout} names no checkout, and no package has its tests")
        else:
            chosen.append(suite)
    return chosen


def main() -> int:
    options = arguments()
    chosen = chosen_suites(options.suite)
    problems = install({name for suite in chosen for name in suite.installers}, options.cache, INSTALLERS)
    for name, problem in problems.items():
        print(f"cannot install {name}: {problem}", file=sys.stderr)
    if problems or options.install_only:
        return 1 if problems else 0
    logs = options.logs or Path(tempfile.mkdtemp(prefix="kwire-suites-logs-"))
    results = [
        run_suite(suite, options, logs / suite.name / str(turn)) for suite in chosen for turn in range(options.times)
    ]
    unexplained = print_table(results)
    print(f"logs in {logs}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
