"""What a suite is known not to pass, and why: one file per suite in `expected/`.

A line is `TEST  KIND: REASON`. Kinds are `n/a` (nothing that this broker could do), `later` (needs something that is
not built yet), `gap` (a known fault) and `either` (a matter of luck, on Apache Kafka too: any result will do). A listed
test that passes is as much a surprise as one that fails without being listed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from compat_tests.suites.suite import PASSED, Outcome

HERE = Path(__file__).parent
KINDS = ("n/a", "later", "gap", "either")


class Expectation(NamedTuple):
    kind: str
    reason: str


class BadLineError(ValueError):
    """A line of an expectations file that is none."""


def parse(text: str) -> dict[str, Expectation]:
    """Expectations by test name; raises BadLineError. `#` begins a comment line; names hold no blanks."""
    expected: dict[str, Expectation] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(" ")
        kind, colon, reason = rest.strip().partition(":")
        if kind not in KINDS or not colon or not reason.strip() or name in expected:
            raise BadLineError(f"line {number}: {line!r} is not `TEST  KIND: REASON`, or names a test again")
        expected[name] = Expectation(kind, reason.strip())
    return expected


def load(suite: str) -> dict[str, Expectation]:
    path = HERE / "expected" / f"{suite}.txt"
    return parse(path.read_text()) if path.exists() else {}


def surprises(outcomes: Iterable[Outcome], expected: dict[str, Expectation], *, whole: bool) -> list[str]:
    """One sentence for each test that did not do what was expected; `whole`: a listed test must have run, too."""
    found: list[str] = []
    seen: set[str] = set()
    for outcome in outcomes:
        seen.add(outcome.test)
        known = expected.get(outcome.test)
        if known is None and outcome.result != PASSED:
            found.append(f"{outcome.test}: {outcome.result}, and not expected to be. {outcome.text}")
        elif known is not None and known.kind != "either" and outcome.result == PASSED:
            found.append(f"{outcome.test}: passed, but is listed as {known.kind}: {known.reason}")
    if whole:
        found += [f"{name}: listed, but did not run" for name in expected if name not in seen]
        if not seen:
            found.append("no test ran at all")
    return found
