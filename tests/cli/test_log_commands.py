"""`kwire log verify` and `kwire log import`, as a user calls them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kwire.cli.app import kwire
from tests.log.offline.directories import fingerprint, kafka_samples, kwire_directory


def call(*arguments: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(kwire, [*arguments])
    assert result.exit_code == exit_code, f"{result.output}\n{result.exception!r}"
    return result


@contextmanager
def started(directory: Path) -> Iterator[str]:
    """`kwire start` on a data directory; the address of its broker."""
    command = [sys.executable, "-m", "kwire", "start", "--data-dir", str(directory), "--log-format", "json"]
    command += ["--listeners", "PLAINTEXT://127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as broker:
        assert broker.stdout is not None
        try:
            yield json.loads(broker.stdout.readline())["listeners"][0]
        finally:
            broker.terminate()


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A directory of ours with one flipped bit in the second segment."""
    directory = kwire_directory(tmp_path / "data")
    path = sorted((directory / "t-0").glob("*.log"))[1]
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    return directory


def test_a_sound_directory(tmp_path: Path) -> None:
    directory = kwire_directory(tmp_path)
    result = call("log", "verify", str(directory), "--deep")
    assert result.stdout.splitlines()[-1] == "0 damages in 0 partitions, 0 warnings, 0 notes"
    assert "checked 1 partitions, " in result.stdout
    assert "t-0: offsets 0 to 50" in call("log", "verify", "-v", str(directory / "t-0")).stdout


def test_damage_is_said_and_is_the_exit_code(damaged: Path) -> None:
    before = fingerprint(damaged)
    result = call("log", "verify", str(damaged), exit_code=1)
    first = result.stdout.splitlines()[0]
    assert first.startswith(f"damage  {damaged}/t-0/")
    assert " at byte " in first
    assert ": batch at offset " in first
    assert "a recovery would cut there and lose" in result.stdout
    assert fingerprint(damaged) == before


def test_verify_as_json(damaged: Path) -> None:
    lines = [
        json.loads(line) for line in call("log", "verify", "--json", str(damaged), exit_code=1).stdout.splitlines()
    ]
    kinds = {line["type"] for line in lines}
    assert kinds == {"finding", "partition", "summary"}
    (partition,) = (line for line in lines if line["type"] == "partition")
    assert (partition["damaged"], partition["cut"]) == (True, True)
    assert partition["sound_records_behind_damage"] > 0
    assert lines[-1]["damaged_partitions"] == 1


def test_what_is_no_directory_of_a_broker(tmp_path: Path) -> None:
    assert "is no directory" in call("log", "verify", str(tmp_path / "nothing"), exit_code=2).stderr
    assert "is neither a data directory" in call("log", "verify", str(tmp_path), exit_code=2).stderr
    assert "is no directory" in call("log", "import", str(tmp_path / "nothing"), exit_code=2).stderr
    assert "is no data directory" in call("log", "import", str(tmp_path), exit_code=2).stderr


def test_notes_can_be_hidden(tmp_path: Path) -> None:
    directory = kafka_samples(tmp_path) / "kill-9"
    assert "note " in call("log", "verify", str(directory)).stdout
    assert "note " not in call("log", "verify", "--no-notes", str(directory)).stdout


def test_a_look_into_kafkas_directory(tmp_path: Path) -> None:
    directory = kafka_samples(tmp_path) / "clean-stop"
    before = fingerprint(directory)
    shown = call("log", "import", str(directory)).stdout
    assert "broker 3 of cluster 25t3LOi2TPu8DxUcoebj8A (ZooKeeper mode), stopped cleanly" in shown
    assert "g-txn  classic" in shown
    rows = call("log", "import", "-p", "--topic", "ret", str(directory)).stdout
    assert "ret            0     90  105" in rows
    assert "roll" not in rows
    found = json.loads(call("log", "import", "--json", str(directory)).stdout)
    assert [topic["name"] for topic in found["topics"]][-1] == "txn2"
    assert found["directories"][0]["clean"] is True
    assert {group["group"] for group in found["groups"]} == {"g-txn", "g1", "g2"}
    assert fingerprint(directory) == before


def test_a_transaction_in_doubt(tmp_path: Path) -> None:
    shown = call("log", "import", str(kafka_samples(tmp_path) / "kill-9")).stdout
    (row,) = (line.split() for line in shown.splitlines() if "no coordinator knows it" in line)
    assert row[-3:] == ["1001", "txn2-0", "12"]


def test_the_copy_is_served(tmp_path: Path) -> None:
    source = kafka_samples(tmp_path) / "clean-stop"
    copy = tmp_path / "copy"
    done = call("log", "import", str(source), "--to", str(copy), "-c", "lat:retention.ms=-1")
    assert f"serve it with: kwire start --data-dir {copy}" in done.stdout
    assert "is not empty" in call("log", "import", str(source), "--to", str(copy), exit_code=1).stderr
    with started(copy) as bootstrap:
        at = ["-b", bootstrap]
        topics = {topic["name"] for topic in json.loads(call("topic", "list", "--json", *at).stdout)}
        assert topics >= {"compacted", "lat", "mini2", "ret", "roll", "txn2"}
        for topic, count in (("roll", 60), ("mini2", 31), ("compacted", 27), ("ret", 15)):
            read = call("consume", topic, "--from-beginning", "-e", "-q", "-f", "{offset}\\n", *at).stdout
            assert len(read.splitlines()) == count
        described = json.loads(call("topic", "describe", "compacted", "--json", *at).stdout)
        assert described[0]["configs"] == {"cleanup.policy": "compact"}
    assert "0 damages" in call("log", "verify", "--deep", str(copy)).stdout


def test_settings_are_for_the_copy(tmp_path: Path) -> None:
    source = str(kafka_samples(tmp_path) / "clean-stop")
    assert "give --to" in call("log", "import", source, "-c", "a:b=c", exit_code=2).stderr
    wrong = call("log", "import", source, "--to", str(tmp_path / "copy"), "-c", "b=c", exit_code=2)
    assert "write TOPIC:OPTION=VALUE" in wrong.stderr
    refused = call("log", "import", source, "--to", str(tmp_path / "copy"), "-c", "lat:retention=1", exit_code=1)
    assert "unknown topic option retention" in refused.stderr
    assert not (tmp_path / "copy").exists()
