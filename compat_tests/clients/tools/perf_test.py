"""Driver of kafka-producer-perf-test, which writes numbered values and reads nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))
from contract import DEADLINE_S, serve

LIBS, BOOTSTRAP = sys.argv[1:3]
JAVA = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m", "-cp", f"{LIBS}/*")


def produce(topic: str, partition: int, codec: str, records: list[dict[str, Any]]) -> None:
    amount = ("--topic", topic, "--num-records", str(len(records)), "--payload-monotonic", "--throughput", "-1")
    settings = (f"bootstrap.servers={BOOTSTRAP}", "acks=all", f"compression.type={codec}")
    command = (*JAVA, "org.apache.kafka.tools.ProducerPerformance", *amount, "--command-property", *settings)
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    sent = re.findall(r"^(\d+) records sent", done.stdout, re.M)
    if done.returncode or not sent or int(sent[-1]) != len(records):
        raise RuntimeError(f"status {done.returncode}: {(done.stdout + done.stderr)[-400:]}")


serve(
    {
        "version": lambda: next(Path(LIBS).glob("kafka-tools-*.jar")).stem.removeprefix("kafka-tools-"),
        "produce": produce,
    }
)
