"""Driver of Kafka's own command-line tools: kafka-topics, kafka-console-producer, kafka-console-consumer and
kafka-consumer-groups, started by their main classes as the scripts of a Kafka distribution do."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))
from contract import DEADLINE_S, from_base64, record, serve

LIBS, BOOTSTRAP = sys.argv[1], ("--bootstrap-server", sys.argv[2])
JAVA = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xmx256m", "-cp", f"{LIBS}/*")
TOPICS = "org.apache.kafka.tools.TopicCommand"
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
PRODUCER = "org.apache.kafka.tools.ConsoleProducer"
CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
NULL = "<null>"
SHOWN = ("timestamp", "partition", "offset", "headers", "key")


def run(main: str, *arguments: str, data: bytes | None = None) -> str:
    command = (*JAVA, main, *BOOTSTRAP, *arguments)
    done = subprocess.run(command, input=data, capture_output=True, timeout=DEADLINE_S, check=False)
    if done.returncode:
        raise RuntimeError(f"{main}: {(done.stdout + done.stderr).decode(errors='replace')[-400:]}")
    return done.stdout.decode()


def create(topic: str, partitions: int) -> None:
    """Create, list and describe with kafka-topics."""
    run(TOPICS, "--create", "--topic", topic, "--partitions", str(partitions), "--replication-factor", "1")
    if topic not in run(TOPICS, "--list").split():
        raise RuntimeError("kafka-topics --list does not show the topic")
    described = run(TOPICS, "--describe", "--topic", topic)
    if f"PartitionCount: {partitions}" not in described or described.count("Leader: ") != partitions:
        raise RuntimeError(f"kafka-topics --describe: {described}")


def text(data: str | None) -> str:
    decoded = from_base64(data)
    return NULL if decoded is None else decoded.decode()


def produce(topic: str, partition: int, codec: str, records: list[dict[str, Any]]) -> None:
    lines = []
    for each in records:
        headers = ",".join(f"{name}:{text(value)}" for name, value in each["h"]) or NULL
        lines.append(f"{headers}\t{text(each['k'])}\t{text(each['v'])}\n")
    properties = ("parse.headers=true", "parse.key=true", f"null.marker={NULL}")
    options = [option for each in properties for option in ("--reader-property", each)]
    fixed = ("--topic", topic, "--compression-codec", codec, "--request-required-acks", "all")
    run(PRODUCER, *fixed, *options, data="".join(lines).encode())


def parsed(output: str) -> list[dict[str, Any]]:
    """Lines of the console consumer: CreateTime:N, Partition:N, Offset:N, headers, key and value, by tabs."""
    records = []
    for line in output.splitlines():
        fields = line.split("\t")
        if len(fields) != 6 or not fields[0].startswith("CreateTime:"):
            continue
        timestamp, partition, offset = (int(f.split(":")[1]) for f in fields[:3])
        pairs = [pair.split(":", 1) for pair in fields[3].split(",")] if fields[3] != "NO_HEADERS" else []
        headers = [(name, data.encode()) for name, data in pairs]
        key, value = (None if f == NULL else f.encode() for f in fields[4:])
        records.append(record(partition, offset, timestamp, key, value, headers))
    return records


def formatting() -> list[str]:
    properties = [f"print.{what}=true" for what in SHOWN] + [f"null.literal={NULL}"]
    return [option for each in properties for option in ("--formatter-property", each)]


def consume(topic: str, partitions: list[int], count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for partition in partitions:
        where = ("--topic", topic, "--partition", str(partition), "--offset", "earliest")
        found += parsed(run(CONSUMER, *where, "--max-messages", str(count), "--timeout-ms", "20000", *formatting()))
    return found


def in_group(topic: str, group: str) -> tuple[str, ...]:
    return ("--topic", topic, "--group", group, "--from-beginning", *formatting())


def take(topic: str, group: str, count: int) -> list[dict[str, Any]]:
    return parsed(run(CONSUMER, *in_group(topic, group), "--max-messages", str(count), "--timeout-ms", "20000"))


def seek(topic: str, partitions: list[int], timestamp: int, count: int) -> list[dict[str, Any]]:
    """Reset a group to the time with kafka-consumer-groups, then read on in that group."""
    group = f"{topic}-reset"
    at = datetime.fromtimestamp(timestamp / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    run(GROUPS, "--group", group, "--topic", topic, "--reset-offsets", "--to-datetime", at, "--execute")
    return take(topic, group, count)


class Member:
    def __init__(self, topic: str, group: str, folder: Path, number: int) -> None:
        self.output, name = folder / f"{number}.out", f"member-{number}"
        options = (*in_group(topic, group), "--command-property", f"client.id={name}")
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                (*JAVA, CONSUMER, *BOOTSTRAP, *options), stdin=subprocess.DEVNULL, stdout=output
            )

    def close(self) -> list[dict[str, Any]]:
        self.process.terminate()
        self.process.wait(20)
        return parsed(self.output.read_text())


def group(topic: str, group: str, partitions: int, count: int) -> dict[str, Any]:
    """Console consumers are the members; kafka-consumer-groups --describe tells who holds what."""
    deadline = time.monotonic() + DEADLINE_S

    def settle(members: int) -> list[list[int]]:
        while True:
            shares: dict[str, list[int]] = {}
            described = subprocess.run(
                (*JAVA, GROUPS, *BOOTSTRAP, "--describe", "--group", group), capture_output=True, text=True, check=False
            ).stdout
            for partition, name in re.findall(rf"{re.escape(topic)}\s+(\d+)\s.*\s(member-\d)\s*$", described, re.M):
                shares.setdefault(name, []).append(int(partition))
            held = sorted(p for share in shares.values() for p in share)
            if len(shares) == members and held == list(range(partitions)):
                return list(shares.values())
            if time.monotonic() > deadline:
                raise TimeoutError(f"assignments after {DEADLINE_S:.0f} s: {shares}, {described[-300:]}")

    with tempfile.TemporaryDirectory() as folder:
        members = [Member(topic, group, Path(folder), number) for number in range(3)]
        try:
            three = settle(3)
            records = members.pop().close()
            two = settle(2)
        finally:
            left = [r for member in members for r in member.close()]
    return {"three": three, "two": two, "records": records + left}


serve(
    {
        "version": lambda: Path(next(Path(LIBS).glob("kafka-tools-*.jar"))).stem.removeprefix("kafka-tools-"),
        "create": create,
        "produce": produce,
        "consume": consume,
        "seek": seek,
        "take": take,
        "group": group,
    }
)
