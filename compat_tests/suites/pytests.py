"""Suites that pytest runs: they are called with a JUnit report, and the report says what became of each test."""

from __future__ import annotations

import xml.etree.ElementTree as Xml
from collections.abc import Iterator, Mapping
from pathlib import Path

from compat_tests.suites.suite import FAILED, PASSED, SKIPPED, Outcome, Run, call


def outcomes(report: str) -> Iterator[Outcome]:
    """One outcome per test; one that failed and whose teardown failed too stands there twice, and counts once."""
    found: dict[str, Outcome] = {}
    for case in Xml.fromstring(report).iter("testcase"):
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name', '')}".replace(" ", "_")
        bad = next((part for kind in ("failure", "error") for part in case.iter(kind)), None)
        skip = case.find("skipped")
        result = FAILED if bad is not None else SKIPPED if skip is not None else PASSED
        reason = bad if bad is not None else skip
        why = (reason.get("message") or "").partition("\n")[0] if reason is not None else ""
        if name not in found or found[name].result != FAILED:
            found[name] = Outcome(name, result, float(case.get("time", "0")), why)
    yield from found.values()


def run_pytest(
    run: Run, python: Path, folder: Path, arguments: list[str], environment: Mapping[str, str], seconds: float
) -> Iterator[Outcome]:
    """pytest in `folder`, with its own settings, for at most so many seconds."""
    report = run.logs / "report.xml"
    argv = [str(python), "-m", "pytest", *arguments, f"--junit-xml={report}", "-p", "no:cacheprovider"]
    if run.only:
        argv += ["-k", run.only]
    status, log = call(argv, log=run.logs / "pytest.log", seconds=seconds, cwd=folder, environment=environment)
    if not report.exists():
        yield Outcome("pytest", FAILED, seconds, f"no report, status {status}: {log[-200:].strip()}")
        return
    yield from outcomes(report.read_text())
