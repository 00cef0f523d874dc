"""How fast compaction is, beside Apache Kafka's, and what producers feel of it.

    python bench/compaction.py [--mb 1000] [--keys 1000000] [--kafka LIBS] [--latency]

Writes a log of 200-byte keyed records, compacts a copy of it with kwire's worker, and, given the jars of Kafka 3.9, has
Kafka's `LogCleaner` compact another copy within the same dedupe buffer of 128 MB. MB are 10^6 bytes of log per second
over both passes (Kafka's own line counts 2^20). `--latency` gives a broker three copies instead, produces single
records, and prints their percentiles before and while it compacts each.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from kwire.cli.connection import Connection
from kwire.compaction.log_cleaner import CleanerProcess
from kwire.log.cleaned_segment import CleanedSegment
from kwire.log.cleaning_job import CleanerStats, CleaningJob
from kwire.log.files import CLEANED_SUFFIX, FILES
from kwire.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest
from kwire.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from kwire.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kwire.wire.records import build_batch

RECORD_BYTES = 200
RECORDS_IN_A_BATCH = 80
SEGMENT_BYTES = 100 * 1000 * 1000
MAP_BYTES = 128 << 20
NOW = 1_750_000_000_000


def batches(size: int, keys: int) -> Iterator[tuple[bytearray, int]]:
    """(batch, last offset), together of so many bytes; keys are drawn at random."""
    source = random.Random(1)
    values = [source.randbytes(RECORD_BYTES - 16 - 8) for _ in range(100)]
    written = offset = 0
    while written < size:
        drawn = (source.randrange(keys) for _ in range(RECORDS_IN_A_BATCH))
        records = [(NOW + offset // 1000, b"%016d" % key, values[key % 100], ()) for key in drawn]
        batch = build_batch(records, base_offset=offset, partition_leader_epoch=0)
        written += len(batch)
        offset += RECORDS_IN_A_BATCH
        yield batch, offset - 1


def write_log(directory: Path, size: int, keys: int) -> None:
    """Segments and indexes of a partition, the last segment small so that all others are closed."""
    directory.mkdir(parents=True)
    segment: CleanedSegment | None = None
    base = 0
    for batch, last_offset in batches(size, keys):
        if segment is None or segment.size + len(batch) > SEGMENT_BYTES:
            if segment is not None:
                segment.finish([], NOW)
            base = last_offset - RECORDS_IN_A_BATCH + 1
            segment = CleanedSegment(str(directory), base, FILES, index_max_bytes=10 << 20, index_interval_bytes=4096)
        segment.append(batch, last_offset, NOW + last_offset // 1000)
    assert segment is not None
    segment.finish([], NOW)
    active = CleanedSegment(str(directory), last_offset + 1, FILES, index_max_bytes=10 << 20, index_interval_bytes=4096)
    active.append(
        build_batch([(NOW, b"last", b"", ())], base_offset=last_offset + 1, partition_leader_epoch=0),
        last_offset + 1,
        NOW,
    )
    active.finish([], NOW)
    for path in directory.glob("*" + CLEANED_SUFFIX):
        path.rename(str(path).removesuffix(CLEANED_SUFFIX))


def job_of(directory: Path) -> CleaningJob:
    """All closed segments, all of them dirty."""
    paths = sorted(directory.glob("*.log"))
    return CleaningJob(
        directory=str(directory),
        segments=[(int(path.stem), path.stat().st_size) for path in paths[:-1]],
        first_dirty_offset=0,
        first_uncleanable_offset=int(paths[-1].stem),
        aborted=[],
        last_records=[],
        now_ms=NOW,
        segment_bytes=SEGMENT_BYTES,
        segment_index_bytes=10 << 20,
        index_interval_bytes=4096,
        delete_retention_ms=86_400_000,
    )


async def kwire_mb_per_s(directory: Path) -> tuple[float, float, CleanerStats, float]:
    """(MB/s over both passes, MB per second of CPU time, what was done, MB of memory at most) of one worker."""
    worker = CleanerProcess()
    limits = {"map_bytes": MAP_BYTES, "load_factor": 0.9, "io_bytes": 1 << 18, "bytes_per_second": 1e300}
    began = time.perf_counter()
    peak = cpu_s = 0.0
    async for progress in worker.work(job_of(directory), limits, lambda: True):
        assert worker._process is not None
        cpu_s = cpu_seconds(Path(f"/proc/{worker._process.pid}"))
        peak = max(peak, peak_memory_mb(worker._process.pid))
        if isinstance(progress, CleanerStats):
            stats = progress
    elapsed = time.perf_counter() - began
    await worker.end()
    return stats.bytes_read / 1e6 / elapsed, stats.bytes_read / 1e6 / cpu_s, stats, peak


def cpu_seconds(process: Path) -> float:
    """User and system time of a process or thread, given its directory in /proc."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_memory_mb(pid: int) -> float:
    """The most that a process had in memory so far."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def kafka_mb_per_s(libs: Path, root: Path, partition: Path) -> tuple[float, float]:
    """What Kafka's cleaner does with the same log: MB/s by its own account, MB per second of its thread's CPU time."""
    from confluent_kafka.admin import AdminClient, NewTopic

    port = free_port()
    script = Path(__file__).parent / "brokers" / "kafka-3.9-zk.sh"
    text = script.read_text().replace(
        "auto.create.topics.enable=true\n",
        "auto.create.topics.enable=true\nlog.cleanup.policy=compact\nlog.cleaner.backoff.ms=1000\n"
        f"log.segment.bytes={SEGMENT_BYTES}\nlog.cleaner.threads=1\nlog.cleaner.dedupe.buffer.size={MAP_BYTES}\n",
    )
    text = text.replace("log4j.appender.err=", "log4j.logger.kafka.log.LogCleaner=INFO, err\nlog4j.appender.err=", 1)
    copy = root / "kafka.sh"
    copy.write_text(text)
    copy.chmod(0o755)
    output = (root / "out").open("w+")

    def started() -> subprocess.Popen[bytes]:
        environment = {**os.environ, "LIBS_39": str(libs)}
        return subprocess.Popen([str(copy), str(port), str(root)], env=environment, stdout=output, stderr=output)

    # The cleaner works below the high watermark, so the partition must be one that the broker leads.
    broker = started()
    try:
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0})
        admin.create_topics([NewTopic("bench", 1, 1)], operation_timeout=60, request_timeout=90)["bench"].result()
    finally:
        broker.terminate()
        broker.wait()
    for path in partition.iterdir():
        shutil.copy(path, root / "log" / "bench-0")
    (root / "log" / ".kafka_cleanshutdown").unlink(missing_ok=True)
    broker = started()
    try:
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            time.sleep(0.5)
            said = (root / "out").read_text()
            found = re.search(
                r"cleaned log bench-0.*?([\d,.]+) MB of log processed in ([\d,.]+) seconds", said, re.DOTALL
            )
            if found:
                size, seconds = (float(text.replace(",", "")) for text in found.groups())
                size *= (1 << 20) / 1e6
                return size / seconds, size / cleaner_thread_cpu_seconds(broker.pid)
        raise SystemExit("Kafka's cleaner did not finish:\n" + (root / "out").read_text()[-2000:])
    finally:
        broker.terminate()
        broker.wait()


def cleaner_thread_cpu_seconds(parent: int) -> float:
    """Of Kafka's cleaner thread, found among the children of the script that started it."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for task in (task for child in children for task in Path(f"/proc/{child}/task").iterdir()):
        if (task / "comm").read_text().startswith("kafka-log-clean"):
            return cpu_seconds(task)
    return float("nan")


