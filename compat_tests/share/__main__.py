"""`python -m compat_tests.share`: kafka-clients 4.3.1's share consumer and Kafka's tools, unmodified, against kwire.

Records are accepted, released, rejected and renewed; they come once more after a lock has ended, after their consumer
was killed, and after the broker was killed, and what was accepted does not. Then the console share consumer, the tool
kafka-share-groups, and DumpLogSegments over `__share_group_state`. The last line is `N passed, N failed`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from compat_tests.broker import KwireBroker
from compat_tests.clients.install import default_cache, install

INSTALLER = "kafka-4.3.1"
TOOLS = "org.apache.kafka.tools"
BROKER_OPTIONS = {
    "group.share.min.record.lock.duration.ms": "1000",
    "share.coordinator.state.topic.num.partitions": "1",
}
WAIT_S = 90.0
HELD = 10
LATTER_HALF = "{" + ", ".join(f"{offset}=%s" for offset in range(HELD // 2, HELD)) + "}"


class Failure(Exception):
    """Something was not as it should be."""


class Bench:
    """A broker, and Java programs with all of Kafka's jars."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.broker = KwireBroker(folder / "data", log=folder / "broker.log", options=BROKER_OPTIONS)
        self._classes = folder / "classes"
        self._jars = f"{home}/libs/*"
        source = Path(__file__).parent / "ShareClient.java"
        compiler = ("javac", "-nowarn", "-cp", self._jars, "-d", str(self._classes), str(source))
        subprocess.run(compiler, check=True, capture_output=True)

    def command(self, main_class: str, *arguments: str) -> list[str]:
        quick = ("-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
        return ["java", *quick, "-cp", f"{self._classes}:{self._jars}", main_class, *arguments]

    def java(self, main_class: str, *arguments: str) -> str:
        """What the program prints; raises Failure unless it ends well."""
        done = subprocess.run(
            self.command(main_class, *arguments), capture_output=True, text=True, timeout=WAIT_S, check=False
        )
        if done.returncode:
            raise Failure(f"{main_class} {arguments}: {(done.stdout + done.stderr)[-800:]}")
        return done.stdout

    def client(self, *arguments: str) -> str:
        return self.java("ShareClient", self.broker.bootstrap, *arguments)

    def hold(self, topic: str) -> subprocess.Popen[str]:
        """A consumer that has accepted the first half of its records and keeps the other."""
        process = subprocess.Popen(
            self.command("ShareClient", self.broker.bootstrap, "hold", topic, str(HELD)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "holding":
                return process
        raise Failure("the consumer ended before it had its records")


def _expect(text: str, expected: str) -> None:
    if expected not in text:
        raise Failure(f"expected {expected!r}, got {text[-800:]!r}")


def _death_of_the_consumer(bench: Bench) -> None:
    """A connection that breaks gives back what its consumer had; that delivery does not count."""
    holder = bench.hold("orphans")
    holder.kill()
    holder.wait()
    _expect(bench.client("drain", "orphans", str(HELD // 2), "20000"), LATTER_HALF.replace("%s", "1"))


def _death_of_the_broker(bench: Bench) -> None:
    """Locks are not written down, and what was accepted is."""
    holder = bench.hold("survivors")
    bench.broker.kill()
    holder.kill()
    holder.wait()
    bench.broker.start()
    said = bench.client("drain", "survivors", str(HELD), "5000")
    if not any(LATTER_HALF.replace("%s", count) in said for count in ("1", "2")):
        raise Failure(f"expected the latter half, got {said!r}")


def _console_consumer(bench: Bench) -> None:
    bench.client("prepare", "console", "5")
    said = bench.java(
        f"{TOOLS}.consumer.ConsoleShareConsumer",
        *("--bootstrap-server", bench.broker.bootstrap, "--topic", "console", "--group", "console"),
        *("--max-messages", "5"),
    )
    if said.split() != ["0", "1", "2", "3", "4"]:
        raise Failure(f"printed {said!r}")


def _share_groups(bench: Bench) -> None:
    at = ("--bootstrap-server", bench.broker.bootstrap)
    tool = f"{TOOLS}.consumer.group.ShareGroupCommand"
    _expect(bench.java(tool, *at, "--list"), "console")
    _expect(bench.java(tool, *at, "--describe", "--group", "console"), "console")
    _expect(bench.java(tool, *at, "--describe", "--group", "console", "--state"), "Empty")
    _expect(bench.java(tool, *at, "--delete", "--group", "console"), "successful")


def _dump_log(bench: Bench) -> None:
    time.sleep(0.2)
    (segment,) = (bench.broker.directory / "__share_group_state-0").glob("*.log")
    said = bench.java(f"{TOOLS}.DumpLogSegments", "--share-group-state-decoder", "--files", str(segment))
    _expect(said, "deliveryCompleteCount")
    for complaint in ("Could not decode", "isvalid: false", "rror"):
        if complaint in said:
            raise Failure(f"DumpLogSegments says {complaint!r}: {said[-800:]}")


def _one(operation: str) -> Callable[[Bench], None]:
    def check(bench: Bench) -> None:
        _expect(bench.client(operation, operation), "ok")

    return check


CHECKS: dict[str, Callable[[Bench], None]] = {
    "accept, release, reject": _one("acknowledge"),
    "two consumers, implicit acknowledgement": _one("implicit"),
    "renewal, and the end of a lock": _one("renew"),
    "record-limit mode": _one("limit"),
    "the consumer's death": _death_of_the_consumer,
    "the broker's death": _death_of_the_broker,
    "kafka-console-share-consumer": _console_consumer,
    "kafka-share-groups": _share_groups,
    "DumpLogSegments --share-group-state-decoder": _dump_log,
}


def main() -> int:
    """Run the checks one after the other; 1 if any fails."""
    parser = argparse.ArgumentParser(prog="python -m compat_tests.share", description=__doc__)
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where the jars are, or are brought")
    options = parser.parse_args()
    problems = install([INSTALLER], options.cache)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return 1
    folder = Path(tempfile.mkdtemp(prefix="kwire-share-"))
    bench = Bench(options.cache / INSTALLER, folder)
    bench.broker.start()
    failures = 0
    try:
        for name, check in CHECKS.items():
            said = "passed"
            try:
                check(bench)
            except (Failure, subprocess.TimeoutExpired) as failure:
                failures += 1
                said = f"FAILED: {failure}; logs in {folder}"
            print(f"{name}: {said}", flush=True)
    finally:
        bench.broker.stop()
    print(f"{len(CHECKS) - failures} passed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
