"""How long a broker takes to open a data directory: kwire beside Apache Kafka 3.9 (ZooKeeper mode) on the same files.

    python bench/open_directory.py clean --partitions 1000 kwire kafka     # after a clean stop, two segments each
    python bench/open_directory.py crash --gigabytes 2 kwire kafka         # after kill -9, nothing flushed

The directory is made by kwire's own log below TMPDIR; Kafka gets a copy without `meta.properties`, and loads the
partitions although its ZooKeeper does not know them. `LIBS_39` names the folder of Kafka's jars, ZooKeeper's among
them. For each broker one JSON line: `load_ms` is what the broker itself says that its logs took, `ready_ms` is the
time from the start of the process to its ready line, `rss_mb` the peak of its memory until then. The pages of the
files are in the page cache for both. `kwire-touched` opens every log, which kwire otherwise does when it is used.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BATCH_BYTES = 16 * 1024
CRASHED_PARTITIONS = 4
KWIRE_LOADED = re.compile(r"(\d+) logs opened in (\d+) ms")
KAFKA_LOADED = re.compile(r"Loaded (\d+) logs in (\d+)ms")
PATIENCE_S = 300
ZOOKEEPER, KAFKA = "org.apache.zookeeper.server.ZooKeeperServerMain", "kafka.Kafka"


def make_directory(root: Path, *, partitions: int, batches: int, batch_bytes: int, segments: int, clean: bool) -> None:
    """Fill `root` as a broker would: `segments` with `batches` each in every partition; ends without a stop if not
    `clean`. To be run in a process of its own.
    """
    sys.path.insert(0, str(ROOT))
    from kwire.broker import Broker
    from kwire.cluster.controller.core import NewTopic
    from kwire.config.broker_config import BrokerConfig
    from kwire.ids import TopicPartition
    from kwire.log.files import Files
    from kwire.wire.records import build_batch

    # What a device would need for this is not what is measured.
    Files.sync = lambda self, file: None  # type: ignore[method-assign]
    Files.sync_directory = lambda self, path: None  # type: ignore[method-assign]

    async def fill() -> None:
        broker = Broker(BrokerConfig({"log.dirs": str(root), "listeners": "PLAINTEXT://127.0.0.1:0"}))
        await broker.start()
        (result,) = await broker.services.controller.create_topics([NewTopic("bench", partitions, 1)])
        assert result.error is None, result.error
        now_ms = broker.clock.now_ms()
        value = os.urandom(max(batch_bytes - 80, 8))
        batch = build_batch([(now_ms, None, value, ())])
        for index in range(partitions):
            log = broker.services.replicas.log_of(TopicPartition("bench", index))
            for segment in range(segments):
                if segment:
                    log.roll(now_ms)
                for _ in range(batches):
                    log.append_as_leader(memoryview(bytearray(batch)), leader_epoch=0, now_ms=now_ms)
            log.update_high_watermark(log.log_end_offset)
            log.segments.close()
        if not clean:
            os._exit(0)
        await broker.stop()

    asyncio.run(fill())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def peak_mb(pid: int) -> int:
    """The process's largest resident set so far."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) // 1024


def awaited_lines(process: subprocess.Popen[str], loaded: re.Pattern[str], ready: str) -> dict[str, Any]:
    """The broker's own figure, and when its ready line came."""
    began = time.monotonic()
    found: dict[str, Any] = {}
    assert process.stdout is not None
    for line in process.stdout:
        if match := loaded.search(line):
            found["logs"], found["load_ms"] = int(match[1]), int(match[2])
        if ready in line:
            found["ready_ms"] = round((time.monotonic() - began) * 1000)
            found["rss_mb"] = peak_mb(process.pid)
            return found
        if time.monotonic() - began > PATIENCE_S:
            break
    raise SystemExit(f"the broker did not become ready: {found}")


