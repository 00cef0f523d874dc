"""`python -m compat_tests.streams`: applications of Kafka Streams 4.3.1, unmodified, against one broker.

Two instances of a word count (`clients/streams/WordCount.java`: a repartition topic, a store with its changelog) share
six tasks; then one of them is killed with SIGKILL, and the other takes its tasks over with the counts that they had:
the store is restored from the changelog. It is run as a Streams group (KIP-1071) and as a classic group, at least once
and exactly once; exactly once, each count of each word is written once.

The last line is `N passed, N failed`.
"""

from __future__ import annotations

import argparse
import collections
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Consumer, Producer, TopicPartition

from compat_tests.broker import KwireBroker
from compat_tests.clients.install import default_cache, install
from compat_tests.durability.load import QUIET, create_topic

INSTALLER = "streams-4.3.1"
PARTITIONS = 3
TASKS = {f"{part}_{number}" for part in (0, 1) for number in range(PARTITIONS)}
WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta")
LINES = 200
WAIT_S = 120.0
SETTLE_S = 0.6
"""Several commit intervals: at least once, what a killed instance has not committed would be counted again."""

BROKER_OPTIONS = {
    "group.streams.min.session.timeout.ms": "1000",
    "group.streams.session.timeout.ms": "6000",
    "group.streams.min.heartbeat.interval.ms": "100",
    "group.streams.heartbeat.interval.ms": "300",
    "group.min.session.timeout.ms": "1000",
}
"""A killed instance is missed after six seconds, not after 45."""

CLASSIC = {"group.protocol": "classic", "session.timeout.ms": "6000", "heartbeat.interval.ms": "300"}
EXACTLY_ONCE = {"processing.guarantee": "exactly_once_v2"}


class Run(NamedTuple):
    """One application: its name, which is the group's too, and its settings."""

    name: str
    settings: Mapping[str, str]

    @property
    def is_exact(self) -> bool:
        return "processing.guarantee" in self.settings


RUNS = (
    Run("streams", {"group.protocol": "streams"}),
    Run("streams-exactly-once", {"group.protocol": "streams"} | EXACTLY_ONCE),
    Run("classic-exactly-once", CLASSIC | EXACTLY_ONCE),
)


class Failure(Exception):
    """An application did not do what it should."""


