"""The broker's logs: directories, checkpoints, deletion, restarts."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.log.checkpoints import parse_offsets
from kwire.log.directory import DirectoryLockedError, DirectoryMismatchError, DirectoryUnusableError, LogDirectoryError
from kwire.log.files import Files
from kwire.log.manager import LogManager
from tests.log.building import (
    NOW,
    TOPIC_ID,
    TP,
    append,
    batch,
    config,
    crash,
    open_manager,
    read_all,
    remove_due,
    values,
)

OTHER_ID = b"\7" * 16


def test_a_first_start_writes_what_kafka_expects(tmp_path: Path) -> None:
    manager = open_manager(tmp_path / "data", now_ms=1_795_252_899_000)
    text = (tmp_path / "data" / "meta.properties").read_text()
    assert text == "#\n#Sat Nov 21 09:21:39 UTC 2026\nbroker.id=1\nversion=0\ncluster.id=kwire-test-cluster\n"
    manager.close()
    names = {path.name for path in (tmp_path / "data").iterdir()}
    assert names == {
        "meta.properties",
        ".kafka_cleanshutdown",
        "recovery-point-offset-checkpoint",
        "replication-offset-checkpoint",
        "log-start-offset-checkpoint",
    }
    assert (tmp_path / "data" / "log-start-offset-checkpoint").read_text() == "0\n0\n"


def test_a_clean_stop_leaves_the_files_of_an_empty_partition(tmp_path: Path) -> None:
    manager = open_manager(tmp_path)
    manager.get_or_create(TP, TOPIC_ID, config(), NOW).assign_epoch_start(0, 0)
    manager.close()
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "t-0").iterdir()}
    assert sizes == {
        "leader-epoch-checkpoint": 8,
        "partition.metadata": 43,
        f"{0:020d}.index": 0,
        f"{0:020d}.log": 0,
        f"{0:020d}.timeindex": 0,
    }


def test_after_a_clean_stop_logs_are_opened_when_they_are_asked(tmp_path: Path) -> None:
    manager = open_manager(tmp_path)
    log = manager.get_or_create(TP, TOPIC_ID, config(), NOW)
    append(log, batch(b"a", b"b", b"c"))
    log.update_high_watermark(2)
    manager.close()
    manager = open_manager(tmp_path)
    log = manager.get_or_create(TP, TOPIC_ID, config(), NOW)
    assert (log.log_end_offset, log.high_watermark, log.recovery_point) == (3, 2, 3)
    again = open_manager_after(manager, tmp_path).get(TP)
    assert again is not None
    assert (again.log_end_offset, again.high_watermark) == (3, 2)
    again.assign_epoch_start(4, 3)
    assert not again.is_loaded
    assert again.latest_epoch == 4
    assert again.is_loaded
    assert values(read_all(again)) == [b"a", b"b", b"c"]


def open_manager_after(manager: LogManager, directory: Path) -> LogManager:
    manager.close()
    return open_manager(directory)


def test_a_log_that_nobody_asked_is_left_as_it_is_by_a_clean_stop(tmp_path: Path) -> None:
    manager = open_manager(tmp_path)
    append(manager.get_or_create(TP, TOPIC_ID, config(), NOW), batch(b"a"))
    manager.close()
    before = {path.name: path.read_bytes() for path in (tmp_path / "t-0").iterdir()}
    open_manager(tmp_path).close()
    assert {path.name: path.read_bytes() for path in (tmp_path / "t-0").iterdir()} == before
    assert parse_offsets((tmp_path / "recovery-point-offset-checkpoint").read_bytes()) == {TP: 1}


def test_a_second_broker_is_refused_until_the_first_has_stopped(tmp_path: Path) -> None:
    first = open_manager(tmp_path)
    with pytest.raises(DirectoryLockedError, match="in use by another broker"):
        open_manager(tmp_path)
    first.close()
    second = open_manager(tmp_path)
    crash(second)
    assert (tmp_path / ".lock").exists()
    open_manager(tmp_path).close()
    assert not (tmp_path / ".lock").exists()


def test_a_broker_in_another_process_is_refused(tmp_path: Path) -> None:
    first = open_manager(tmp_path)
    child = os.fork()
    if child == 0:  # pragma: no cover - runs in the child
        try:
            open_manager(tmp_path)
        except DirectoryLockedError:
            os._exit(42)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
    first.close()


@pytest.mark.parametrize(("line", "named"), [("cluster.id=other", "cluster.id other"), ("broker.id=9", "broker.id 9")])
def test_a_directory_of_another_cluster_or_broker_is_refused(tmp_path: Path, line: str, named: str) -> None:
    (tmp_path / "meta.properties").write_text(f"#\nversion=0\n{line}\n")
    with pytest.raises(DirectoryMismatchError, match=named):
        open_manager(tmp_path)
    # And its lock is free again.
    (tmp_path / "meta.properties").unlink()
    open_manager(tmp_path).close()


class UnwritableFiles(Files):
    """Refuses to open anything below one directory."""

    __slots__ = ("below",)

    def __init__(self, below: Path) -> None:
        self.below = str(below)

    def open(self, path: str, *, create: bool = False) -> object:  # type: ignore[override]
        if path.startswith(self.below):
            raise OSError(errno.EROFS, "Read-only file system")
        return super().open(path, create=create)


def test_an_unwritable_directory_is_named_and_others_go_on(tmp_path: Path) -> None:
    bad, good = tmp_path / "bad", tmp_path / "good"
    with pytest.raises(DirectoryUnusableError, match="bad cannot be used: Read-only file system"):
        open_manager(bad, files=UnwritableFiles(bad))
    manager = open_manager(bad, good, files=UnwritableFiles(bad))
    assert [directory.is_online for directory in manager.directories] == [False, True]
    log = manager.get_or_create(TP, TOPIC_ID, config(), NOW)
    assert log.directory == str(good / "t-0")


def test_a_partition_is_not_begun_anew_while_its_disk_is_away(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    manager = open_manager(one, two)
    log = manager.get_or_create(TP, TOPIC_ID, config(), NOW)
    append(log, batch(b"kept"))
    home = Path(log.directory).parent
    manager.close()
    manager = open_manager(one, two, files=UnwritableFiles(home))
    with pytest.raises(KafkaError) as error:
        manager.get_or_create(TP, TOPIC_ID, config(), NOW, is_new=False)
    assert error.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    # A topic that was just created can lie nowhere yet.
    append(manager.get_or_create(TopicPartition("new", 0), TOPIC_ID, config(), NOW, is_new=True), batch(b"v"))
    manager.close()
    log = open_manager(one, two).get_or_create(TP, TOPIC_ID, config(), NOW, is_new=False)
    assert values(read_all(log)) == [b"kept"]


def test_a_file_in_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(DirectoryUnusableError, match="data cannot be used"):
        open_manager(tmp_path / "data")


def test_partitions_spread_over_directories_and_a_doubled_one_is_refused(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    manager = open_manager(one, two)
    for index in range(6):
        append(manager.get_or_create(TopicPartition("t", index), TOPIC_ID, config(), NOW), batch(b"v"))
    manager.close()
    assert len(list(one.glob("t-*"))) == len(list(two.glob("t-*"))) == 3
    manager = open_manager(one, two)
    assert len(list(manager.logs())) == 6
    manager.close()
    (two / next(one.glob("t-*")).name).mkdir()
    with pytest.raises(LogDirectoryError, match="is in two log directories"):
        open_manager(one, two)


def test_alien_names_are_ignored(tmp_path: Path) -> None:
    for name in ("lost+found", "no-number-x", "-1", "x.0123456789abcdef0123456789abcdef-future"):
        (tmp_path / name).mkdir()
    (tmp_path / "file-0").write_text("")
    manager = open_manager(tmp_path)
    assert list(manager.logs()) == []


@pytest.mark.parametrize("clean", [True, False])
def test_a_directory_that_only_looks_like_a_partition_is_left_as_it_is(tmp_path: Path, clean: bool) -> None:
    open_manager(tmp_path).close(clean=clean)
    backup = tmp_path / "backup-2024"
    backup.mkdir()
    (backup / "notes.txt").write_text("mine")
    manager = open_manager(tmp_path)
    sum(manager.retain(log, NOW) for log in manager.logs())
    manager.checkpoint(NOW)
    manager.close()
    assert [path.name for path in backup.iterdir()] == ["notes.txt"]


def test_a_deleted_log_is_renamed_then_removed(tmp_path: Path) -> None:
    manager = open_manager(tmp_path, settings=config(file_delete_delay_ms=1000))
    append(manager.get_or_create(TP, TOPIC_ID, config(file_delete_delay_ms=1000), NOW), batch(b"v"))
    manager.delete([TP], NOW)
    assert manager.get(TP) is None
    (aside,) = tmp_path.glob("t-0*")
    assert aside.name == f"t-0.{'0' * 32}-delete"
    assert remove_due(manager, NOW + 999) == 0
    assert aside.exists()
    # The topic may come again meanwhile.
    assert append(manager.get_or_create(TP, OTHER_ID, config(), NOW), batch(b"new")).first_offset == 0
    assert remove_due(manager, NOW + 1000) == 1
    assert not aside.exists()
    assert remove_due(manager, NOW + 5000) == 0


def test_a_deletion_goes_on_after_a_restart(tmp_path: Path) -> None:
    manager = open_manager(tmp_path, settings=config())
    append(manager.get_or_create(TP, TOPIC_ID, config(), NOW), batch(b"v"))
    manager.delete([TP], NOW)
    crash(manager)
    manager = open_manager(tmp_path, now_ms=NOW + 5)
    assert list(manager.logs()) == []
    assert remove_due(manager, NOW + 5 + 60_000) == 1
    assert not list(tmp_path.glob("t-0*"))


def test_deleting_a_log_that_was_never_written_or_is_not_there(tmp_path: Path) -> None:
    manager = open_manager(tmp_path)
    manager.get_or_create(TP, TOPIC_ID, config(), NOW)
    manager.delete([TP], NOW)
    manager.delete([TP], NOW)
    assert manager.get(TP) is None
    assert remove_due(manager, NOW + 60_000) == 0


@pytest.mark.parametrize("clean", [True, False])
def test_a_log_of_a_deleted_topic_of_the_same_name_is_put_aside(tmp_path: Path, clean: bool) -> None:
    manager = open_manager(tmp_path)
    append(manager.get_or_create(TP, TOPIC_ID, config(), NOW), batch(b"old"))
    manager.close(clean=clean)
    manager = open_manager(tmp_path)
    log = manager.get_or_create(TP, OTHER_ID, config(), NOW)
    assert log.log_end_offset == 0
    append(log, batch(b"new"))
    assert values(read_all(log)) == [b"new"]
    assert len(list(tmp_path.glob("t-0.*-stray"))) == 1


def test_checkpoints_hold_what_logs_say(tmp_path: Path) -> None:
    manager = open_manager(tmp_path)
    log = manager.get_or_create(TP, TOPIC_ID, config(), NOW)
    for _ in range(4):
        append(log, batch(b"v"))
    log.update_high_watermark(3)
    log.delete_records(2)
    manager.checkpoint_high_watermarks()
    assert parse_offsets((tmp_path / "replication-offset-checkpoint").read_bytes()) == {TP: 3}
    manager.checkpoint(NOW)
    assert (tmp_path / "log-start-offset-checkpoint").read_text() == "0\n1\nt 0 2\n"
    assert (tmp_path / "recovery-point-offset-checkpoint").read_text() == "0\n1\nt 0 0\n"
    assert not (tmp_path / "t-0" / "leader-epoch-checkpoint").exists()
    log.flush(NOW)
    assert (tmp_path / "t-0" / "leader-epoch-checkpoint").read_text() == "0\n1\n0 2\n"
    crash(manager)
    manager = open_manager(tmp_path)
    again = manager.get(TP)
    assert again is not None
    assert (again.log_start_offset, again.high_watermark, again.log_end_offset) == (2, 3, 4)
    manager.close()
    manager = open_manager(tmp_path)
    manager.close()
    assert (tmp_path / "log-start-offset-checkpoint").read_text() == "0\n1\nt 0 2\n"


@pytest.mark.parametrize("killed_before", [False, True])
def test_a_new_topic_does_not_inherit_the_log_start_of_a_deleted_one(tmp_path: Path, killed_before: bool) -> None:
    manager = open_manager(tmp_path)
    log = manager.get_or_create(TP, TOPIC_ID, config(), NOW)
    for _ in range(9):
        append(log, batch(b"old"))
    log.update_high_watermark(9)
    log.delete_records(8)
    manager.checkpoint(NOW)
    manager.delete([TP], NOW)
    if killed_before:
        crash(manager)
        manager = open_manager(tmp_path)
    append(manager.get_or_create(TP, OTHER_ID, config(), NOW), batch(b"new"))
    crash(manager)
    log = open_manager(tmp_path).get_or_create(TP, OTHER_ID, config(), NOW)
    assert (log.log_start_offset, log.log_end_offset) == (0, 1)
    assert values(read_all(log)) == [b"new"]


def test_a_damaged_checkpoint_costs_a_longer_recovery_only(tmp_path: Path) -> None:
    manager = open_manager(tmp_path)
    append(manager.get_or_create(TP, TOPIC_ID, config(), NOW), batch(b"v"))
    manager.close()
    (tmp_path / "recovery-point-offset-checkpoint").write_text("0\n7\nt 0")
    manager = open_manager(tmp_path)
    log = manager.get(TP)
    assert log is not None
    assert log.log_end_offset == 1


class FullFiles(Files):
    """Has no room left for small files, once armed; or no descriptor for opening one."""

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: OSError | None = None

    def create_file(self, path: str, data: bytes) -> None:
        if self.error is not None:
            raise self.error
        super().create_file(path, data)

    def entries(self, path: str) -> list[tuple[str, int]]:
        if self.error is not None:
            raise self.error
        return super().entries(path)


@pytest.mark.parametrize("which", ["checkpoint", "high watermarks"])
def test_a_disk_without_room_for_a_checkpoint_takes_its_logs_offline(tmp_path: Path, which: str) -> None:
    files = FullFiles()
    manager = open_manager(tmp_path, files=files)
    log = manager.get_or_create(TP, TOPIC_ID, config(), NOW)
    append(log, batch(b"kept"))
    files.error = OSError(errno.ENOSPC, "No space left on device")
    if which == "checkpoint":
        manager.checkpoint(NOW)
    else:
        manager.checkpoint_high_watermarks()
    assert not manager.directories[0].is_online
    with pytest.raises(KafkaError) as error:
        append(log, batch(b"refused"))
    assert error.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    files.error = None
    manager.close()
    assert not (tmp_path / ".kafka_cleanshutdown").exists()
    again = open_manager(tmp_path).get(TP)
    assert again is not None
    assert values(read_all(again)) == [b"kept"]


def test_a_log_that_could_not_be_recovered_is_recovered_by_the_next_start(tmp_path: Path) -> None:
    manager = open_manager(tmp_path)
    append(manager.get_or_create(TP, TOPIC_ID, config(), NOW), batch(b"kept"))
    crash(manager)
    files = FullFiles()
    files.error = OSError(errno.EMFILE, "Too many open files")
    manager = open_manager(tmp_path, files=files)
    files.error = None
    manager.close()
    assert not (tmp_path / ".kafka_cleanshutdown").exists()
    again = open_manager(tmp_path).get_or_create(TP, TOPIC_ID, config(), NOW)
    assert (again.log_end_offset, values(read_all(again))) == (1, [b"kept"])


def test_a_deleted_log_tells_nothing_about_the_disk(tmp_path: Path) -> None:
    manager = open_manager(tmp_path)
    old = manager.get_or_create(TP, TOPIC_ID, config(), NOW)
    append(old, batch(b"old"))
    manager.delete([TP], NOW)
    append(manager.get_or_create(TP, OTHER_ID, config(), NOW), batch(b"new"))
    with pytest.raises(KafkaError):
        append(old, batch(b"late"))
    assert manager.directories[0].is_online


def test_flush_ms(tmp_path: Path) -> None:
    settings = config(flush_ms=100)
    manager = open_manager(tmp_path, settings=settings)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    append(log, batch(b"v"))
    assert manager.flush_due(NOW + 99) == 0
    assert log.recovery_point == 0
    assert manager.flush_due(NOW + 100) == 1
    assert log.recovery_point == 1
    assert manager.flush_due(NOW + 1000) == 0


def test_a_damaged_log_does_not_keep_retention_from_the_others(tmp_path: Path) -> None:
    settings = config(retention_ms=1000, index_interval_bytes=0)
    manager = open_manager(tmp_path, settings=settings)
    names = [TopicPartition("t", index) for index in range(3)]
    for name in names:
        log = manager.get_or_create(name, TOPIC_ID, settings, NOW)
        for _ in range(3):
            append(log, batch(b"v"))
        log.update_high_watermark(3)
    manager.close()
    manager = open_manager(tmp_path, settings=settings)
    logs = {name: manager.get_or_create(name, TOPIC_ID, settings, NOW) for name in names}
    assert [log.log_start_offset for log in logs.values()] == [0, 0, 0]
    damaged = Path(logs[TP].segments.active.log_path)
    damaged.write_bytes(b"\xa5" * damaged.stat().st_size)
    assert sum(manager.retain(log, NOW + 2000) for log in manager.logs()) == 2
    assert [logs[name].log_start_offset for name in names[1:]] == [3, 3]


def test_a_damaged_log_does_not_keep_the_others_from_closing(tmp_path: Path) -> None:
    manager = open_manager(tmp_path)
    names = [TopicPartition("t", index) for index in range(3)]
    for name in names:
        append(manager.get_or_create(name, TOPIC_ID, config(), NOW), batch(b"v"))
    manager.close()
    manager = open_manager(tmp_path)
    logs = [manager.get_or_create(name, TOPIC_ID, config(), NOW) for name in names]
    assert [log.log_start_offset for log in logs] == [0, 0, 0]
    damaged = Path(logs[0].segments.active.log_path)
    damaged.write_bytes(b"\xa5" * damaged.stat().st_size)
    manager.close()
    assert not (tmp_path / ".lock").exists()
    assert not (tmp_path / ".kafka_cleanshutdown").exists()
    manager = open_manager(tmp_path)
    found = [manager.get_or_create(name, TOPIC_ID, config(), NOW) for name in names]
    assert [values(read_all(log)) for log in found] == [[], [b"v"], [b"v"]]


def test_producers_expire(tmp_path: Path) -> None:
    manager = open_manager(tmp_path)
    log = manager.get_or_create(TP, TOPIC_ID, config(), NOW)
    append(log, batch(b"v", producer_id=5, producer_epoch=0, base_sequence=0))
    assert manager.expire_producers(NOW + 999, 1000) == 0
    assert manager.expire_producers(NOW + 1000, 1000) == 1
    assert append(log, batch(b"v", producer_id=5, producer_epoch=0, base_sequence=7)).first_offset == 1


def test_no_directory_online_is_a_storage_error(tmp_path: Path) -> None:
    manager = open_manager(tmp_path)
    manager.directories[0].fail(OSError(errno.EIO, "Input/output error"))
    with pytest.raises(KafkaError) as error:
        manager.get_or_create(TP, TOPIC_ID, config(), NOW)
    assert error.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    manager.close()
    assert not (tmp_path / ".kafka_cleanshutdown").exists()


def test_many_logs_are_closed_at_once_and_all_come_back(tmp_path: Path) -> None:
    manager = open_manager(tmp_path)
    for index in range(40):
        log = manager.get_or_create(TopicPartition("t", index), TOPIC_ID, config(), NOW)
        for _ in range(index % 3):
            append(log, batch(b"v%d" % index))
    manager.close()
    manager = open_manager(tmp_path)
    for index in range(40):
        found = manager.get(TopicPartition("t", index))
        assert found is not None
        assert values(read_all(found)) == [b"v%d" % index] * (index % 3)
