"""Share groups side by side: how fast Kafka's own share consumer gets and acknowledges records from each broker.

    python bench/share_consume.py [-n 3] [-r 200000] [--libs LIBS] [BROKER...]     (default: kwire kafka-4.3)

-n rounds of -r records. BROKER is a NAME of brokers/NAME.sh, LIBS the folder of Kafka 4.3's jars ($LIBS_43). Every
broker gets the same batches of 100-byte records, over four partitions, and then a new share group for each run of
Kafka's ShareConsumerPerformance. All brokers run all the time and take turns; the first turn of each is not counted.
Prints medians (ranges) of records/s as the tool measures them, from its first poll on, of the CPU time that the broker
takes for a record, and the ratio of the first broker's records/s to the last one's.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from down_conversion import connected, free_port  # noqa: E402
from heartbeats import cpu_s  # noqa: E402

from kwire.cli.connection import Connection  # noqa: E402  # this checkout's, installed or not
from kwire.errors import ErrorCode  # noqa: E402
from kwire.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest  # noqa: E402
from kwire.wire.messages.incremental_alter_configs import (  # noqa: E402
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from kwire.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData  # noqa: E402
from kwire.wire.records import build_batch  # noqa: E402

TOPIC, PARTITIONS = "share-consume", 4
VALUE_BYTES, RECORDS_PER_BATCH = 100, 140
GROUP_RESOURCE, SET = 32, 0


class Reading(NamedTuple):
    """One run of the tool."""

    records_per_s: float
    broker_us_per_record: float


class Running:
    """A broker that holds the records."""

    def __init__(self, broker: str, folder: Path, records: int) -> None:
        self.broker, self.records = broker, records
        self.port = free_port()
        folder.mkdir()
        script = str(HERE / "brokers" / f"{broker}.sh")
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen([script, str(self.port), str(folder / "data")], stdout=log, stderr=log)

    def fill(self) -> None:
        """Create the topic and write the batches, the partitions in turn."""
        self.connection = connected(self.port, self.process)
        topic = CreatableTopic(name=TOPIC, num_partitions=PARTITIONS, replication_factor=1)
        self.connection.call(CreateTopicsRequest(topics=[topic], timeout_ms=30_000))
        now_ms = int(time.time() * 1000)
        batch = bytes(build_batch([(now_ms, None, bytes(VALUE_BYTES), ())] * RECORDS_PER_BATCH))
        for number in range(-(-self.records // RECORDS_PER_BATCH)):
            produce(self.connection, number % PARTITIONS, batch)

    def consume(self, libs: str) -> Reading:
        """A new group reads from the beginning."""
        group = f"share-{uuid.uuid4()}"
        reset = AlterableConfig(name="share.auto.offset.reset", config_operation=SET, value="earliest")
        resource = AlterConfigsResource(resource_type=GROUP_RESOURCE, resource_name=group, configs=[reset])
        (answer,) = self.connection.call(IncrementalAlterConfigsRequest(resources=[resource])).responses
        assert answer.error_code == ErrorCode.NONE, answer
        command = ["java", "-Xmx512M", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{libs}/*"]
        command += ["org.apache.kafka.tools.ShareConsumerPerformance", "--bootstrap-server", f"127.0.0.1:{self.port}"]
        command += ["--topic", TOPIC, "--num-records", str(self.records), "--group", group, "--timeout", "120000"]
        before = cpu_s(self.process.pid)
        tool = subprocess.run(command, capture_output=True, text=True)
        used = cpu_s(self.process.pid) - before
        assert not tool.returncode, tool.stdout + tool.stderr
        printed = tool.stdout
        lines = [[cell.strip() for cell in line.split(",")] for line in printed.splitlines() if "," in line]
        found = dict(zip(lines[0], lines[-1], strict=True))
        consumed = int(found["data.consumed.in.nMsg"])
        assert consumed >= self.records, printed
        reading = Reading(float(found["nMsg.sec"]), used / consumed * 1e6)
        print(self.broker, *(f"{name} {value:.1f}" for name, value in reading._asdict().items()), file=sys.stderr)
        return reading

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def produce(connection: Connection, partition: int, batch: bytes) -> None:
    """Write one batch; Kafka may name a leader before it accepts writes."""
    data = TopicProduceData(name=TOPIC, partition_data=[PartitionProduceData(index=partition, records=batch)])
    request = ProduceRequest(acks=1, timeout_ms=30_000, topic_data=[data])
    while True:
        (topic,) = connection.call(request, version=9).responses
        (answer,) = topic.partition_responses
        if answer.error_code == ErrorCode.NONE:
            return
        assert answer.error_code in (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION), answer
        time.sleep(0.1)


def measured(names: list[str], rounds: int, records: int, libs: str) -> dict[str, list[Reading]]:
    found: dict[str, list[Reading]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="kwire-bench-") as folder:
        brokers = [Running(name, Path(folder, name), records) for name in names]
        try:
            for broker in brokers:
                broker.fill()
                broker.consume(libs)
            for _ in range(rounds):
                for broker in brokers:
                    found[broker.broker].append(broker.consume(libs))
        finally:
            for broker in brokers:
                broker.stop()
    return found


def shown(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f}-{max(values):.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("-n", type=int, default=3, help="rounds")
    parser.add_argument("-r", type=int, default=200_000, help="records")
    parser.add_argument("--libs", default=os.environ.get("LIBS_43"), help="folder of Kafka 4.3's jars")
    parser.add_argument("brokers", nargs="*", default=["kwire", "kafka-4.3"])
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # The brokers end with us.
    if not options.libs:
        parser.error("no folder of Kafka jars: --libs or $LIBS_43")
    os.environ["LIBS_43"] = options.libs
    found = measured(options.brokers, options.n, options.r, options.libs)
    speeds = []
    for name, readings in found.items():
        speeds.append(statistics.median(reading.records_per_s for reading in readings))
        cpu = shown([reading.broker_us_per_record for reading in readings])
        print(f"{name:12} {shown([reading.records_per_s for reading in readings])} records/s, {cpu} us of CPU each")
    print(f"ratio {speeds[0] / speeds[-1]:.2f}")


if __name__ == "__main__":
    main()
