"""A copy of Kafka's directory becomes a data directory of ours: every record, offset, group and id is served."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from kwire.adoption import AdoptionError, adopt
from kwire.clock import ManualClock, SystemClock
from kwire.cluster.embedded_store import METADATA_FILE_NAME, EmbeddedStore
from kwire.cluster.producer_ids import ProducerIdManager
from kwire.log.checkpoints import (
    CLEANER_POINTS,
    HIGH_WATERMARKS,
    LOG_STARTS,
    META_PROPERTIES,
    RECOVERY_POINTS,
    parse_offsets,
    render_offsets,
)
from kwire.log.directory import RECOVERING
from kwire.log.files import Files
from kwire.log.offline.catalog import DataDirectory, read_directory
from kwire.log.offline.verify_directory import DirectoryVerification
from tests.log.building import NOW, TOPIC_ID, TP, config, crash, open_manager
from tests.log.offline.directories import append_transaction, fingerprint, kafka_samples
from tests.log.relocating import begun, copied, filled


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return kafka_samples(tmp_path / "samples") / "clean-stop"


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.glob("*-*/*")}


def test_the_copy_is_complete_and_the_source_untouched(source: Path, tmp_path: Path) -> None:
    before = fingerprint(source)
    target = tmp_path / "copy"
    copied: list[str] = []
    done = adopt(
        [read_directory(str(source))],
        target,
        ManualClock(NOW),
        on_copied=lambda stored: copied.append(str(stored.partition)),
    )
    assert fingerprint(source) == before
    assert contents(target) == contents(source)
    assert len(copied) == len(done.topics) == 8
    assert (done.broker_id, done.cluster_id, done.was_clean) == (3, "25t3LOi2TPu8DxUcoebj8A", True)
    assert (target / ".kafka_cleanshutdown").exists()
    settings = {topic.name: topic.overrides for topic in done.topics}
    assert settings["compacted"] == {"cleanup.policy": "compact"}
    assert settings["roll"] == {"retention.ms": "-1"}
    assert settings["__consumer_offsets"]["cleanup.policy"] == "compact"
    verification = DirectoryVerification(str(target), deep=True)
    assert not [finding for report in verification.partitions() for finding in report.findings]
    assert not verification.finish()


def test_producer_ids_go_on_behind_the_largest_that_was_given_out(source: Path, tmp_path: Path) -> None:
    adopt([read_directory(str(source))], tmp_path / "copy", ManualClock(NOW), max_producer_id=4_321)

    async def next_id() -> int:
        store = EmbeddedStore(tmp_path / "copy" / METADATA_FILE_NAME, SystemClock())
        try:
            return await ProducerIdManager(store.session(), 3).next_id()
        finally:
            store.close()

    assert asyncio.run(next_id()) == 5_000


def test_a_topic_with_holes_and_own_settings(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source / "roll-0", source / "roll-3")
    done = adopt(
        [read_directory(str(source))],
        tmp_path / "copy",
        ManualClock(NOW),
        only=["roll"],
        overrides={"roll": {"retention.ms": "5", "segment.bytes": "2000000"}},
    )
    (topic,) = done.topics
    assert (topic.partition_count, topic.missing) == (4, [1, 2])
    assert topic.overrides == {"retention.ms": "5", "segment.bytes": "2000000"}
    assert sorted(path.name for path in (tmp_path / "copy").glob("*-?")) == ["roll-0", "roll-3"]


def test_holes_in_files_are_not_filled(source: Path, tmp_path: Path) -> None:
    with open(source / "roll-0" / f"{41:020d}.index", "r+b") as file:
        file.truncate(10_485_760)
    adopt([read_directory(str(source))], tmp_path / "copy", ManualClock(NOW), only=["roll"])
    stat = (tmp_path / "copy" / "roll-0" / f"{41:020d}.index").stat()
    assert stat.st_size == 10_485_760
    assert stat.st_blocks * 512 < 1_000_000


def refused(sources: list[DataDirectory], target: Path, **how: object) -> str:
    existed = target.exists()
    with pytest.raises(AdoptionError) as raised:
        adopt(sources, target, ManualClock(NOW), **how)  # type: ignore[arg-type]
    assert target.exists() == existed
    return str(raised.value)


def test_what_cannot_be_taken_over_is_refused_before_anything_is_written(source: Path, tmp_path: Path) -> None:
    found = read_directory(str(source))
    target = tmp_path / "copy"
    assert "topic nothing is in none" in refused([found], target, only=["nothing"])
    assert "there is no topic" in refused([found._replace(partitions=[])], target)
    assert "in two of the directories" in refused([found, found], target)
    assert "different brokers" in refused([found, found._replace(broker_id=4)], target)
    assert "topic roll: " in refused([found], target, only=["roll"], overrides={"roll": {"retention.ms": "soon"}})
    assert "is not empty" in refused([found], source)
    other = source / "roll-1"
    shutil.copytree(source / "roll-0", other)
    shutil.copy(source / "ret-0" / "partition.metadata", other)
    assert "different topic ids" in refused([read_directory(str(source))], target)


def test_checkpoints_come_from_the_directory_that_the_partition_lies_in(tmp_path: Path) -> None:
    manager, log = filled(tmp_path)
    move = begun(manager, log)
    copied(move)
    move.flush(NOW)
    manager.checkpoint(NOW)
    expected = (log.recovery_point, log.high_watermark)
    home, other = Path(manager.home_of(log).path), Path(move.target.path)
    crash(manager)
    for name in (LOG_STARTS, CLEANER_POINTS):
        (other / name).write_bytes(render_offsets({TP: 9}))
    assert parse_offsets((other / RECOVERY_POINTS).read_bytes())[TP] != expected[0]
    target = tmp_path / "copy"
    adopt([read_directory(str(each)) for each in (home, other)], target, ManualClock(NOW))
    found = [
        parse_offsets((target / name).read_bytes())
        for name in (RECOVERY_POINTS, HIGH_WATERMARKS, LOG_STARTS, CLEANER_POINTS)
    ]
    assert found == [{TP: expected[0]}, {TP: expected[1]}, {}, {}]


def test_what_an_interrupted_recovery_had_emptied_is_not_believed_of_the_copy(tmp_path: Path) -> None:
    manager = open_manager(tmp_path / "source")
    log = manager.get_or_create(TP, TOPIC_ID, config(), NOW)
    append_transaction(log, 0, [b"a"], committed=False)
    log.flush(NOW)
    manager.checkpoint(NOW)
    crash(manager)
    (tmp_path / "source" / RECOVERING).touch()
    (Path(log.directory) / f"{0:020d}.txnindex").write_bytes(b"")
    adopt([read_directory(str(tmp_path / "source"))], tmp_path / "copy", ManualClock(NOW))
    taken = open_manager(tmp_path / "copy").get(TP)
    assert taken is not None
    assert [entry.producer_id for entry in taken.aborted_transactions(0, taken.log_end_offset)] == [7]


class NotingFiles(Files):
    """Notes which directories' names were on the device when a broker's directory was made of the copy."""

    __slots__ = ("synced", "synced_first")

    def __init__(self) -> None:
        self.synced: set[str] = set()
        self.synced_first: set[str] = set()

    def sync_directory(self, path: str) -> None:
        super().sync_directory(path)
        self.synced.add(path)

    def replace_file(self, path: str, data: bytes, *, sync: bool) -> None:
        assert sync
        if path.endswith(META_PROPERTIES):
            self.synced_first = set(self.synced)
        super().replace_file(path, data, sync=sync)


def test_the_copy_is_on_the_device_before_it_is_a_brokers(source: Path, tmp_path: Path) -> None:
    files, target = NotingFiles(), tmp_path / "copy"
    adopt([read_directory(str(source))], target, ManualClock(NOW), files=files)
    assert files.synced_first == {str(tmp_path), str(target), *map(str, target.glob("*-*/"))}
