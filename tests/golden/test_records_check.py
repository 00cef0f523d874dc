"""Every vector of records and small encodings that lies here passes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden import records_check

HERE = Path(__file__).parent
FILES = sorted([*HERE.glob("records/*.jsonl.gz"), *HERE.glob("misc/*.jsonl.gz")])


def vectors(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().split("\n") if line]


def test_all_kinds_of_records_are_here() -> None:
    names = {path.name.split(".")[0] for path in FILES}
    assert names >= {"append", "compacted", "control", "corrupt", "downconvert", "legacy", "v2"}
    assert names >= {"crc", "uuid", "varint", "murmur2", "coordinator_partition", "share_coordinator_partition"}
    assert "producer_snapshot" in names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.split(".")[0])
def test_every_vector_passes(path: Path) -> None:
    lines = vectors(path)
    assert lines
    problems = {number: records_check.check(vector) for number, vector in enumerate(lines, 1)}
    assert {number: problem for number, problem in problems.items() if problem} == {}


def test_the_checker_sees_a_difference() -> None:
    vector = vectors(HERE / "records" / "v2.jsonl.gz")[0]
    vector["batches"][0]["records"][1]["value"] = "00"
    assert "record 1" in (records_check.check(vector) or "")


def test_the_checker_sees_what_should_have_been_refused() -> None:
    vector = vectors(HERE / "records" / "v2.jsonl.gz")[0]
    refused = {"hex": vector["hex"], "error": "CorruptRecordException"}
    assert "was read" in (records_check.check(refused) or "")


def test_a_kind_of_another_layer_is_not_passed_over() -> None:
    with pytest.raises(NotImplementedError):
        records_check.check_line({"kind": "fixed", "mechanism": "SCRAM-SHA-256", "user": "alice"})


@pytest.mark.parametrize(
    ("name", "field", "wrong"),
    [
        ("murmur2", "murmur2", 1),
        ("coordinator_partition", "javaHash", 1),
        ("share_coordinator_partition", "partition50", 50),
        ("producer_snapshot", "entries", [{}]),
    ],
)
def test_the_checker_sees_a_wrong_number(name: str, field: str, wrong: object) -> None:
    vector = vectors(HERE / "misc" / f"{name}.jsonl.gz")[0]
    assert "Kafka has" in (records_check.check(vector | {field: wrong}) or "")
