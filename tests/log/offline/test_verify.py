"""Every kind of damage: found, named with file and place, and nothing changed by the look."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kwire.ids import TopicPartition
from kwire.log.checkpoints import HIGH_WATERMARKS, META_PROPERTIES, RECOVERY_POINTS
from kwire.log.files import offset_name
from kwire.log.future_note import FUTURE_NOTE
from kwire.log.offline.verify_directory import DirectoryVerification, is_held, twice_held
from kwire.log.offline.verify_partition import verify_partition
from kwire.log.offline.verify_report import DAMAGE, WARNING, Finding, PartitionReport
from kwire.log.producer_snapshot import decode_snapshot, encode_snapshot
from kwire.wire.record_batch import BatchHeader, batches, rewrite_crc
from tests.log.building import batch, config, open_manager
from tests.log.offline.directories import fingerprint, kafka_samples, kwire_directory

Change = Callable[[Path], object]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return kwire_directory(tmp_path / "data")


def verified(directory: Path, *, deep: bool = False) -> tuple[list[Finding], dict[str, PartitionReport]]:
    """All findings that are no notes, and the reports; the directory must be as it was."""
    before = fingerprint(directory)
    verification = DirectoryVerification(str(directory), deep=deep)
    reports = {report.name: report for report in verification.partitions()}
    findings = [finding for report in reports.values() for finding in report.findings] + verification.finish()
    assert fingerprint(directory) == before
    return [finding for finding in findings if finding.severity != "note"], reports


def bases(directory: Path) -> list[int]:
    return sorted(int(path.stem) for path in (directory / "t-0").glob("*.log"))


def flip(path: Path, position: int, bits: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= bits
    path.write_bytes(data)


def segment(directory: Path, slot: int, suffix: str = ".log") -> Path:
    return directory / "t-0" / offset_name(bases(directory)[slot], suffix)


def headers(path: Path) -> list[tuple[int, BatchHeader]]:
    return list(batches(path.read_bytes()))


def edit_batch(path: Path, slot: int, offset: int, layout: str, value: int) -> int:
    """Write a field of a batch and its checksum anew; the batch's position."""
    data = bytearray(path.read_bytes())
    position = headers(path)[slot][0]
    struct.pack_into(layout, data, position + offset, value)
    rewrite_crc(data, position)
    path.write_bytes(data)
    return position


@pytest.mark.parametrize("deep", [False, True])
def test_a_directory_of_ours_is_sound(directory: Path, deep: bool) -> None:
    findings, reports = verified(directory, deep=deep)
    assert findings == []
    report = reports["t-0"]
    assert (report.start_offset, report.end_offset) == (0, 50)
    assert (report.record_count, report.segment_count) == (50, len(bases(directory)))
    assert report.segment_count > 2
    assert report.salvage() == "50 records up to offset 49 are sound"


@pytest.mark.parametrize("deep", [False, True])
def test_kafkas_directories_are_sound(tmp_path: Path, deep: bool) -> None:
    findings, reports = verified(kafka_samples(tmp_path) / "clean-stop", deep=deep)
    assert findings == []
    assert {name: report.record_count for name, report in reports.items()} == {
        "__consumer_offsets-0": 10,
        "__transaction_state-0": 30,
        "compacted-0": 27,
        "lat-0": 2,
        "mini2-0": 31,
        "ret-0": 15,
        "roll-0": 60,
        "txn2-0": 14,
    }


