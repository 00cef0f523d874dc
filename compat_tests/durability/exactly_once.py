"""`python -m compat_tests.durability.exactly_once`: Apache Kafka's own copiers lose and double nothing under kill -9.

The programs are those of Apache Kafka's system tests, unmodified, from the jars of 4.3.1 (brought here first): a
VerifiableProducer (idempotent) writes numbers into a topic of four partitions, and four TransactionalMessageCopiers,
each with its own transactional id, copy a partition each into another topic, offsets and records in one transaction,
every third transaction aborted at random. The broker is killed with SIGKILL every few seconds and started again on the
same directory. A copier ends when it has reached the end that its partition had when it started; it is started again.
After the last kill everything is copied to the end. Then what a reader of committed records finds in the second topic
must be what is in the first one: each number that the producer saw acknowledged, and each number once.

With `--group` the copiers share the partitions as members of one consumer group and commit with its metadata (KIP-447).

Prints one line, `kills=25 acked=N copied=N lost=0 ...`, and then `N passed, N failed`.
"""

from __future__ import annotations

import argparse
import collections
import random
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from compat_tests.broker import BrokerError, KwireBroker
from compat_tests.clients.install import default_cache, install
from compat_tests.disk.apache import V43, java
from compat_tests.durability.load import QUICK_RETRIES, create_topic

INPUT, OUTPUT = "exactly-once-input", "exactly-once-output"
COPIERS = 4  # one for each partition
UPTIME_S = (3.0, 7.0)
DOWN_S = (0.0, 0.5)
DRAIN_S = 180.0  # how long the copiers may get no further without having ended, once nobody kills the broker
QUIET_S = 5.0  # how long a reader waits behind the last record
TRANSACTION_TIMEOUT_MS = 10_000
HEAP = "128m"  # five Java processes share the machine with the broker
RETRYING = "enable.idempotence=true\nretries=2147483647\ndelivery.timeout.ms=600000\n"


class Tools:
    """Starts the programs of Apache Kafka's jars; what they print goes to files in `folder`."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self._bootstrap, self._folder = bootstrap, folder

    def output(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def start(self, name: str, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """`program` is the name of a class of org.apache.kafka.tools; ends when this process ends it, or by itself."""
        command = java(V43, f"org.apache.kafka.tools.{program}", *arguments, heap=HEAP)
        with self.output(name).open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log)

    def producer(self, per_second: int) -> subprocess.Popen[bytes]:
        settings = self._folder / "producer.properties"
        settings.write_text(RETRYING)
        where = ("--bootstrap-server", self._bootstrap, "--topic", INPUT, "--command-config", str(settings))
        return self.start("producer", "VerifiableProducer", *where, "--throughput", str(per_second))

    def acknowledged(self) -> set[int]:
        """The numbers whose delivery VerifiableProducer reported."""
        marker = b'"name":"producer_send_success"'
        lines = self.output("producer").read_bytes().splitlines()
        return {int(line.partition(b'"value":"')[2].partition(b'"')[0]) for line in lines if marker in line}

    def copier(self, index: int, size: int, in_group: bool) -> subprocess.Popen[bytes]:
        topics = ("--broker-list", self._bootstrap, "--input-topic", INPUT, "--output-topic", OUTPUT)
        identity = ("--input-partition", str(index), "--transactional-id", f"copier-{index}")
        group = ("--consumer-group", "copiers", *(("--group-mode", "--use-group-metadata") if in_group else ()))
        sizes = ("--transaction-size", str(size), "--transaction-timeout", str(TRANSACTION_TIMEOUT_MS))
        return self.start(
            f"copier-{index}",
            "TransactionalMessageCopier",
            *(*topics, *identity, *group, *sizes, "--enable-random-aborts"),
        )


class CopierRuns(threading.Thread):
    """Keeps one copier running: starts it again when it has ended, until one that started after `last` ends well."""

    def __init__(self, tools: Tools, index: int, options: argparse.Namespace, last: threading.Event) -> None:
        super().__init__(daemon=True)
        self._tools, self._index, self._options, self._last = tools, index, options, last
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False
        self.starts = self.failures = 0

    def run(self) -> None:
        while not self._ended:
            is_last = self._last.is_set()
            self._process = self._tools.copier(self._index, self._options.size, self._options.group)
            self.starts += 1
            status = self._process.wait()
            self.failures += status != 0
            if is_last and status == 0:
                return

    def end(self) -> None:
        """Do not start it again, and do not wait for it to end."""
        self._ended = True
        if self._process is not None:
            self._process.kill()


def read_values(bootstrap: str, topic: str) -> collections.Counter[int]:
    """How often a reader of committed records finds each number."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "reader", "isolation.level": "read_committed"}
    reader = Consumer(settings | {"enable.auto.commit": False, "auto.offset.reset": "earliest"} | QUICK_RETRIES)
    reader.assign([TopicPartition(topic, partition, 0) for partition in range(COPIERS)])
    found: collections.Counter[int] = collections.Counter()
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < QUIET_S:
        for message in reader.consume(10_000, 0.2):
            value = message.value()
            if message.error() is None and value is not None:
                found[int(value)] += 1
                quiet_since = time.monotonic()
    reader.close()
    return found


