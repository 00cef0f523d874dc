"""Data directories that Apache Kafka 3.9.2 wrote, opened as our own, and files of ours beside them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kwire.ids import TopicPartition
from kwire.log.checkpoints import parse_partition_metadata
from kwire.log.files import FILES
from kwire.log.log import Log
from kwire.log.manager import LogManager
from kwire.log.offset_index import OffsetIndex
from kwire.log.producer_snapshot import decode_snapshot, encode_snapshot
from kwire.log.txn_index import AbortedTransaction
from kwire.wire.record_batch import batches
from tests.archives import unpack
from tests.log.building import NOW, append, batch, config, crash, read_all

SAMPLES = Path(__file__).parent / "samples" / "kafka-3.9.2.tar.gz"
CLUSTER = "25t3LOi2TPu8DxUcoebj8A"


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    return unpack(SAMPLES, tmp_path / "samples")


def opened(directory: Path, **overrides: object) -> LogManager:
    settings = config(**overrides)
    manager = LogManager(
        [directory], default_config=settings, config_for=lambda topic: settings, broker_id=3, cluster_id=CLUSTER
    )
    manager.open(NOW)
    return manager


def log_of(manager: LogManager, topic: str) -> Log:
    log = manager.get(TopicPartition(topic, 0))
    assert log is not None
    return log


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize(
    ("topic", "start", "end", "record_count"),
    [
        ("mini2", 0, 31, 31),
        ("roll", 0, 60, 60),
        ("ret", 90, 105, 15),
        ("lat", 0, 2, 2),
        ("txn2", 0, 14, 14),
        ("__consumer_offsets", 0, 10, 10),
        ("__transaction_state", 0, 30, 30),
    ],
)
def test_a_clean_directory_is_read_to_its_last_record(
    samples: Path, topic: str, start: int, end: int, record_count: int
) -> None:
    log = log_of(opened(samples / "clean-stop"), topic)
    assert (log.log_start_offset, log.log_end_offset) == (start, end)
    records = read_all(log)
    assert [record.offset for record in records] == list(range(end - record_count, end))


def test_a_compacted_log_is_read_across_its_gaps(samples: Path) -> None:
    log = log_of(opened(samples / "clean-stop"), "compacted")
    offsets = [record.offset for record in read_all(log)]
    assert offsets == sorted(set(offsets))
    assert offsets[-1] == 199
    assert log.log_end_offset == 200
    assert len(offsets) < 60


@pytest.mark.parametrize("topic", ["mini2", "roll", "ret", "lat", "compacted", "__consumer_offsets", "txn2"])
def test_opening_reading_and_closing_cleanly_changes_no_file_of_a_partition(samples: Path, topic: str) -> None:
    directory = samples / "clean-stop"
    before = contents(directory / f"{topic}-0")
    manager = opened(directory)
    read_all(log_of(manager, topic))
    manager.close()
    after = contents(directory / f"{topic}-0")
    # Kafka, too, keeps of snapshots that belong to no segment the newest only.
    stray = {"00000000000000000013.snapshot"} if topic == "txn2" else set()
    assert after == {name: data for name, data in before.items() if name not in stray}


def test_a_clean_stop_leaves_the_same_recovery_points_and_marker(samples: Path) -> None:
    directory = samples / "clean-stop"
    point_lines = set((directory / "recovery-point-offset-checkpoint").read_text().splitlines()[2:])
    manager = opened(directory)
    assert not (directory / ".kafka_cleanshutdown").exists()
    assert (directory / ".lock").exists()
    manager.close()
    assert point_lines <= set((directory / "recovery-point-offset-checkpoint").read_text().splitlines()[2:])
    assert (directory / ".kafka_cleanshutdown").read_bytes() == b'{"version":0,"brokerEpoch":-1}'
    assert not (directory / ".lock").exists()


@pytest.mark.parametrize(
    ("topic", "interval"), [("mini2", 1), ("roll", 256), ("ret", 4096), ("__consumer_offsets", 4096)]
)
def test_indexes_made_anew_by_recovery_are_kafkas_byte_for_byte(samples: Path, topic: str, interval: int) -> None:
    directory = samples / "clean-stop"
    for name in (".kafka_cleanshutdown", "recovery-point-offset-checkpoint"):
        (directory / name).unlink()
    partition = directory / f"{topic}-0"
    kinds = (".index", ".timeindex", ".txnindex")
    before = {path.name: path.read_bytes() for path in partition.iterdir() if path.suffix in kinds}
    for path in partition.iterdir():
        if path.suffix in kinds:
            path.unlink()
    opened(directory, index_interval_bytes=interval)
    after = {path.name: path.read_bytes() for path in partition.iterdir() if path.suffix in kinds}
    assert after == before


def test_appending_what_kafka_was_sent_writes_what_kafka_wrote(samples: Path, tmp_path: Path) -> None:
    """The same batches, given again with base offset 0, leave the same log, indexes, epochs and snapshot."""
    settings = config(segment_bytes=1024, index_interval_bytes=256)
    kafka = samples / "clean-stop" / "roll-0"
    data = b"".join(path.read_bytes() for path in sorted(kafka.glob("*.log")))
    manager = LogManager(
        [tmp_path / "ours"], default_config=settings, config_for=lambda topic: settings, broker_id=3, cluster_id=CLUSTER
    )
    manager.open(NOW)
    topic_id = parse_partition_metadata((kafka / "partition.metadata").read_bytes())
    ours = manager.get_or_create(TopicPartition("roll", 0), topic_id, settings, NOW)
    for position, header in batches(data):
        produced = bytearray(data[position : position + header.size])
        produced[0:8] = bytes(8)
        append(ours, produced, now_ms=header.max_timestamp)
    manager.close()
    assert contents(tmp_path / "ours" / "roll-0") == contents(kafka)


def test_the_state_after_kill_9_is_recovered(samples: Path) -> None:
    directory = samples / "kill-9"
    partition = directory / "txn2-0"
    for suffix, size in ((".index", 10_485_760), (".timeindex", 10_485_756)):
        with open(partition / f"{2:020d}{suffix}", "r+b") as file:
            file.truncate(size)
    names = [f"{2:020d}{suffix}" for suffix in (".index", ".timeindex", ".txnindex")]
    before = {name: (partition / name).read_bytes().rstrip(b"\0") for name in names}
    log = log_of(opened(directory, index_interval_bytes=64), "txn2")
    # Kafka's own entries; ours of the time index gets the last one of a closed segment as well.
    for name in names:
        assert (partition / name).read_bytes().startswith(before[name])
    assert log.log_end_offset == 13
    assert log.aborted_transactions(0, 13) == [
        AbortedTransaction(1001, 3, 5, 6),
        AbortedTransaction(1001, 9, 11, 12),
    ]
    log.update_high_watermark(13)
    assert log.last_stable_offset == 12
    assert (partition / f"{2:020d}.index").stat().st_size == 56


def test_kafkas_producer_snapshots_are_read_and_written_back(samples: Path) -> None:
    snapshots = sorted((samples / "clean-stop").glob("*/*.snapshot"))
    assert len(snapshots) > 10
    for path in snapshots:
        entries = decode_snapshot(path.read_bytes())
        assert encode_snapshot({entry.producer_id: entry for entry in entries}) == path.read_bytes()


def test_a_log_goes_on_where_kafka_stopped(samples: Path) -> None:
    directory = samples / "clean-stop"
    manager = opened(directory)
    log = log_of(manager, "mini2")
    info = append(log, batch(b"ours", timestamp=NOW + 50), epoch=1)
    assert info.first_offset == 31
    crash(manager)
    log = log_of(opened(directory), "mini2")
    assert [record.value for record in read_all(log)][-1] == b"ours"
    assert log.epochs.entries == [(0, 0), (1, 31)]


def test_an_index_cut_by_a_crash_amid_an_entry_is_still_read(samples: Path) -> None:
    path = samples / "clean-stop" / "mini2-0" / f"{0:020d}.index"
    whole = OffsetIndex(str(path), 0, 10_485_760, FILES, file_size=112)
    assert whole.entry_count == 14
    shutil.copy(path, path.with_suffix(".copy"))
    cut = OffsetIndex(str(path), 0, 10_485_760, FILES, file_size=109)
    assert cut.entry_count == 13
