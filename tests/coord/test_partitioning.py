"""Group ids to partitions, against the answers of Kafka's own code."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from kwire.coord.partitioning import java_hash, partition_for, partitions_of

ORACLE = Path(__file__).parent / "data" / "coordinator_partition.jsonl.gz"
VECTORS = [json.loads(line) for line in gzip.decompress(ORACLE.read_bytes()).decode().splitlines()]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: ascii(vector["id"])[:30])
def test_as_kafka(vector: dict[str, object]) -> None:
    text = vector["id"]
    assert isinstance(text, str)
    assert java_hash(text) == vector["javaHash"]
    partitions = vector["partition"]
    assert isinstance(partitions, dict)
    for count, partition in partitions.items():
        assert partition_for(text, int(count)) == partition


def test_ids_are_grouped_once_and_in_order() -> None:
    assert partitions_of(["b", "a", "c", "a"], lambda name: 0 if name == "c" else 1) == {1: ["b", "a"], 0: ["c"]}