def judge(acknowledged: set[int], source: collections.Counter[int], copy: collections.Counter[int]) -> dict[str, int]:
    """What is wrong (everything behind `copied` should be 0), and how many records there were."""
    return {
        "acked": len(acknowledged),
        "input": source.total(),
        "copied": copy.total(),
        "lost": len(acknowledged - source.keys()),
        "doubled_input": (source - collections.Counter(source.keys())).total(),
        "not_copied": (source - copy).total(),
        "duplicated": (copy - source).total(),
    }


def kill_for(broker: KwireBroker, minutes: float, chance: random.Random) -> int:
    """Kill the broker every few seconds and start it again; how often that was."""
    deadline, kills = time.monotonic() + minutes * 60, 0
    while time.monotonic() < deadline:
        time.sleep(chance.uniform(*UPTIME_S))
        broker.kill()
        kills += 1
        time.sleep(chance.uniform(*DOWN_S))
        broker.start()
        print(".", end="", file=sys.stderr, flush=True)
    return kills


def end_of(reader: Consumer, topic: str) -> int:
    """The sum of the partitions' ends. Raises KafkaException."""
    ends = (reader.get_watermark_offsets(TopicPartition(topic, p), timeout=DRAIN_S) for p in range(COPIERS))
    return sum(high for _, high in ends)


def copy_to_the_end(bootstrap: str, copiers: list[CopierRuns], last: threading.Event) -> int:
    """Let every copier come to the end, as long as it takes while the copy grows; how many have not."""
    last.set()
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "onlooker"} | QUICK_RETRIES)
    copied, deadline = -1, 0.0
    while any(copier.is_alive() for copier in copiers):
        if (now_copied := end_of(reader, OUTPUT)) > copied:
            copied, deadline = now_copied, time.monotonic() + DRAIN_S
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    reader.close()
    return sum(copier.is_alive() for copier in copiers)


def run(options: argparse.Namespace) -> dict[str, int]:
    folder = options.folder or Path(tempfile.mkdtemp(prefix="kwire-exactly-once-"))
    folder.mkdir(parents=True, exist_ok=True)
    launch = shlex.split(options.launch) if options.launch else None
    broker = KwireBroker(folder / "data", log=folder / "broker.log", launch=launch)
    tools = Tools(broker.bootstrap, folder)
    last = threading.Event()
    copiers = [CopierRuns(tools, index, options, last) for index in range(COPIERS)]
    producer: subprocess.Popen[bytes] | None = None
    try:
        broker.start()
        create_topic(broker.bootstrap, INPUT, COPIERS)
        create_topic(broker.bootstrap, OUTPUT, COPIERS)
        producer = tools.producer(options.throughput)
        for copier in copiers:
            copier.start()
        kills = kill_for(broker, options.minutes, random.Random(options.seed))
        producer.terminate()  # It sends what it has before it ends.
        producer.wait(DRAIN_S)
        stuck = copy_to_the_end(broker.bootstrap, copiers, last)
        source, copy = read_values(broker.bootstrap, INPUT), read_values(broker.bootstrap, OUTPUT)
        effort = {
            "kills": kills,
            "copier_starts": sum(copier.starts for copier in copiers),
            "copier_failures": sum(copier.failures for copier in copiers),
        }
        return effort | judge(tools.acknowledged(), source, copy) | {"stuck": stuck}
    finally:
        for copier in copiers:
            copier.end()
        if producer is not None:
            producer.kill()
        broker.kill()
        print(file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(prog="compat_tests.durability.exactly_once", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="how long the broker is killed (%(default)s)")
    parser.add_argument("--throughput", type=int, default=500, help="records a second (%(default)s)")
    parser.add_argument("--size", type=int, default=20, help="records of a transaction (%(default)s)")
    parser.add_argument("--group", action="store_true", help="the copiers are members of one group")
    parser.add_argument("--seed", type=int, default=1, help="of the moments of killing (%(default)s)")
    parser.add_argument("--folder", type=Path, help="for the broker's directory and all logs (a temporary folder)")
    parser.add_argument("--launch", help="start this script with PORT DATADIR instead of kwire")
    options = parser.parse_args()
    for name, problem in install([f"kafka-{V43}"], default_cache()).items():
        print(f"cannot install {name}: {problem}", file=sys.stderr)
        print("0 passed, 1 failed")
        return 1
    began = time.monotonic()
    try:
        facts = run(options)
    except (BrokerError, KafkaException, subprocess.TimeoutExpired) as problem:
        print(f"problem: {problem}", file=sys.stderr)
        print("0 passed, 1 failed")
        return 1
    told = {**facts, "seed": options.seed, "seconds": round(time.monotonic() - began)}
    print(" ".join(f"{name}={value}" for name, value in told.items()))
    wrong = ("lost", "doubled_input", "not_copied", "duplicated", "stuck")
    is_wrong = any(facts[name] for name in wrong) or not facts["acked"]
    print("0 passed, 1 failed" if is_wrong else "1 passed, 0 failed")
    return 1 if is_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
