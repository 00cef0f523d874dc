"""The outcome of all suites as one table of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from compat_tests.suites.expectations import Expectation
from compat_tests.suites.suite import FAILED, PASSED, SKIPPED, Outcome


class SuiteResult(NamedTuple):
    suite: str
    outcomes: Sequence[Outcome]
    expected: dict[str, Expectation]
    surprises: Sequence[str]
    seconds: float


def _lines(result: SuiteResult) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for outcome in sorted(result.outcomes):
        known = result.expected.get(outcome.test)
        why = f"{known.kind}: {known.reason}" if known and outcome.result != PASSED else outcome.text
        rows.append((result.suite, outcome.test, outcome.result, f"{outcome.seconds:.1f}", why[:160]))
    return rows


def totals(result: SuiteResult) -> str:
    count = {kind: sum(outcome.result == kind for outcome in result.outcomes) for kind in (PASSED, FAILED, SKIPPED)}
    return (
        f"{result.suite}: {count[PASSED]} of {len(result.outcomes)} passed, {count[FAILED]} failed, "
        f"{count[SKIPPED]} skipped, {len(result.surprises)} unexplained; {result.seconds:.0f} s"
    )


def print_table(results: Sequence[SuiteResult]) -> int:
    """Print every test, what was not expected, and a line of totals per suite; returns the number of surprises."""
    rows = [("suite", "test", "result", "seconds", "why"), *(row for result in results for row in _lines(result))]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for row in rows:
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[4]]).rstrip())
    for result in results:
        if result.surprises:
            print(f"\nunexplained in {result.suite}:")
        for sentence in result.surprises:
            print(f"  {sentence}")
    print()
    for result in results:
        print(totals(result))
    return sum(len(result.surprises) for result in results)