def free_port() -> int:
    """A port that nobody has, nor the one 1000 above."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1]) % 20000 + 20000


def percentiles(port: int, goes_on: Callable[[float], bool]) -> str:
    """Of single records with acks=all over one raw connection, one after another, for as long as that is true of the
    seconds since the first.
    """
    connection = Connection("127.0.0.1", port)
    batch = bytes(build_batch([(NOW, None, b"v" * 100, ())]))
    partition = PartitionProduceData(index=0, records=batch)
    request = ProduceRequest(
        acks=-1, timeout_ms=30_000, topic_data=[TopicProduceData(name="latency", partition_data=[partition])]
    )
    taken: list[float] = []
    first = time.perf_counter()
    while goes_on(time.perf_counter() - first):
        began = time.perf_counter()
        answer = connection.call(request, version=9).responses[0].partition_responses[0]
        taken.append((time.perf_counter() - began) * 1000)
        assert not answer.error_code, answer
    connection.close()
    taken.sort()
    shown = (f"p{share:g} {taken[int(len(taken) * share / 100)]:.2f}" for share in (50, 99, 99.9))
    return f"{', '.join(shown)} ms of {len(taken)} in {time.perf_counter() - first:.1f} s"


def set_option(port: int, topic: str, name: str, value: str) -> None:
    """Change an option of a topic, live."""
    change = AlterableConfig(name=name, config_operation=0, value=value)
    resource = AlterConfigsResource(resource_type=2, resource_name=topic, configs=[change])
    connection = Connection("127.0.0.1", port)
    (answer,) = connection.call(IncrementalAlterConfigsRequest(resources=[resource])).responses
    assert not answer.error_code, answer
    connection.close()


def latency(partition: Path, root: Path) -> None:
    """Percentiles of produce before and while the broker's own cleaner compacts a copy of the log, three times."""
    data, rounds = root / "kwire", 3
    for number in range(rounds):
        shutil.copytree(partition, root / "copies" / f"bench{number}-0")
    (root / "copies" / "meta.properties").write_text("version=0\nbroker.id=1\ncluster.id=kwireBenchCompaction00\n")
    command = [sys.executable, "-m", "kwire"]
    home = Path(__file__).parent.parent
    subprocess.run([*command, "log", "import", root / "copies", "--to", data], cwd=home, check=True)
    port = free_port()
    options = {"log.cleaner.backoff.ms": "200", "log.retention.ms": "-1", "log.cleaner.min.cleanable.ratio": "0.01"}
    settings = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    start = [*command, "start", "--port", str(port), "--data-dir", str(data), *settings]
    broker = subprocess.Popen(start, cwd=home, stdout=subprocess.DEVNULL)
    checkpoint = data / "cleaner-offset-checkpoint"

    def is_compacted(number: int) -> bool:
        return checkpoint.exists() and f"bench{number} 0 " in checkpoint.read_text()

    try:
        wait_for(port)
        creation = CreateTopicsRequest(topics=[CreatableTopic(name="latency", num_partitions=1, replication_factor=1)])
        (created,) = Connection("127.0.0.1", port).call(creation).topics
        assert not created.error_code, created
        percentiles(port, lambda seconds: seconds < 3)
        for number in range(rounds):
            print("produce, nothing else:   ", percentiles(port, lambda seconds: seconds < 5), flush=True)
            set_option(port, f"bench{number}", "cleanup.policy", "compact")
            going = partial(is_compacted, number)
            print("        while compacting:", percentiles(port, lambda _, done=going: not done()), flush=True)
    finally:
        broker.terminate()
        broker.wait()