class Instance:
    """One process of an application, and what it last said of itself."""

    def __init__(self, home: Path, bootstrap: str, run: Run, number: int, folder: Path) -> None:
        state = folder / f"{run.name}-{number}"
        settings = {
            "bootstrap.servers": bootstrap,
            "application.id": run.name,
            "state.dir": str(state),
            "statestore.cache.max.bytes": "0",
            "commit.interval.ms": "100",
            **run.settings,
        }
        self._log = (folder / f"{run.name}-{number}.log").open("wb")
        self._process = subprocess.Popen(
            [
                *("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx192m"),
                *("-cp", f"{home}/classes:{home}/libs/*", "WordCount"),
                *(f"{run.name}-lines", f"{run.name}-counts"),
                *(f"{name}={value}" for name, value in settings.items()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.state = ""
        self.tasks: set[str] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            what, *rest = line.split()
            if what == "state":
                self.state = rest[0]
            elif what == "tasks":
                self.tasks = set(rest)

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()
        self._log.close()

    def end(self) -> int:
        """Close the application; its exit status."""
        self._process.communicate("\n", timeout=WAIT_S)
        self._log.close()
        return self._process.returncode


class Words:
    """The lines that were written, and the counts that are read back."""

    def __init__(self, bootstrap: str, run: Run) -> None:
        self._run = run
        self._bootstrap = bootstrap
        self._producer = Producer({"bootstrap.servers": bootstrap, "log_level": QUIET})
        self.expected: collections.Counter[str] = collections.Counter()
        self.found: dict[str, list[int]] = collections.defaultdict(list)
        settings = {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "log_level": QUIET,
        }
        self._reader = Consumer(settings)
        self._reader.assign([TopicPartition(f"{run.name}-counts", number, 0) for number in range(PARTITIONS)])

    def write(self) -> None:
        for number in range(LINES):
            words = [WORDS[number % len(WORDS)], WORDS[number * 3 % len(WORDS)]]
            self.expected.update(words)
            self._producer.produce(f"{self._run.name}-lines", " ".join(words), partition=number % PARTITIONS)
        self._producer.flush(WAIT_S)

    def are_counted(self) -> bool:
        """Read what there is; whether the last count of every word is right."""
        for message in self._reader.consume(500, timeout=0.1):
            if message.error() is None:
                self.found[message.key().decode()].append(int.from_bytes(message.value()))
        return all(max(self.found[word], default=0) >= count for word, count in self.expected.items())

    def check(self) -> None:
        """Raises Failure. Exactly once, every count of every word is there, once and in order; else none is missing."""
        self.are_counted()
        for word, count in self.expected.items():
            found = self.found[word]
            if not set(range(1, count + 1)) <= set(found) or (self._run.is_exact and len(found) != count):
                raise Failure(f"{word}: {count} were written, the counts end with {found[-5:]} ({len(found)} of them)")

    def close(self) -> None:
        self._reader.close()


def wait_for(what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(f"not within {WAIT_S:.0f} s: {what}")
        time.sleep(0.05)


def check(run: Run, home: Path, bootstrap: str, folder: Path) -> str:
    """The story of one application; what is worth saying about it. Raises Failure."""
    for topic in ("lines", "counts"):
        create_topic(bootstrap, f"{run.name}-{topic}", PARTITIONS)
    began = time.monotonic()
    words = Words(bootstrap, run)
    one, two = (Instance(home, bootstrap, run, number, folder) for number in (1, 2))
    try:
        wait_for(
            "both instances run, and share all tasks",
            lambda: (
                one.state == two.state == "RUNNING"
                and one.tasks | two.tasks == TASKS
                and len(one.tasks) == len(two.tasks) == len(TASKS) // 2
            ),
        )
        shared_s = time.monotonic() - began
        words.write()
        wait_for("every word is counted", words.are_counted)
        time.sleep(SETTLE_S)
        two.kill()
        killed = time.monotonic()
        words.write()
        wait_for("the survivor has all tasks", lambda: one.tasks == TASKS)
        wait_for("every word is counted on", words.are_counted)
        taken_s = time.monotonic() - killed
        words.check()
        status = one.end()
        if status:
            raise Failure(f"the survivor ended with status {status}")
    finally:
        for instance in (one, two):
            instance.kill()
        words.close()
    return f"shared after {shared_s:.1f} s, taken over after {taken_s:.1f} s"


def passes(run: Run, home: Path, bootstrap: str, folder: Path) -> bool:
    """Whether the application does what it should; a line about it is printed."""
    try:
        said = check(run, home, bootstrap, folder)
    except Failure as failure:
        said = f"FAILED: {failure}; logs in {folder}"
    print(f"{run.name}: {said}", flush=True)
    return not said.startswith("FAILED")


def main() -> int:
    parser = argparse.ArgumentParser(prog="compat_tests.streams", description="Kafka Streams against one broker.")
    names = [run.name for run in RUNS]
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="use this broker instead of starting kwire")
    parser.add_argument("--run", action="append", choices=names, help="only this application; may be repeated")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="for installed jars (%(default)s)")
    options = parser.parse_args()
    problems = install([INSTALLER], options.cache)
    for problem in problems.values():
        print(problem, file=sys.stderr)
    if problems:
        return 1
    folder = Path(tempfile.mkdtemp(prefix="kwire-streams-"))
    broker = KwireBroker(folder / "data", log=folder / "broker.log", options=BROKER_OPTIONS)
    if not options.bootstrap:
        broker.start()
    chosen = [run for run in RUNS if not options.run or run.name in options.run]
    bootstrap = options.bootstrap or broker.bootstrap
    try:
        with ThreadPoolExecutor(len(RUNS)) as pool:
            passed = list(pool.map(lambda run: passes(run, options.cache / INSTALLER, bootstrap, folder), chosen))
    finally:
        if not options.bootstrap:
            broker.stop()
    print(f"{sum(passed)} passed, {len(passed) - sum(passed)} failed")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
