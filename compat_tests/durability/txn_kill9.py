"""`python -m compat_tests.durability.txn_kill9`: transactions stay whole when the broker is killed with -9 under load.

A transactional producer (confluent-kafka) writes numbered transactions over three partitions and commits two thirds of
them, while the broker is killed with SIGKILL at random moments and started again on the same directory. Whatever
fails, the producer begins anew under the same transactional id. At the end a reader that sees only what is committed
must find all of each transaction whose commit was acknowledged, nothing of those that were aborted, all or nothing of
those whose end nobody knows, and no record twice.

Prints one line, `rounds=20 committed=N aborted=N unknown=N lost=0 ...`, and then `N passed, N failed`.
"""

from __future__ import annotations

import argparse
import collections
import random
import shlex
import sys
import tempfile
import threading
import time
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from compat_tests.broker import BrokerError, KwireBroker
from compat_tests.durability.load import QUICK_RETRIES, create_topic

TOPIC, TRANSACTIONAL_ID = "txn-kill9", "txn-kill9"
PARTITIONS = 3
RECORDS = 6  # of one transaction, two in each partition
ABORTS = 1 / 3
UPTIME_S = (0.3, 2.0)
DOWN_S = (0.0, 0.3)
CALL_S = 20.0
QUIET_S = 3.0  # how long the reader waits behind the last record

ABORTED, COMMITTED, UNKNOWN = "aborted", "committed", "unknown"


class TransactionalLoad(threading.Thread):
    """Writes transactions until it is told to stop, and remembers how each one ended."""

    def __init__(self, bootstrap: str, seed: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._address = bootstrap
        self._chance = random.Random(seed)
        self._stop_event = stop
        self.ends: list[str] = []

    def run(self) -> None:
        while not self._stop_event.is_set():
            try:
                self._write()
            except KafkaException:
                time.sleep(0.05)

    def _write(self) -> None:
        """One producer's life: transaction after transaction, until a call fails with KafkaException."""
        settings = {"bootstrap.servers": self._address, "transactional.id": TRANSACTIONAL_ID, "linger.ms": 0}
        producer = Producer(settings | {"transaction.timeout.ms": 10_000} | QUICK_RETRIES)
        producer.init_transactions(CALL_S)
        while not self._stop_event.is_set():
            number = len(self.ends)
            producer.begin_transaction()
            # Until its end is known, it may have any.
            self.ends.append(UNKNOWN)
            for record in range(RECORDS):
                producer.produce(TOPIC, b"%d.%d" % (number, record), partition=record % PARTITIONS)
            if self._chance.random() < ABORTS:
                producer.flush(CALL_S)
                self.ends[number] = ABORTED  # Nobody asks for its commit, whatever becomes of the abort.
                producer.abort_transaction(CALL_S)
            else:
                producer.commit_transaction(CALL_S)
                self.ends[number] = COMMITTED


def committed_records(bootstrap: str) -> collections.Counter[tuple[int, int]]:
    """How often a reader of committed records finds each (transaction, record)."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "reader", "isolation.level": "read_committed"}
    reader = Consumer(settings | {"enable.auto.commit": False, "auto.offset.reset": "earliest"} | QUICK_RETRIES)
    reader.assign([TopicPartition(TOPIC, partition, 0) for partition in range(PARTITIONS)])
    found: collections.Counter[tuple[int, int]] = collections.Counter()
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < QUIET_S:
        for message in reader.consume(500, 0.2):
            value = message.value()
            if message.error() is None and value is not None:
                number, _, record = value.partition(b".")
                found[int(number), int(record)] += 1
                quiet_since = time.monotonic()
    reader.close()
    return found


def judge(ends: list[str], found: collections.Counter[tuple[int, int]]) -> dict[str, int]:
    """What is wrong, and how many transactions ended how."""
    seen = collections.Counter(number for number, _ in found)
    facts = dict.fromkeys(("lost", "unwanted", "torn", "duplicated"), 0)
    for number, end in enumerate(ends):
        facts["lost"] += end == COMMITTED and seen[number] < RECORDS
        facts["unwanted"] += end == ABORTED and seen[number] > 0
        facts["torn"] += end == UNKNOWN and 0 < seen[number] < RECORDS
    facts["duplicated"] = sum(count - 1 for count in found.values())
    return {end: ends.count(end) for end in (COMMITTED, ABORTED, UNKNOWN)} | facts


def run(options: argparse.Namespace) -> dict[str, int]:
    folder = options.folder or Path(tempfile.mkdtemp(prefix="kwire-txn-kill9-"))
    folder.mkdir(parents=True, exist_ok=True)
    launch = shlex.split(options.launch) if options.launch else None
    broker = KwireBroker(folder / "data", log=folder / "broker.log", launch=launch)
    chance = random.Random(options.seed)
    stop = threading.Event()
    try:
        broker.start()
        create_topic(broker.bootstrap, TOPIC, PARTITIONS)
        load = TransactionalLoad(broker.bootstrap, options.seed, stop)
        load.start()
        for _ in range(options.rounds):
            before = load.ends.count(COMMITTED)
            deadline = time.monotonic() + CALL_S
            while load.ends.count(COMMITTED) == before and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(chance.uniform(*UPTIME_S))
            broker.kill()
            time.sleep(chance.uniform(*DOWN_S))
            broker.start()
            print(".", end="", file=sys.stderr, flush=True)
        stop.set()
        load.join(2 * CALL_S)
        # What the last producer left open times out, and with it the last stable offset moves on.
        Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": TRANSACTIONAL_ID}).init_transactions(
            CALL_S
        )
        return judge(list(load.ends), committed_records(broker.bootstrap))
    finally:
        stop.set()
        broker.kill()
        print(file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(prog="compat_tests.durability.txn_kill9", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of the moments of killing (%(default)s)")
    parser.add_argument("--folder", type=Path, help="for the broker's directory and log (a temporary folder)")
    parser.add_argument("--launch", help="start this script with PORT DATADIR instead of kwire")
    options = parser.parse_args()
    began = time.monotonic()
    try:
        facts = run(options)
    except (BrokerError, KafkaException) as problem:
        print(f"problem: {problem}", file=sys.stderr)
        print("0 passed, 1 failed")
        return 1
    seconds = round(time.monotonic() - began)
    told = {"rounds": options.rounds, **facts, "seed": options.seed, "seconds": seconds}
    print(" ".join(f"{name}={value}" for name, value in told.items()))
    is_wrong = any(facts[name] for name in ("lost", "unwanted", "torn", "duplicated")) or not facts[COMMITTED]
    print("0 passed, 1 failed" if is_wrong else "1 passed, 0 failed")
    return 1 if is_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
