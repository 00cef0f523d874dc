"""`python -m compat_tests.durability.streams_smoke`: StreamsSmokeTest of Apache Kafka passes over a kill -9.

The programs are those of Apache Kafka's own system tests, unmodified, from the test jar of kafka-streams 4.3.1. Two
instances of its application (windows, joins, aggregations, suppression, some thirty stores; exactly once) work on what
the driver generates for a minute and a half; in the middle the broker is killed with SIGKILL and started again on the
same directory. Then the driver compares every result with what it generated.

One line for each protocol, `streams: kills=1 SUCCESS ...`, and then `N passed, N failed`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compat_tests.broker import KwireBroker
from compat_tests.clients.install import default_cache, install
from compat_tests.durability.load import create_topic
from compat_tests.streams import INSTALLER

PROTOCOLS = ("streams", "classic")
TOPICS = (
    *("data", "echo", "max", "min", "min-suppressed", "min-raw", "dif", "sum"),
    *("sws-raw", "sws-suppressed", "cnt", "avg", "tagg"),
)
PARTITIONS = 5
UPTIME_S = 45.0
"""The driver generates for 90 seconds; this is the middle."""
DOWN_S = 1.0
DRIVER_S = 600.0
CLOSE_S = 90.0


class Smoke:
    """One run: the driver and the instances, with what they print in files of `folder`."""

    def __init__(self, bootstrap: str, home: Path, protocol: str, folder: Path) -> None:
        self._folder, self._libs = folder, home / "libs"
        self._settings = folder / "smoke.properties"
        settings = {
            "bootstrap.servers": bootstrap,
            "processing.guarantee": "exactly_once_v2",
            "group.protocol": protocol,
            "num.stream.threads": "3",
            "replication.factor": "1",
            "commit.interval.ms": "1000",
            # A machine that stands still for a while must not end transactions: the instances would give up.
            "transaction.timeout.ms": "120000",
        }
        self._settings.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def output(self, name: str) -> str:
        return (self._folder / f"{name}.out").read_text(errors="replace")

    def start(self, name: str, command: str) -> subprocess.Popen[bytes]:
        """`command` of StreamsSmokeTest: `run` is the driver, `process` an instance."""
        with (self._folder / f"{name}.out").open("wb") as out, (self._folder / f"{name}.err").open("wb") as err:
            return subprocess.Popen(
                [
                    *("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx384m"),
                    f"-Djava.io.tmpdir={self._folder}",
                    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                    *("-cp", f"{self._libs}/*", "org.apache.kafka.streams.tests.StreamsSmokeTest"),
                    *(str(self._settings), command),
                ],
                stdout=out,
                stderr=err,
            )


def smoke(protocol: str, home: Path, folder: Path, kills: int) -> tuple[bool, str]:
    """Whether the driver was content and the instances closed well, and a line about it."""
    folder.mkdir()
    broker = KwireBroker(folder / "data", log=folder / "broker.log")
    broker.start()
    for topic in TOPICS:
        create_topic(broker.bootstrap, topic, PARTITIONS)
    run = Smoke(broker.bootstrap, home, protocol, folder)
    driver = run.start("driver", "run")
    instances = {name: run.start(name, "process") for name in ("one", "two")}
    try:
        for _ in range(kills):
            time.sleep(UPTIME_S / kills)
            broker.kill()
            time.sleep(DOWN_S)
            broker.start()
        driver.wait(DRIVER_S)
        for instance in instances.values():
            instance.terminate()
        for instance in instances.values():
            instance.wait(CLOSE_S)
    except subprocess.TimeoutExpired as late:
        return False, f"{protocol}: kills={kills} {late}; logs in {folder}"
    finally:
        for process in (driver, *instances.values()):
            process.kill()
            process.wait()
        broker.stop()
    verdict = run.output("driver").split()[-1]
    closed = sum("SMOKE-TEST-CLIENT-CLOSED" in run.output(name) for name in instances)
    exceptions = sum(run.output(name).count("SMOKE-TEST-CLIENT-EXCEPTION") for name in instances)
    passed = verdict == "SUCCESS" and closed == len(instances) and not exceptions
    text = f"{protocol}: kills={kills} {verdict} closed={closed} exceptions={exceptions}"
    return passed, text if passed else f"{text}; logs in {folder}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="compat_tests.durability.streams_smoke")
    parser.add_argument("--protocol", action="append", choices=PROTOCOLS, help="only this one; may be repeated")
    parser.add_argument("--kills", type=int, default=1, help="how often the broker is killed (%(default)s)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="for installed jars (%(default)s)")
    options = parser.parse_args()
    problems = install([INSTALLER], options.cache)
    if problems:
        print(*problems.values(), sep="\n", file=sys.stderr)
        return 1
    folder = Path(tempfile.mkdtemp(prefix="kwire-smoke-"))
    chosen = options.protocol or PROTOCOLS
    failures = 0
    for protocol in chosen:
        passed, text = smoke(protocol, options.cache / INSTALLER, folder / protocol, options.kills)
        failures += not passed
        print(text, flush=True)
    print(f"{len(chosen) - failures} passed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
