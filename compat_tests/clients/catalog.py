"""The stock clients of the matrix: how each driver is started, and what each client cannot do, with the reason."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


class Client(NamedTuple):
    """A row of the matrix.

    `command` starts the driver; {cache} and {here} stand for the folders of installed clients and of this module.
    `cannot` maps a check, a codec or an ability of the client (see ABILITIES) to the reason.
    """

    name: str
    installer: str
    command: tuple[str, ...]
    cannot: dict[str, str] = {}  # noqa: RUF012  (never changed)

    def argv(self, cache: Path, bootstrap: str) -> list[str]:
        return [part.format(cache=cache, here=HERE) for part in self.command] + [bootstrap]

    def can(self, what: str) -> bool:
        return what not in self.cannot


ABILITIES = {
    "administration": "creates topics other than by first use",
    "consume": "reads records",
    "headers": "writes and shows headers",
    "timestamps": "sets the timestamps of records",
    "timestamps shown": "shows the timestamps of records",
    "null keys": "writes records without a key",
    "tombstones": "writes records without a value",
    "empty": "writes values of no bytes that are not null",
    "binary": "writes keys and values of any bytes",
    "binary headers": "writes header values of any bytes, and a name more than once",
    "values": "lets the user say what is written",
}
PYTHON = "{cache}/python/bin/python"
JAVA = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m")


def java(version: str) -> tuple[str, ...]:
    return (*JAVA, "-cp", f"{{cache}}/java-{version}/classes:{{cache}}/java-{version}/libs/*", "Driver")


NO_ZSTD = "zstd came with 2.1 (KIP-110)"
TEXT_ONLY = "keys and values are lines of text"
NO_TIMESTAMP = "the tool cannot set a record's timestamp"

CLIENTS = (
    Client("confluent-kafka", "python", (PYTHON, "{here}/python/confluent.py")),
    Client("confluent-kafka-848", "python", (PYTHON, "{here}/python/confluent.py", "--consumer-protocol")),
    Client("franz-go", "go", ("{cache}/go/franz",)),
    Client("kafka-python", "python", (PYTHON, "{here}/python/kafka_python.py")),
    Client("aiokafka", "python", (PYTHON, "{here}/python/aio.py")),
    Client("sarama", "go", ("{cache}/go/sarama",)),
    Client(
        "kcat",
        "kcat",
        (sys.executable, "{here}/tools/kcat.py"),
        {
            "administration": "kcat has none; writing to a topic creates it",
            "timestamps": NO_TIMESTAMP,
            "tombstones": "-Z would turn every empty value into null",
            "null keys": "-K splits every line into key and value, so that a key can be empty but not absent",
            "binary headers": "headers are arguments of the command line",
        },
    ),
    Client("kafkajs", "node", ("node", "{here}/node/kafkajs.js")),
    Client(
        "confluent-kafka-javascript",
        "node-confluent",
        ("node", "{here}/node/confluent.js"),
        {"empty": "an empty Buffer is written as null"},
    ),
    Client("java-4.3.1", "java-4.3.1", java("4.3.1")),
    Client("java-3.9.2", "java-3.9.2", java("3.9.2")),
    Client(
        "java-0.10.2.2",
        "java-0.10.2.2",
        java("0.10.2.2"),
        {
            "administration": "AdminClient came with 0.11 (KIP-117); asking for a topic's metadata creates it",
            "zstd": NO_ZSTD,
            "headers": "headers came with 0.11 (KIP-82)",
        },
    ),
    Client(
        "java-0.9.0.1",
        "java-0.9.0.1",
        java("0.9.0.1"),
        {
            "administration": "AdminClient came with 0.11 (KIP-117); asking for a topic's metadata creates it",
            "zstd": NO_ZSTD,
            "headers": "headers came with 0.11 (KIP-82)",
            "timestamps": "timestamps came with 0.10 (KIP-32)",
            "timestamps shown": "timestamps came with 0.10 (KIP-32)",
            "seek": "looking up offsets by time came with 0.10.1 (KIP-79)",
        },
    ),
    Client(
        "java-tools-4.3.1",
        "kafka-4.3.1",
        (sys.executable, "{here}/tools/kafka_tools.py", "{cache}/kafka-4.3.1/libs"),
        {
            "binary": TEXT_ONLY,
            "binary headers": TEXT_ONLY,
            "timestamps": NO_TIMESTAMP,
        },
    ),
    Client(
        "producer-perf-test-4.3.1",
        "kafka-4.3.1",
        (sys.executable, "{here}/tools/perf_test.py", "{cache}/kafka-4.3.1/libs"),
        {
            "create": "the tool only produces",
            "consume": "the tool only produces",
            "group": "the tool only produces",
            "resume": "the tool only produces",
            "seek": "the tool only produces",
            "values": "the tool numbers its records in their values; no keys, no headers",
            "headers": "the tool numbers its records in their values; no keys, no headers",
            "timestamps": NO_TIMESTAMP,
        },
    ),
)
