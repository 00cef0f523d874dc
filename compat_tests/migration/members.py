"""Members of a group by stock clients, kafka-clients 4.3.1 and confluent-kafka, each with both protocols.

Both commit what they have read before they poll again, and once more before they let a partition go: whatever comes
twice came twice from the broker. Apache Kafka's VerifiableConsumer does not do the latter.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Protocol

from confluent_kafka import Consumer, KafkaException, TopicPartition

from compat_tests.disk.apache import V43, class_path, java
from compat_tests.durability.load import QUIET

CLASSIC, CONSUMER = "classic", "consumer"
END_S = 30.0
COMMIT_S = 20.0
HEARTBEAT_MS = "300"
"""Of classic members, who learn by it that they are to join again; three seconds by default."""

Seen = Counter[tuple[int, int]]
"""How often the record at (partition, offset) was read."""


class Member(Protocol):
    """One consumer of a group."""

    partitions: set[int]
    """What it has now."""
    seen: Seen
    refused: int
    """Commits that had to be tried again: during a rebalance the generation, or the epoch, is a new one soon."""
    lost: set[int]
    """Partitions that it lost, rather than gave back: another one may have them already."""
    problems: list[str]

    def end(self) -> None:
        """Leave the group in good order."""
        ...

    def kill(self) -> None:
        """Be gone, however."""
        ...


class JavaMember:
    """kafka-clients 4.3.1: `Member.java`, a process that says line by line what happens to it."""

    def __init__(self, bootstrap: str, topic: str, group: str, protocol: str, assignor: str, log: Path) -> None:
        settings = {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "group.protocol": protocol,
            "enable.auto.commit": "false",
            "auto.offset.reset": "earliest",
        }
        if protocol == CLASSIC:
            settings["partition.assignment.strategy"] = f"org.apache.kafka.clients.consumer.{assignor}"
            settings["heartbeat.interval.ms"] = HEARTBEAT_MS
        words = [f"{name}={value}" for name, value in settings.items()]
        command = java(V43, "Member", topic, *words, heap="96m", classes=compiled(log.parent))
        self._log = log.open("wb")
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._log, text=True)
        self.partitions: set[int] = set()
        self.seen: Seen = Counter()
        self.refused = 0
        self.lost: set[int] = set()
        self.problems: list[str] = []
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            what, *numbers = line.split()
            match what, [int(number) for number in numbers]:
                case "read", [partition, *offsets]:
                    self.seen.update((partition, offset) for offset in offsets)
                case "assigned", partitions:
                    self.partitions = self.partitions | set(partitions)
                case "revoked", partitions:
                    self.partitions = self.partitions - set(partitions)
                case "lost", partitions:
                    self.lost |= set(partitions)
                    self.partitions = self.partitions - set(partitions)
                case "refused", _:
                    self.refused += 1
                case _:
                    self.problems.append(line.strip())

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(END_S)
        self._reader.join(END_S)
        self._log.close()
        if self._process.returncode:
            self.problems.append(f"ended with status {self._process.returncode}; see {self._log.name}")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()


@cache
def compiled(folder: Path) -> Path:
    """Where the classes of Member.java are, which are made in this folder once."""
    classes = folder / "classes"
    source = str(Path(__file__).parent / "Member.java")
    subprocess.run(("javac", "-nowarn", "-cp", class_path(V43), "-d", str(classes), source), check=True)
    return classes


class LibrdkafkaMember:
    """A consumer of confluent-kafka in a thread of its own."""

    def __init__(self, bootstrap: str, topic: str, group: str, protocol: str, assignor: str, log: Path) -> None:
        settings: dict[str, object] = {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "group.protocol": protocol,
            "client.id": log.stem,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "log_level": QUIET,
        }
        if protocol == CLASSIC:
            settings["partition.assignment.strategy"] = assignor
            settings["heartbeat.interval.ms"] = HEARTBEAT_MS
        self.partitions: set[int] = set()
        self.seen: Seen = Counter()
        self.refused = 0
        self.lost: set[int] = set()
        self.problems: list[str] = []
        self._topic, self._uncommitted = topic, dict[int, int]()
        self._is_wanted = True
        self._consumer = Consumer(settings)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._consumer.subscribe([self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
        while self._is_wanted:
            for message in self._consumer.consume(100, 0.1):
                error = message.error()
                if error is not None:
                    # The others are news: a JoinGroup, say, that the group's change has interrupted.
                    self.problems += [str(error)] if error.fatal() else []
                    continue
                partition, offset = message.partition(), message.offset()
                assert partition is not None
                assert offset is not None
                self.seen[partition, offset] += 1
                self._uncommitted[partition] = offset + 1
            self._commit()
        self._consumer.close()

    def _commit(self) -> None:
        """Commit what was read, trying again for a while."""
        deadline = time.monotonic() + COMMIT_S
        while self._uncommitted:
            offsets = [TopicPartition(self._topic, *each) for each in self._uncommitted.items()]
            try:
                self._consumer.commit(offsets=offsets, asynchronous=False)
                self._uncommitted.clear()
            except KafkaException as problem:
                self.refused += 1
                if time.monotonic() > deadline:
                    self.problems.append(f"commit of {self._uncommitted}: {problem}")
                    return
                time.sleep(0.05)

    def _assigned(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self.partitions = self.partitions | {each.partition for each in partitions}

    def _revoked(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._commit()
        self.partitions = self.partitions - {each.partition for each in partitions}

    def _lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self.lost |= {each.partition for each in partitions}
        self.partitions = self.partitions - {each.partition for each in partitions}

    def end(self) -> None:
        self._is_wanted = False
        self._thread.join(END_S)

    def kill(self) -> None:
        self.end()