HOLDER = """
import sys
from kwire.log.directory import LogDirectory
from kwire.log.files import FILES
directory = LogDirectory(sys.argv[1], FILES)
directory.lock()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_directory_that_a_broker_holds_is_told_and_not_unlocked(directory: Path) -> None:
    assert not is_held(str(directory))
    command = [sys.executable, "-c", HOLDER, str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        holder.stdout.readline()
        for _ in range(2):
            verification = DirectoryVerification(str(directory), deep=False)
            (report,) = verification.partitions()
            assert not report.is_damaged
            assert "in-use" in {finding.kind for finding in verification.finish()}
        holder.stdin.close()
    assert not is_held(str(directory))


def test_a_flipped_bit_in_a_batch(directory: Path) -> None:
    path = segment(directory, 1)
    position, header = headers(path)[2]
    flip(path, position + header.size - 3)
    findings, reports = verified(directory)
    damage = next(finding for finding in findings if finding.kind == "batch-checksum")
    assert (damage.severity, damage.path, damage.position) == (DAMAGE, str(path), position)
    assert f"batch at offset {header.base_offset}: the checksum is" in damage.text
    report = reports["t-0"]
    assert report.end_offset == header.base_offset
    assert report.record_count == header.base_offset
    assert report.sound_behind == 50 - header.base_offset - header.record_count
    assert f"lose {report.sound_behind:,} more sound records" in report.salvage()


def test_a_damaged_length_and_the_batches_behind_it(directory: Path) -> None:
    path = segment(directory, 0)
    position, header = headers(path)[1]
    flip(path, position + 8, 0x40)
    findings, reports = verified(directory)
    damage = next(finding for finding in findings if finding.kind == "batch-length")
    assert damage.position == position
    assert f"the next one begins at {position + header.size}" in damage.text
    report = reports["t-0"]
    assert report.end_offset == header.base_offset
    assert report.sound_behind == 50 - header.base_offset - header.record_count


def test_a_torn_tail_is_damage_after_a_clean_stop_and_none_after_a_crash(directory: Path) -> None:
    path = segment(directory, -1)
    size = path.stat().st_size
    with open(path, "ab") as file:
        file.write(bytes(batch(b"never acknowledged"))[:50])
    findings, _ = verified(directory)
    assert [(finding.severity, finding.kind, finding.position) for finding in findings] == [(DAMAGE, "torn-tail", size)]
    (directory / ".kafka_cleanshutdown").unlink()
    findings, reports = verified(directory)
    assert [(finding.severity, finding.kind) for finding in findings] == [(WARNING, "torn-tail")]
    assert not reports["t-0"].is_damaged


def test_offsets_that_come_again(directory: Path) -> None:
    path = segment(directory, 1)
    position = edit_batch(path, 1, 0, ">q", headers(path)[0][1].base_offset)
    findings, _ = verified(directory)
    damage = next(finding for finding in findings if finding.kind == "offset-order")
    assert damage.position == position


def test_segments_that_overlap(directory: Path) -> None:
    first, second = bases(directory)[:2]
    os.rename(segment(directory, 1), directory / "t-0" / offset_name(second - 1, ".log"))
    findings, _ = verified(directory)
    assert first == 0
    assert {finding.kind for finding in findings} >= {"segments-overlap", "orphan"}


def test_a_leader_epoch_that_goes_back(directory: Path) -> None:
    path = segment(directory, -1)
    data = bytearray(path.read_bytes())
    position = headers(path)[-1][0]
    struct.pack_into(">i", data, position + 12, 0)
    path.write_bytes(data)
    findings, _ = verified(directory)
    assert "epoch-order" in {finding.kind for finding in findings}


def test_record_contents_are_seen_by_the_deep_look_only(directory: Path) -> None:
    path = segment(directory, 0)
    position = headers(path)[0][0]
    data = bytearray(path.read_bytes())
    data[position + 61] ^= 0x02
    rewrite_crc(data, position)
    path.write_bytes(data)
    assert verified(directory)[0] == []
    findings, reports = verified(directory, deep=True)
    assert [(finding.kind, finding.position) for finding in findings] == [("record-contents", position)]
    assert reports["t-0"].record_count == 50


@pytest.mark.parametrize(
    ("position", "bits", "text"),
    [
        (7, 0x01, "where no batch begins"),
        (3, 0x40, "does not lie above the one before it|beyond the log|at which no batch ends|the batch at"),
        (2, 0x10, "does not lie above|beyond the log|at which no batch ends"),
    ],
)
def test_an_offset_index_that_lies(directory: Path, position: int, bits: int, text: str) -> None:
    path = segment(directory, 0, ".index")
    assert path.stat().st_size > 16
    flip(path, position, bits)
    findings, reports = verified(directory)
    assert findings
    for finding in findings:
        assert (finding.kind, finding.path) == ("index-untrue", str(path))
    assert any(part in finding.text for finding in findings for part in text.split("|"))
    assert reports["t-0"].first_damage is None


def test_an_index_entry_behind_the_log(directory: Path) -> None:
    path = segment(directory, 0, ".index")
    size = path.stat().st_size
    with open(path, "ab") as file:
        file.write(struct.pack(">ii", 1_000, 1_000_000))
    findings, _ = verified(directory)
    assert [(finding.kind, finding.position) for finding in findings] == [("index-untrue", size)]
    assert "points at position 1000000, the log ends at" in findings[0].text


@pytest.mark.parametrize(("suffix", "kind"), [(".index", "index-torn"), (".timeindex", "index-torn")])
def test_a_torn_index(directory: Path, suffix: str, kind: str) -> None:
    path = segment(directory, 0, suffix)
    with open(path, "ab") as file:
        file.write(b"\0\0\1")
    findings, _ = verified(directory)
    assert [(finding.severity, finding.kind, finding.path) for finding in findings] == [(WARNING, kind, str(path))]


def test_the_zeros_of_an_open_index_are_no_damage(directory: Path) -> None:
    for suffix, size in ((".index", 10_485_760), (".timeindex", 10_485_756)):
        with open(segment(directory, -1, suffix), "r+b") as file:
            file.truncate(size)
    assert verified(directory)[0] == []


def test_a_time_index_that_lies(directory: Path) -> None:
    path = segment(directory, 0, ".timeindex")
    flip(path, 7, 0x02)
    findings, _ = verified(directory)
    assert {(finding.kind, finding.path) for finding in findings} == {("time-index-untrue", str(path))}
    assert "says timestamp" in findings[0].text


def test_a_time_index_that_hides_a_later_record(directory: Path) -> None:
    path = segment(directory, 0, ".timeindex")
    entries = list(struct.iter_unpack(">qi", path.read_bytes()))
    assert len(entries) > 1
    path.write_bytes(struct.pack(">qi", entries[0][0], entries[-1][1]))
    findings, _ = verified(directory)
    assert [finding.kind for finding in findings] == ["time-index-untrue"]


def txn_index(directory: Path) -> Path:
    return sorted((directory / "t-0").glob("*.txnindex"))[0]


def drop_file(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (drop_file, "aborted at"),
        (lambda path: flip(path, 9), "no marker of producer|aborted at"),
        (lambda path: flip(path, 17), "began at"),
        (lambda path: flip(path, 25), "no marker of producer"),
        (lambda path: flip(path, 1), "cannot be: version 1"),
    ],
)
def test_a_transaction_index_that_lies(directory: Path, change: Change, text: str) -> None:
    path = txn_index(directory)
    change(path)
    findings, _ = verified(directory)
    assert {(finding.kind, finding.path) for finding in findings} == {("txn-index-untrue", str(path))}
    assert any(part in finding.text for finding in findings for part in text.split("|"))


def test_a_torn_transaction_index(directory: Path) -> None:
    with open(txn_index(directory), "ab") as file:
        file.write(b"\0")
    assert [finding.kind for finding in verified(directory)[0]] == ["txn-index-torn"]


def snapshot(directory: Path) -> Path:
    return sorted((directory / "t-0").glob("*.snapshot"))[-1]


def test_a_snapshot_whose_checksum_is_wrong(directory: Path) -> None:
    flip(snapshot(directory), 20)
    findings, _ = verified(directory)
    assert [(finding.kind, finding.path) for finding in findings] == [("snapshot-corrupt", str(snapshot(directory)))]


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("epoch", 3, "producer 7: epoch 3, the log says 0"),
        ("txn_first_offset", 4, "first offset of its open transaction 4, the log says"),
    ],
)
def test_a_snapshot_that_the_log_contradicts(directory: Path, field: str, value: int, text: str) -> None:
    (producer,) = decode_snapshot(snapshot(directory).read_bytes())
    setattr(producer, field, value)
    snapshot(directory).write_bytes(encode_snapshot({7: producer}))
    findings, _ = verified(directory)
    assert [finding.kind for finding in findings] == ["snapshot-untrue"]
    assert text in findings[0].text


def test_a_snapshot_that_forgot_an_open_transaction(tmp_path: Path) -> None:
    directory = kwire_directory(tmp_path, open_end=True)
    assert verified(directory)[0] == []
    snapshot(directory).write_bytes(encode_snapshot({}))
    findings, _ = verified(directory)
    assert [finding.kind for finding in findings] == ["snapshot-untrue"]
    assert "producer 7 is missing, its transaction is open since offset" in findings[0].text


def test_a_snapshot_beyond_the_log(directory: Path) -> None:
    path = directory / "t-0" / offset_name(5_000, ".snapshot")
    path.write_bytes(encode_snapshot({}))
    findings, _ = verified(directory)
    assert [(finding.severity, finding.kind) for finding in findings] == [(WARNING, "snapshot-beyond-log")]


@pytest.mark.parametrize(
    ("contents", "kind", "text"),
    [
        (b"what\n", "epochs-corrupt", "not version, count"),
        (b"0\n2\n0 0\n2 40\n", "epochs-untrue", "epoch 1 begins at offset 20 in the log and is missing"),
        (b"0\n3\n0 0\n1 21\n2 40\n", "epochs-untrue", "epoch 1 begins at offset 21, in the log at 20"),
        (b"0\n4\n0 0\n1 20\n2 40\n3 60\n", "epochs-untrue", "epoch 3 begins at offset 60, the log ends at 50"),
        (b"0\n3\n0 0\n2 40\n1 20\n", "epochs-untrue", "comes after epoch 2"),
    ],
)
def test_leader_epochs_that_are_wrong(directory: Path, contents: bytes, kind: str, text: str) -> None:
    (directory / "t-0" / "leader-epoch-checkpoint").write_bytes(contents)
    findings, _ = verified(directory)
    assert findings[0].kind == kind
    assert any(text in finding.text for finding in findings)


def test_missing_files_are_warnings(directory: Path) -> None:
    (directory / "t-0" / "leader-epoch-checkpoint").unlink()
    segment(directory, 0, ".index").unlink()
    segment(directory, 0, ".timeindex").unlink()
    (directory / META_PROPERTIES).unlink()
    findings, _ = verified(directory)
    assert {finding.severity for finding in findings} == {WARNING}
    assert sorted(finding.kind for finding in findings) == [
        "epochs-missing",
        "identity-missing",
        "index-missing",
        "index-missing",
    ]


def test_an_index_without_its_log(directory: Path) -> None:
    (directory / "t-0" / offset_name(900, ".timeindex")).write_bytes(b"")
    assert [finding.kind for finding in verified(directory)[0]] == ["orphan"]


@pytest.mark.parametrize("name", [RECOVERY_POINTS, HIGH_WATERMARKS])
def test_a_checkpoint_beyond_its_log(directory: Path, name: str) -> None:
    (directory / name).write_text("0\n1\nt 0 5000\n")
    findings, _ = verified(directory)
    assert [(finding.kind, finding.path) for finding in findings] == [("checkpoint-untrue", str(directory / name))]
    assert "t-0 has offset 5000, its log ends at 50" in findings[0].text


@pytest.mark.parametrize(("contents", "kind"), [("0\n7\nt 0 1\n", "checkpoint-corrupt"), ("x", "checkpoint-corrupt")])
def test_a_corrupt_checkpoint(directory: Path, contents: str, kind: str) -> None:
    (directory / RECOVERY_POINTS).write_text(contents)
    assert [finding.kind for finding in verified(directory)[0]] == [kind]


@pytest.mark.parametrize("contents", ["broker.id=x\nversion=0\ncluster.id=c\n", "version=3\n"])
def test_a_corrupt_identity(directory: Path, contents: str) -> None:
    (directory / META_PROPERTIES).write_text(contents)
    assert [finding.kind for finding in verified(directory)[0]] == ["identity-corrupt"]


def test_topic_ids(directory: Path) -> None:
    metadata = directory / "t-0" / "partition.metadata"
    other = directory / "t-1"
    other.mkdir()
    (other / offset_name(0, ".log")).write_bytes(b"")
    (other / "partition.metadata").write_text("version: 0\ntopic_id: rWgBNTM6TA6a5Y5TpEV5eA")
    assert [finding.kind for finding in verified(directory)[0]] == ["topic-id-differs"]
    metadata.write_text("what")
    assert [finding.kind for finding in verified(directory)[0]] == ["topic-id-corrupt"]


def test_names_that_mean_something(directory: Path) -> None:
    (directory / "no partition").mkdir()
    (directory / ("t-1." + "0" * 32 + "-stray")).mkdir()
    (directory / "t-0" / (offset_name(0, ".log") + ".swap")).write_bytes(b"")
    (directory / "t-0" / (offset_name(0, ".log") + ".deleted")).write_bytes(b"")
    (directory / "t-0" / "notes.txt").write_bytes(b"")
    (directory / "t-0" / FUTURE_NOTE).write_bytes(b"0" * 32)
    verification = DirectoryVerification(str(directory), deep=False)
    (report,) = verification.partitions()
    told = {(finding.kind, finding.severity, Path(finding.path).name) for finding in report.findings}
    told |= {(finding.kind, finding.severity, Path(finding.path).name) for finding in verification.finish()}
    assert told == {
        ("alien", WARNING, "no partition"),
        ("marked", "note", "t-1." + "0" * 32 + "-stray"),
        ("left-over", WARNING, offset_name(0, ".log") + ".swap"),
        ("left-over", "note", offset_name(0, ".log") + ".deleted"),
        ("alien", "note", "notes.txt"),
    }


def test_a_partition_in_two_directories(directory: Path) -> None:
    report = verify_partition(str(directory / "t-0"), clean=True, deep=False)
    (finding,) = twice_held([report, report])
    assert finding.kind == "twice"
    assert twice_held([report]) == []


def test_every_single_flipped_bit_of_a_segment_is_found(directory: Path) -> None:
    """Whatever the checksum covers, and lengths, magics and offsets before it."""
    path = segment(directory, 0)
    original = path.read_bytes()
    position, header = headers(path)[1]
    missed = []
    for at in range(position, position + header.size):
        flip(path, at, 0x10)
        findings, _ = verified(directory)
        if not any(finding.severity == DAMAGE for finding in findings):
            missed.append(at - position)
        path.write_bytes(original)
    assert missed == []


def test_the_remedy_for_indexes_works(directory: Path) -> None:
    flip(segment(directory, 0, ".timeindex"), 7, 0x02)
    assert {finding.kind for finding in verified(directory)[0]} == {"time-index-untrue"}
    segment(directory, 0, ".index").unlink()
    reopen(directory)
    assert verified(directory, deep=True)[0] == []


def test_the_remedy_for_transaction_indexes_works(directory: Path) -> None:
    txn_index(directory).unlink()
    assert {finding.kind for finding in verified(directory)[0]} == {"txn-index-untrue"}
    (directory / ".kafka_cleanshutdown").unlink()
    (directory / RECOVERY_POINTS).unlink()
    reopen(directory)
    assert verified(directory, deep=True)[0] == []


def reopen(directory: Path) -> None:
    """Start on the directory, use the log, stop cleanly."""
    settings = config(segment_bytes=1200, index_interval_bytes=100)
    manager = open_manager(directory, settings=settings)
    log = manager.get(TopicPartition("t", 0))
    assert log is not None
    log.load()
    assert log.log_end_offset == 50
    manager.close()


def test_the_remedy_for_a_snapshot_works(directory: Path) -> None:
    flip(snapshot(directory), 20)
    snapshot(directory).unlink()
    manager = open_manager(directory)
    log = manager.get(TopicPartition("t", 0))
    assert log is not None
    assert log.producers.entries[7].last_sequence == 19
    manager.close()
    assert verified(directory)[0] == []


def test_partitions_that_a_checkpoint_lists_and_nobody_has(directory: Path) -> None:
    (directory / HIGH_WATERMARKS).write_text("0\n3\nt 0 50\nt 1 0\nt 2 0\n")
    verification = DirectoryVerification(str(directory), deep=False)
    list(verification.partitions())
    (note,) = verification.finish()
    assert (note.severity, note.kind) == ("note", "checkpoint-stray")
    assert note.text == "t-1 and 1 others are listed without a directory"
