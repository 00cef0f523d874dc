"""`python -m compat_tests.durability.churn`: kill -9 while segments roll, go by retention and are compacted.

Two idempotent producers write numbered records: one into a topic whose records live for seconds, one into a compacted
topic of few keys; segments are tiny. The broker is killed at random moments and started again. At the end, of the first
topic every acknowledged record at or above the log's start must be at the very offset that was acknowledged; of the
second each key must have its last acknowledged number or a later one; nowhere may a number be twice or out of order.
Every so many rounds the kill waits until the log cleaner has got further, because its worker process, which is niced,
seldom ends a compaction in the second that a broker lives; it is killed amid the next one.
After every so many kills, and at the end, `kwire log verify` must find no damage in the directory.

Prints one line, `rounds=200 acked=N lost=0 duplicated=0 ...`, and then `N passed, N failed`.
"""

from __future__ import annotations

import argparse
import itertools
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from compat_tests.broker import BrokerError, KwireBroker, kwire_command
from compat_tests.durability.load import IdempotentLoad, create_topic, read_back

SHORT, LATEST = "short-lived", "latest"
PARTITIONS, KEYS, FILLER_BYTES = 2, 300, 120
UPTIME_S, DOWN_S = (0.05, 0.6), (0.0, 0.1)
PROGRESS_S = 20.0
EARLY = 0.2  # share of the rounds that do not wait for progress
COMPACTED_EVERY = 8
VERIFY_EVERY = 20
CLEANER_CHECKPOINT = "cleaner-offset-checkpoint"
SMALL = {"internal.segment.bytes": "131072", "file.delete.delay.ms": "500", "index.interval.bytes": "1024"}
SHORT_LIVED = {**SMALL, "retention.ms": "4000"}
COMPACTED = {**SMALL, "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01"}
BUSY = {
    "log.retention.check.interval.ms": "300",
    "log.cleaner.backoff.ms": "100",
    "log.flush.offset.checkpoint.interval.ms": "400",
}
AT_REST = {"log.retention.check.interval.ms": "86400000", "log.cleaner.enable": "false"}


class Verdict:
    """What the rounds showed; `lost`, `duplicated`, `out_of_order`, `damaged` should be 0."""

    def __init__(self) -> None:
        self.rounds = self.acked = self.lost = self.duplicated = self.out_of_order = self.damaged = 0
        self.retained_away = self.compacted_away = self.compactions = self.segments = self.verified = 0
        self.problems: list[str] = []

    def line(self, **more: object) -> str:
        fields = {name: value for name, value in vars(self).items() if name != "problems"} | more
        return " ".join(f"{name}={value}" for name, value in fields.items())


