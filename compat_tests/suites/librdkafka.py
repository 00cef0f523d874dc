"""librdkafka's own test runner: every test that talks to a broker, one process per number, two at a time.

One process each, because a test that takes too long ends its process and all tests in it. What needs Kafka's shell
tools (`KAFKA_PATH`) gets Apache Kafka's own, started from the jars.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path

from compat_tests.suites.suite import FAILED, PASSED, SKIPPED, Outcome, Run, call

KAFKA_VERSION = "4.3.1"
NUMBER_S = 1800
WORKERS = 4

_ENTRY = re.compile(r"\s*(\d{4})_(\w+)\s*,([^,)]*)")
_SCENARIO = re.compile(r'\.scenario\s*=\s*"([\w,]+)"')
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_STARTED = re.compile(r"Running test (\d{4}_\w+)")
_ENDED = re.compile(r"={5,} Test (\d{4}_\w+) (PASSED|FAILED|SKIPPED)")
_DURATION = re.compile(r"\] (\d{4}_\w+): duration ([\d.]+)ms")
_FAILURE = re.compile(r'### Test "(\d{4}_\w+)[^"]*" failed at (\S+).*?###\n(.*)')
_SKIPPED = re.compile(r"\[(\d{4}_\w+) +/.*SKIPPING TEST: (.*)")
_RESULTS = {"PASSED": PASSED, "FAILED": FAILED, "SKIPPED": SKIPPED}


def numbers(source: str, group_protocol: str, scenario: str) -> list[str]:
    """The numbers in test.c's table of tests that need a broker as in `scenario` and are meant to run by themselves.

    Share consumers have one protocol of their own: they run with "classic" only.
    """
    table = source[source.index("struct test tests[]") :]
    found = set()
    for row in table[: table.index("NULL}}")].split("_TEST(")[1:]:
        entry, wanted = _ENTRY.match(row), _SCENARIO.search(row)
        assert entry is not None, row
        number, name, flags = entry.groups()
        if "LOCAL" in flags or "MANUAL" in flags or flags.strip() == "TEST_F_KNOWN_ISSUE":
            continue
        if scenario not in (wanted[1] if wanted else "default").split(","):
            continue
        if group_protocol == "classic" or not name.startswith("share_consumer"):
            found.add(number)
    return sorted(found)


def outcomes(log: str, number: str, status: int | None, seconds: float) -> Iterator[Outcome]:
    """What the output of one process says of the tests with this number. One that began and did not end has failed."""
    text = _COLOUR.sub("", log)
    results = dict.fromkeys(_STARTED.findall(text), FAILED)
    results |= {name: _RESULTS[word] for name, word in _ENDED.findall(text)}
    durations = {name: float(ms) / 1000 for name, ms in _DURATION.findall(text)}
    reasons: dict[str, str] = {}
    for name, place, reason in _FAILURE.findall(text):
        results[name] = FAILED
        reasons.setdefault(name, f"{place} {reason.strip()}")
    reasons |= dict(_SKIPPED.findall(text))
    unfinished = f"not ended after {seconds:.0f} s" if status is None else f"the process ended with status {status}"
    for name, result in sorted(results.items()):
        if not name.startswith(number):
            continue
        why = "" if result == PASSED else reasons.get(name) or unfinished
        yield Outcome(name, result, durations.get(name, seconds), why)


def _shell_tools(folder: Path, libs: Path) -> Path:
    """A folder like that of an unpacked Kafka: its libraries, and the scripts that the tests call."""
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    (folder / "libs").symlink_to(libs)
    for name, tool in (
        ("kafka-topics", "org.apache.kafka.tools.TopicCommand"),
        ("kafka-acls", "org.apache.kafka.tools.AclCommand"),
        ("kafka-run-class", ""),
    ):
        script = folder / "bin" / f"{name}.sh"
        java = f'exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx256m -cp "$CLASSPATH:{libs}/*"'
        script.write_text(f'#!/bin/sh\n{java} {tool} "$@"\n')
        script.chmod(0o755)
    return folder


def _one(run: Run, tests: Path, environment: dict[str, str], number: str) -> list[Outcome]:
    began = time.monotonic()
    status, log = call(
        ["./test-runner", "-p1", "-L"],
        log=run.logs / f"{number}.log",
        seconds=NUMBER_S,
        cwd=tests,
        environment={**environment, "TESTS": number},
    )
    found = list(outcomes(log, number, status, time.monotonic() - began))
    return found or [Outcome(number, FAILED, time.monotonic() - began, f"no test began: {log[-200:].strip()}")]


def run(run: Run, *, group_protocol: str = "classic", scenario: str = "default") -> Iterator[Outcome]:
    """All numbers whose name contains `run.only`, in the order in which they end."""
    tests = run.cache / "librdkafka/tests"
    run.logs.mkdir(parents=True, exist_ok=True)
    settings = run.logs / "test.conf"
    settings.write_text(f"bootstrap.servers={run.bootstrap}\nbroker.address.family=v4\ntest.timeout.multiplier=2\n")
    environment = {
        "LD_LIBRARY_PATH": os.pathsep.join(str(tests.parent / part) for part in ("src", "src-cpp")),
        "RDKAFKA_TEST_CONF": str(settings),
        "TEST_KAFKA_VERSION": KAFKA_VERSION,
        "TEST_SCENARIO": scenario,
        "TEST_CONSUMER_GROUP_PROTOCOL": group_protocol,
        "BROKERS": run.bootstrap,
        "KAFKA_PATH": str(_shell_tools(run.logs / "kafka", run.cache / f"kafka-{KAFKA_VERSION}/libs")),
    }
    table = (tests / "test.c").read_text()
    chosen = [number for number in numbers(table, group_protocol, scenario) if run.only in number]
    with ThreadPoolExecutor(WORKERS) as pool:
        for done in as_completed([pool.submit(partial(_one, run, tests, environment), number) for number in chosen]):
            yield from done.result()
