"""Logs that hold messages of magic 0 and 1: Kafka 3.9 writes them where the inter-broker protocol is an old one."""

from __future__ import annotations

from pathlib import Path

from compat_tests.disk import workload
from compat_tests.disk.client import LATEST, Client
from compat_tests.disk.served import Served, differences, served, stored_batches
from compat_tests.disk.subjects import KafkaSubject, KwireSubject, left_behind, take_over

PROTOCOL = {"inter.broker.protocol.version": "2.8-IV1"}
FORMATS = {0: "0.9.0", 1: "0.10.2"}


def swap(folder: Path) -> tuple[str, list[str]]:
    """Kafka writes both formats in four codecs and stops; kwire serves and appends. Counts and problems."""
    kafka = KafkaSubject(folder / "kafka", **PROTOCOL)
    names = [f"v{magic}-{codec}" for magic in FORMATS for codec in workload.OLD_CODECS]
    try:
        kafka.start()
        before = _write(kafka.port, names)
        kafka.stop()
        directory = left_behind(kafka, folder / "left")
    finally:
        kafka.close()
    stored = {magic for view in before.partitions.values() for _, _, magic in stored_batches(view.data)}
    problems = [] if stored == set(FORMATS) else [f"Kafka has stored the formats {stored}"]
    kwire = KwireSubject(folder / "kwire")
    take_over(kwire, directory)
    try:
        kwire.start()
        with Client(kwire.port) as client:
            after = served(client, names, [], by_time=False)
            problems += differences(before, after)
            for name in names:
                end = client.offset_at(name, 0, LATEST)[1]
                found = client.produce(name, 0, workload.plain_batch(name, workload.BATCHES))
                problems += [] if found == end else [f"an append to {name} got {found}, the log ended at {end}"]
        kwire.stop()
    finally:
        kwire.close()
    return f"{after.record_count} records in {len(after.partitions)} partitions", problems


def _write(port: int, names: list[str]) -> Served:
    with Client(port) as client:
        for magic, version in FORMATS.items():
            for codec in workload.OLD_CODECS:
                options = {"message.format.version": version, "segment.bytes": workload.SEGMENT_BYTES}
                client.create_topic(f"v{magic}-{codec}", 1, {**workload.KEPT, **options})
        client.topics(names)
        workload.write_first_half(client)
        return served(client, names, [], by_time=False)