def verify(directory: Path, verdict: Verdict) -> None:
    """Let `kwire log verify` look at a directory whose broker is down."""
    command = [*kwire_command(), "log", "verify", "--deep", "--no-notes", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    verdict.verified += 1
    if done.returncode:
        verdict.damaged += 1
        verdict.problems.append(f"round {verdict.rounds}: log verify: {(done.stdout + done.stderr)[:2000]}")


def compacted_up_to(directory: Path) -> bytes:
    """What the checkpoint of the log cleaner says."""
    try:
        return (directory / CLEANER_CHECKPOINT).read_bytes()
    except FileNotFoundError:
        return b""


def one_round(broker: KwireBroker, loads: list[IdempotentLoad], chance: random.Random, verdict: Verdict) -> None:
    """Let both loads run, kill, look at what is left now and then, and start again."""
    before = [load.total() for load in loads]
    deadline = time.monotonic() + (0 if chance.random() < EARLY else PROGRESS_S)
    while time.monotonic() < deadline and any(load.total() == count for load, count in zip(loads, before, strict=True)):
        time.sleep(0.01)
    if verdict.rounds % COMPACTED_EVERY == 0:
        compacted, deadline = compacted_up_to(broker.directory), time.monotonic() + PROGRESS_S
        while time.monotonic() < deadline and compacted_up_to(broker.directory) == compacted:
            time.sleep(0.01)
    time.sleep(chance.uniform(*UPTIME_S))
    broker.kill()
    verdict.rounds += 1
    if verdict.rounds % VERIFY_EVERY == 0:
        verify(broker.directory, verdict)
    time.sleep(chance.uniform(*DOWN_S))
    broker.start()


def check_order(numbers: list[int], verdict: Verdict) -> None:
    verdict.duplicated += len(numbers) - len(set(numbers))
    verdict.out_of_order += sum(later < earlier for earlier, later in itertools.pairwise(numbers))


def check_short_lived(load: IdempotentLoad, stored: dict[int, list[tuple[int, int]]], verdict: Verdict) -> None:
    """Each acknowledged number from the log's start on is at its offset."""
    for partition, rows in stored.items():
        acknowledged = load.acknowledged(partition)
        start = rows[0][0] if rows else max(acknowledged.values(), default=-1) + 1
        at = dict(rows)
        lost = [number for number, offset in acknowledged.items() if offset >= start and at.get(offset) != number]
        verdict.acked += len(acknowledged)
        verdict.lost += len(lost)
        verdict.retained_away += start
        check_order([number for _, number in rows], verdict)
        if lost:
            verdict.problems.append(f"{SHORT}-{partition} lost {sorted(lost)[:10]}")


def check_latest(load: IdempotentLoad, stored: dict[int, list[tuple[int, int]]], verdict: Verdict) -> None:
    """Each key has its last acknowledged number, or a later one that was not acknowledged any more."""
    for partition, rows in stored.items():
        acknowledged = load.acknowledged(partition)
        last_acknowledged: dict[int, int] = {}
        for number in sorted(acknowledged):
            last_acknowledged[number % KEYS] = number
        last_stored = {number % KEYS: number for _, number in rows}
        lost = [number for key, number in last_acknowledged.items() if last_stored.get(key, -1) < number]
        verdict.acked += len(acknowledged)
        verdict.lost += len(lost)
        verdict.compacted_away += rows[-1][0] + 1 - len(rows) if rows else 0
        check_order([number for _, number in rows], verdict)
        if lost:
            verdict.problems.append(f"{LATEST}-{partition} lost the last values {sorted(lost)[:10]}")


def segments_in(directory: Path) -> int:
    """How many segments are there at the end."""
    return sum(1 for topic in (SHORT, LATEST) for _ in directory.glob(f"{topic}-*/*.log"))


def run(options: argparse.Namespace) -> Verdict:
    folder = options.folder or Path(tempfile.mkdtemp(prefix="kwire-churn-"))
    folder.mkdir(parents=True, exist_ok=True)
    broker = KwireBroker(folder / "data", log=folder / "broker.log", options=BUSY)
    chance, verdict = random.Random(options.seed), Verdict()
    stop = threading.Event()
    broker.start()
    try:
        create_topic(broker.bootstrap, SHORT, PARTITIONS, SHORT_LIVED)
        create_topic(broker.bootstrap, LATEST, PARTITIONS, COMPACTED)
        short = IdempotentLoad(broker.bootstrap, SHORT, PARTITIONS, FILLER_BYTES, stop)
        latest = IdempotentLoad(broker.bootstrap, LATEST, PARTITIONS, FILLER_BYTES, stop, keys=KEYS)
        loads = [short, latest]
        for load in loads:
            load.start()
        deadline = time.monotonic() + 60 * options.minutes
        while verdict.rounds < options.rounds and time.monotonic() < deadline:
            one_round(broker, loads, chance, verdict)
            print(".", end="", file=sys.stderr, flush=True)
        stop.set()
        for load in loads:
            load.join()
            verdict.problems += load.failures[:5]
        broker.stop()
        verdict.segments = segments_in(broker.directory)
        verdict.compactions = (folder / "broker.log").read_text().count(" compacted from ")
        verify(broker.directory, verdict)
        broker = KwireBroker(folder / "data", log=folder / "broker.log", port=broker.port, options=AT_REST)
        broker.start()
        check_short_lived(short, read_back(broker.bootstrap, SHORT, PARTITIONS), verdict)
        check_latest(latest, read_back(broker.bootstrap, LATEST, PARTITIONS), verdict)
    finally:
        stop.set()
        broker.kill()
    print(file=sys.stderr)
    return verdict


def main() -> int:
    parser = argparse.ArgumentParser(prog="compat_tests.durability.churn", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=60.0, help="no more rounds after this time (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments of killing (%(default)s)")
    parser.add_argument("--folder", type=Path, help="for the broker's directory and log (a temporary folder)")
    options = parser.parse_args()
    began = time.monotonic()
    try:
        verdict = run(options)
    except BrokerError as problem:
        print(f"the broker did not come back: {problem}", file=sys.stderr)
        print("0 passed, 1 failed")
        return 1
    for what, gone in (("retention", verdict.retained_away), ("compaction", verdict.compacted_away)):
        if not gone:
            verdict.problems.append(f"{what} took nothing: the rounds show less than they should")
    for text in verdict.problems:
        print(f"problem: {text}")
    print(verdict.line(seed=options.seed, seconds=round(time.monotonic() - began)))
    failed = bool(verdict.problems or verdict.lost or verdict.duplicated or verdict.out_of_order or not verdict.acked)
    print(f"{verdict.rounds if not failed else 0} passed, {int(failed)} failed")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
