"""`kwire dump-log` against what Apache Kafka's tool printed of the same files, and what it adds."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kwire.cli.app import kwire
from tests.golden.check import read_vectors
from tests.golden.dump_log import OUTPUT, extract
from tests.log.offline.directories import fingerprint, kwire_directory

CALLS = read_vectors(OUTPUT)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return extract(tmp_path_factory.mktemp("samples").resolve())


def dump(*arguments: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(kwire, ["dump-log", *arguments])
    assert result.exit_code == exit_code, f"{result.output}\n{result.exception!r}"
    return result


def complaints(text: str) -> list[str]:
    """Complaints file by file, in order of the file's name: Kafka prints them in the order of a hash map."""
    blocks: list[list[str]] = []
    for line in text.split("\n"):
        if line and not line.startswith(("  ", "Indexed offset")):
            blocks.append([])
        if line:
            blocks[-1].append(line)
    return [line for block in sorted(blocks) for line in block]


def test_enough_is_compared() -> None:
    assert len(CALLS) >= 18
    assert sum(call["stdout"].count("\n") for call in CALLS) > 2000


@pytest.mark.parametrize("call", CALLS, ids=lambda call: " ".join([*call["flags"], f"{len(call['files'])} files"]))
def test_the_text_is_kafkas(samples: Path, monkeypatch: pytest.MonkeyPatch, call: dict[str, Any]) -> None:
    monkeypatch.chdir(samples)
    before = fingerprint(samples)
    result = dump("--files", ",".join(call["files"]), *call["flags"])
    said = result.stdout.replace(str(samples), "DIR").split("\n")
    assert list(difflib.unified_diff(call["stdout"].split("\n"), said, "kafka", "kwire", lineterm="", n=0)) == []
    assert complaints(result.stderr.replace(str(samples), "DIR")) == complaints(call["stderr"])
    assert fingerprint(samples) == before


def objects(*arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in dump(*arguments, "--json").stdout.splitlines()]


def test_json_says_what_the_text_says(samples: Path) -> None:
    log = str(samples / "clean-stop/txn2-0" / f"{2:020d}.log")
    lines = objects("--print-data-log", log)
    assert [line["type"] for line in lines[:5]] == ["file", "log", "batch", "record", "batch"]
    assert lines[2] | {"producerId": 1001, "isControl": True, "deleteHorizonMs": None, "position": 0} == lines[2]
    marker = lines[3]
    assert (marker["endTxnMarker"], marker["coordinatorEpoch"], marker["offset"]) == ("COMMIT", 0, 2)
    record = lines[5]
    assert (record["key"], record["payload"], record["timestampType"]) == ("k0", "t1-0", "CreateTime")


def test_json_keeps_bytes_that_are_no_text(samples: Path) -> None:
    records = [
        line
        for line in objects("--print-data-log", str(samples / "formats/formats-0" / f"{0:020d}.log"))
        if line["type"] == "record" and line["offset"] == 72
    ]
    assert records[0]["payload"] == {"base64": "w6nigqwB/w=="}
    assert records[0]["headers"] == [["h1", "x"], ["zwei-ä", None], ["", ""]]


def test_json_of_internal_topics_is_json(samples: Path) -> None:
    log = str(samples / "clean-stop/__consumer_offsets-0" / f"{0:020d}.log")
    record = next(line for line in objects("--offsets-decoder", log) if line["type"] == "record")
    assert record["key"]["data"] == {"group": "g-txn", "topic": "mini", "partition": 0} or "data" in record["key"]
    assert set(record["payload"]) == {"version", "data"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t-0/leader-epoch-checkpoint", "epoch: 1 startOffset: 20"),
        ("recovery-point-offset-checkpoint", "topic: t partition: 0 offset: 50"),
        ("replication-offset-checkpoint", "topic: t partition: 0 offset: 50"),
        ("t-0/partition.metadata", "topicId: AAECAwQFBgcICQoLDA0ODw"),
        ("meta.properties", "cluster.id: kwire-test-cluster"),
        (".kafka_cleanshutdown", '{"version":0,"brokerEpoch":-1}'),
    ],
)
def test_small_files_are_shown_too(tmp_path: Path, name: str, text: str) -> None:
    assert text in dump(str(kwire_directory(tmp_path) / name)).stdout.splitlines()


@pytest.mark.parametrize("name", ["leader-epoch-checkpoint", "recovery-point-offset-checkpoint", "7.snapshot"])
def test_damaged_small_files_are_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"nonsense\n")
    assert f"{path} is corrupt" in dump(str(path)).stderr


def test_a_batch_that_cannot_be_read_does_not_hide_the_next_ones(samples: Path, tmp_path: Path) -> None:
    data = bytearray((samples / "clean-stop/mini2-0" / f"{0:020d}.log").read_bytes())
    data[61] ^= 0x02
    path = tmp_path / f"{0:020d}.log"
    path.write_bytes(data)
    result = dump("--print-data-log", str(path))
    assert "isvalid: false" in result.stdout.splitlines()[2]
    assert "| offset: 30 " in result.stdout
    assert "The records of the batch at position 0" in result.stderr


def test_a_length_that_cannot_be_ends_the_log_with_a_complaint(samples: Path, tmp_path: Path) -> None:
    data = bytearray((samples / "clean-stop/mini2-0" / f"{0:020d}.log").read_bytes())
    data[72 + 8 : 72 + 12] = bytes(4)
    path = tmp_path / f"{0:020d}.log"
    path.write_bytes(data)
    result = dump(str(path))
    assert f"Found {len(data) - 72} invalid bytes at the end of {path.name}" in result.stdout
    assert "length 0 at position 72 is smaller than any batch" in result.stderr


def test_an_index_that_points_nowhere(samples: Path, tmp_path: Path) -> None:
    source = samples / "clean-stop/roll-0"
    for suffix in (".log", ".index", ".timeindex"):
        (tmp_path / f"{0:020d}{suffix}").write_bytes((source / f"{0:020d}{suffix}").read_bytes())
    index = tmp_path / f"{0:020d}.index"
    index.write_bytes(index.read_bytes() + b"\0\0\0\x63\0\x01\0\0")
    assert "Index offset: 99, log offset: no batch" in dump(str(index)).stderr
    index.write_bytes(index.read_bytes()[:-3])
    assert "failed the sanity check" in dump("--index-sanity-check", str(index)).stderr


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    assert "give the files to show" in dump(exit_code=2).stderr
    missing = str(tmp_path / f"{0:020d}.log")
    assert f"{missing}: No such file or directory" in dump(missing, exit_code=1).stderr
    named = tmp_path / "name.log"
    named.write_bytes(b"")
    assert "named by its base offset" in dump(str(named), exit_code=1).stderr
    other = tmp_path / "other.txt"
    other.write_bytes(b"")
    assert f"Ignoring unknown file {other}" in dump(str(other)).stderr
    assert "kwire has no such records" in dump("--cluster-metadata-decoder", missing, exit_code=2).stderr
    wrong = dump("--value-decoder-class", "com.example.Mine", missing, exit_code=2)
    assert "kwire loads no Java classes; it has StringDecoder" in wrong.stderr
