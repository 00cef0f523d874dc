"""Fetch v3 side by side: what brokers send per second when they must convert batches of magic 2 to magic 1.

    python bench/down_conversion.py [-d SECONDS] [-n ROUNDS] [BROKER...]     (default: 1 s, 3, kwire kafka-3.9-zk)

BROKER is a NAME of brokers/NAME.sh. Each gets the same batches, byte by byte, and the same requests; a second fetch,
v4, shows what the same bytes cost without conversion. Counted are the bytes and the records that a client can use, not
what fills an answer up. All brokers run all the time, and take turns within every round, so that a slow minute of the
machine is slow for each. Prints a table of medians and the ratio to the last broker named. Kafka 4 dropped these
versions.
"""

from __future__ import annotations

import argparse
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from kwire.cli.connection import BrokerUnreachable, Connection  # noqa: E402  # this checkout's, installed or not
from kwire.errors import ErrorCode  # noqa: E402
from kwire.wire.codec import encode  # noqa: E402
from kwire.wire.header import request_header_bytes  # noqa: E402
from kwire.wire.legacy import message_batches  # noqa: E402
from kwire.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest  # noqa: E402
from kwire.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic  # noqa: E402
from kwire.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData  # noqa: E402
from kwire.wire.record_batch import batches  # noqa: E402
from kwire.wire.records import build_batch  # noqa: E402

CONVERTED, AS_STORED = 3, 4
FETCH_BYTES = 1 << 20
FILL_BYTES = 4 << 20
BATCH_BYTES = 16 * 1024
CONNECTIONS = 2
WARM_S = {3: 2.0, 4: 0.5}
"""By version: conversion is what a virtual machine has to compile first."""
START_MS = int(time.time() * 1000) - 60_000
"""Of the first record; older ones would fall to retention while they are fetched."""


class Shape(NamedTuple):
    """One topic: how long its values are, from and to, and their codec."""

    name: str
    smallest: int
    largest: int
    codec: int


SHAPES = (
    Shape("100-bytes", 100, 100, 0),
    Shape("50-to-150-bytes", 50, 150, 0),
    Shape("1000-bytes", 1000, 1000, 0),
    Shape("50-to-150-bytes-lz4", 50, 150, 3),
    Shape("50-to-150-bytes-gzip", 50, 150, 1),
)


class Answer(NamedTuple):
    """What a client can use of one answer."""

    next_offset: int
    size: int
    record_count: int