def wait_for(port: int) -> None:
    """Until something listens there."""
    while True:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.02)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=int, default=1000)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--kafka", type=Path, help="folder of the jars of Kafka 3.9 and ZooKeeper")
    parser.add_argument("--latency", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kwire-compaction-") as name:
        root = Path(name)
        write_log(root / "source", arguments.mb * 1_000_000, arguments.keys)
        if arguments.latency:
            latency(root / "source", root)
            return
        rate, per_cpu, stats, peak_mb = asyncio.run(kwire_mb_per_s(root / "source"))
        print(
            f"kwire {rate:.1f} MB/s, {per_cpu:.1f} MB per CPU second, {stats.records_written} of {stats.records_read} "
            f"records kept, map {100 * stats.map_utilization:.0f} % full, at most {peak_mb:.0f} MB of memory",
            flush=True,
        )
        for path in (root / "source").glob("*" + CLEANED_SUFFIX):
            path.unlink()
        if arguments.kafka:
            theirs, theirs_per_cpu = kafka_mb_per_s(arguments.kafka, root, root / "source")
            print(f"kafka {theirs:.1f} MB/s, {theirs_per_cpu:.1f} MB per CPU second")
            print(f"kwire is {rate / theirs:.2f} x as fast, {per_cpu / theirs_per_cpu:.2f} x by CPU time")


if __name__ == "__main__":
    main()