def measure_kwire(directory: Path, threads: int) -> dict[str, Any]:
    command = [*os.environ.get("KWIRE", f"{sys.executable} -m kwire").split(), "start", "--data-dir", str(directory)]
    command += ["--log-level", "debug", "--port", "0", "-o", f"num.recovery.threads.per.data.dir={threads}"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        return awaited_lines(process, KWIRE_LOADED, "kwire is ready")
    finally:
        process.kill()
        process.wait()


def measure_touched(directory: Path, threads: int) -> dict[str, Any]:
    """kwire opens a log when it is first used: here each one is, as `load_ms`."""
    script = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
import asyncio
from kwire.broker import Broker
from kwire.config.broker_config import BrokerConfig

async def main():
    broker = Broker(BrokerConfig({{"log.dirs": {str(directory)!r}, "listeners": "PLAINTEXT://127.0.0.1:0"}}))
    await broker.start()
    began = time.monotonic()
    logs = list(broker.services.logs.logs())
    assert sum(len(log.segments) for log in logs) >= len(logs)
    print(f"{{len(logs)}} logs opened in {{(time.monotonic() - began) * 1000:.0f}} ms", flush=True)
    print("kwire is ready", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        return awaited_lines(process, KWIRE_LOADED, "kwire is ready")
    finally:
        process.kill()
        process.wait()


def measure_kafka(directory: Path, threads: int) -> dict[str, Any]:
    libs = os.environ["LIBS_39"]
    port, zookeeper_port = free_port(), free_port()
    (directory / "zoo.cfg").write_text(
        f"dataDir={directory}/zookeeper\nclientPort={zookeeper_port}\nclientPortAddress=127.0.0.1\n"
    )
    properties = str(directory / "server.properties")
    Path(properties).write_text(
        f"broker.id=1\nzookeeper.connect=127.0.0.1:{zookeeper_port}\nlisteners=PLAINTEXT://127.0.0.1:{port}\n"
        f"log.dirs={directory}/log\nnum.recovery.threads.per.data.dir={threads}\n"
    )
    (directory / "log4j.properties").write_text(
        "log4j.rootLogger=WARN, out\nlog4j.logger.kafka.log.LogManager=INFO\nlog4j.logger.kafka.server=INFO\n"
        "log4j.appender.out=org.apache.log4j.ConsoleAppender\nlog4j.appender.out.layout=org.apache.log4j.PatternLayout\n"
        "log4j.appender.out.layout.ConversionPattern=%m (%c)%n\n"
    )
    options = [f"-Dlog4j.configuration=file:{directory}/log4j.properties", "-Dzookeeper.admin.enableServer=false"]
    zookeeper = subprocess.Popen(
        ["java", "-Xmx256M", *options, "-cp", f"{libs}/*", ZOOKEEPER, str(directory / "zoo.cfg")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    heap = os.environ.get("KAFKA_HEAP_OPTS", "-Xmx1G -Xms1G").split()
    process = subprocess.Popen(
        ["java", *heap, "-server", "-XX:+UseG1GC", *options, "-cp", f"{libs}/*", KAFKA, properties],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        return awaited_lines(process, KAFKA_LOADED, "] started (kafka.server.KafkaServer)")
    finally:
        for each in (process, zookeeper):
            each.send_signal(signal.SIGKILL)
            each.wait()


def copied(source: Path, target: Path, *, for_kafka: bool) -> Path:
    """A copy for one measurement, which may change it."""
    shutil.copytree(source, target / "log" if for_kafka else target)
    if for_kafka:
        for name in ("meta.properties", "kwire-metadata.db"):
            (target / "log" / name).unlink(missing_ok=True)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("state", choices=("clean", "crash"))
    parser.add_argument("brokers", nargs="+", choices=("kwire", "kwire-touched", "kafka"))
    parser.add_argument("--partitions", type=int, default=1000)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=1, help="num.recovery.threads.per.data.dir")
    parser.add_argument("-n", type=int, default=1, help="rounds")
    arguments = parser.parse_args()
    crash = arguments.state == "crash"
    partitions = CRASHED_PARTITIONS if crash else arguments.partitions
    batches = int(arguments.gigabytes * 1e9 / partitions / BATCH_BYTES) if crash else 1
    measures = {"kwire": measure_kwire, "kwire-touched": measure_touched, "kafka": measure_kafka}
    with tempfile.TemporaryDirectory(prefix="open-directory-") as name:
        source = Path(name) / "source"
        child = os.fork()
        if child == 0:
            make_directory(
                source,
                partitions=partitions,
                batches=batches,
                batch_bytes=BATCH_BYTES if crash else 100,
                segments=1 if crash else 2,
                clean=not crash,
            )
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        for turn in range(arguments.n):
            for broker in arguments.brokers:
                directory = copied(source, Path(name) / f"{broker}-{turn}", for_kafka=broker == "kafka")
                row = {"state": arguments.state, "broker": broker, "threads": arguments.threads}
                print(json.dumps(row | measures[broker](directory, arguments.threads)), flush=True)
                shutil.rmtree(directory)


if __name__ == "__main__":
    main()