def batches_of(shape: Shape) -> Iterator[bytes]:
    """The same batches for every broker; text that compresses to a third or so."""
    rng = random.Random(shape.name)
    words = [bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(400)]
    text = b" ".join(rng.choices(words, k=40_000))
    written = now = 0
    while written < FILL_BYTES:
        records = []
        size = 0
        while size < BATCH_BYTES:
            length = rng.randint(shape.smallest, shape.largest)
            at = rng.randrange(len(text) - length)
            records.append((START_MS + now // 20, None, text[at : at + length], ()))
            size += length + 10
            now += 1
        batch = bytes(build_batch(records, compression=shape.codec))
        written += size
        yield batch


def fill(connection: Connection, shape: Shape) -> None:
    """Create the topic and write its batches, one per request."""
    topic = CreatableTopic(name=shape.name, num_partitions=1, replication_factor=1)
    (created,) = connection.call(CreateTopicsRequest(topics=[topic], timeout_ms=30_000)).topics
    assert created.error_code == ErrorCode.NONE, created.error_message
    for batch in batches_of(shape):
        data = TopicProduceData(name=shape.name, partition_data=[PartitionProduceData(index=0, records=batch)])
        request = ProduceRequest(acks=1, timeout_ms=30_000, topic_data=[data])
        while True:
            (topic_answer,) = connection.call(request, version=9).responses
            (answer,) = topic_answer.partition_responses
            if answer.error_code == ErrorCode.NONE:
                break
            # Kafka may name a leader before it accepts writes.
            assert answer.error_code in (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
            time.sleep(0.1)


def fetch_request(shape: Shape, offset: int) -> FetchRequest:
    wanted = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=FETCH_BYTES)
    return FetchRequest(
        max_wait_ms=100, min_bytes=1, max_bytes=FETCH_BYTES, topics=[FetchTopic(topic=shape.name, partitions=[wanted])]
    )


def answers_of(connection: Connection, shape: Shape, version: int) -> dict[int, Answer]:
    """One fetch after another through the topic: what each offset's answer holds, read and checked record by record."""
    found: dict[int, Answer] = {}
    offset = 0
    while True:
        (topic,) = connection.call(fetch_request(shape, offset), version=version).responses
        (data,) = topic.partitions
        assert data.error_code == ErrorCode.NONE, (shape, version, offset, data)
        raw = bytes(data.records or b"")
        size = count = 0
        at = offset
        if version == CONVERTED:
            end = raw.find(b"\xff" * 8)
            for one in message_batches(raw, 0, end if end >= 0 else len(raw)):
                size, count, at = size + one.size, count + len(one.records), one.last_offset + 1
        else:
            for _, header in batches(raw):
                size, count, at = size + header.size, count + header.record_count, header.next_offset
        if not count:
            assert offset == data.high_watermark, (offset, data.high_watermark)
            return found
        found[offset] = Answer(at, size, count)
        offset = at


def load(port: int, frames: list[tuple[bytes, Answer]], until: float, totals: list[int]) -> None:
    """One connection: two requests under way, answers read and dropped; adds (bytes, records) to `totals`."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        buffer = memoryview(bytearray(4 * FETCH_BYTES))
        under_way = [frames[0], frames[1 % len(frames)]]
        for frame, _ in under_way:
            sock.sendall(frame)
        at = 2
        while under_way:
            _, answer = under_way.pop(0)
            head = sock.recv(4, socket.MSG_WAITALL)
            left = int.from_bytes(head, "big")
            while left:
                left -= sock.recv_into(buffer, min(left, len(buffer)))
            totals[0] += answer.size
            totals[1] += answer.record_count
            if time.monotonic() < until:
                under_way.append(frames[at % len(frames)])
                sock.sendall(under_way[-1][0])
                at += 1


def rates(port: int, shape: Shape, answers: dict[int, Answer], version: int, seconds: float) -> tuple[float, float]:
    """(MB/s, records/s) of usable data, over CONNECTIONS connections."""
    frames = []
    for offset, answer in answers.items():
        body = request_header_bytes(1, version, 1, "bench") + encode(fetch_request(shape, offset), version)
        frames.append((len(body).to_bytes(4, "big") + body, answer))
    totals = [[0, 0] for _ in range(CONNECTIONS)]
    began = time.monotonic()
    threads = []
    for slot, total in enumerate(totals):
        at = slot * len(frames) // CONNECTIONS
        turned = frames[at:] + frames[:at]
        threads.append(threading.Thread(target=load, args=(port, turned, began + seconds, total)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    return sum(total[0] for total in totals) / took / 1e6, sum(total[1] for total in totals) / took


def free_port() -> int:
    """Two neighbouring ports: a launch script may take the one 1000 above for ZooKeeper."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1000))
            except (OSError, OverflowError):
                continue
            return port


def connected(port: int, process: subprocess.Popen[bytes]) -> Connection:
    until = time.monotonic() + 60
    while True:
        try:
            return Connection("127.0.0.1", port)
        except BrokerUnreachable:
            assert process.poll() is None, "the broker ended"
            assert time.monotonic() < until, "the broker does not start"
            time.sleep(0.2)


class Running:
    """A broker that holds every shape, warm, and what its answers hold by (shape, version)."""

    def __init__(self, broker: str, folder: Path) -> None:
        self.broker = broker
        self.port = free_port()
        (folder / "data").mkdir(parents=True)
        script = str(HERE / "brokers" / f"{broker}.sh")
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen([script, str(self.port), str(folder / "data")], stdout=log, stderr=log)
        self.answers: dict[tuple[str, int], dict[int, Answer]] = {}

    def prepare(self) -> None:
        connection = connected(self.port, self.process)
        for shape in SHAPES:
            fill(connection, shape)
            for version in (AS_STORED, CONVERTED):
                self.answers[shape.name, version] = answers_of(connection, shape, version)
                self.measure(shape, version, WARM_S[version])

    def measure(self, shape: Shape, version: int, seconds: float) -> tuple[float, float]:
        found = rates(self.port, shape, self.answers[shape.name, version], version, seconds)
        print(f"{self.broker} {shape.name} v{version}: {found[0]:.1f} MB/s {found[1]:.0f}/s", file=sys.stderr)
        return found

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def measured(names: list[str], rounds: int, seconds: float) -> dict[tuple[str, str, int], list[tuple[float, float]]]:
    """(MB/s, records/s) of each round by (broker, shape, version)."""
    found: dict[tuple[str, str, int], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="kwire-bench-") as folder:
        brokers: list[Running] = []
        try:
            for name in names:
                brokers.append(Running(name, Path(folder, name)))
                brokers[-1].prepare()
            for _ in range(rounds):
                for shape, version, broker in product(SHAPES, (CONVERTED, AS_STORED), brokers):
                    runs = found.setdefault((broker.broker, shape.name, version), [])
                    runs.append(broker.measure(shape, version, seconds))
        finally:
            for broker in brokers:
                broker.stop()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("-d", type=float, default=1.0, help="seconds per measurement")
    parser.add_argument("-n", type=int, default=3, help="rounds")
    parser.add_argument("brokers", nargs="*", default=["kwire", "kafka-3.9-zk"])
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # The brokers end with us.
    found = measured(options.brokers, options.n, options.d)
    print(f"{'topic':24} {'fetch':>6} " + " ".join(f"{name:>26}" for name in options.brokers) + "   ratio")
    for shape, version in product(SHAPES, (CONVERTED, AS_STORED)):
        cells = []
        speeds = []
        for broker in options.brokers:
            runs = found[broker, shape.name, version]
            speed, records = (statistics.median(column) for column in zip(*runs, strict=True))
            speeds.append(speed)
            cells.append(f"{speed:8.1f} MB/s {records / 1000:7.0f} k/s")
        ratio = speeds[0] / speeds[-1]
        print(f"{shape.name:24} {'v' + str(version):>6} " + " ".join(f"{c:>26}" for c in cells) + f"   {ratio:.2f}")


if __name__ == "__main__":
    main()
