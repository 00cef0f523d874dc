"""Which log is compacted, from where to where."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from kwire.ids import TopicPartition
from kwire.log.files import Files, OpenFile
from kwire.log.log import Log
from kwire.log.manager import LogManager
from kwire.wire.records import build_batch
from tests.log.building import NOW, TOPIC_ID, TP, append, config, crash, open_manager
from tests.log.compacting import COMPACT, compact, compacted_log, roll, survivors, write

CHECKPOINT = "cleaner-offset-checkpoint"


def filled(log: Log, count: int, *, timestamp: int = NOW) -> None:
    """One closed segment of `count` batches."""
    for n in range(count):
        write(log, [(b"%d" % n, b"v")], timestamp=timestamp, now_ms=timestamp)
    roll(log)


def another(manager: LogManager, topic: str, **options: object) -> Log:
    settings = config(**{**COMPACT, **options})
    return manager.get_or_create(TopicPartition(topic, 0), TOPIC_ID, settings, NOW)


def test_the_filthiest_log_is_chosen(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    filled(log, 10)
    compact(manager)
    filled(log, 1)
    dirty = another(manager, "dirty")
    filled(dirty, 5)
    empty = another(manager, "empty")
    plain = another(manager, "plain", cleanup_policy=["delete"])
    filled(plain, 5)
    chosen = manager.cleaner.grab_filthiest(NOW)
    assert chosen is not None
    assert chosen.log is dirty
    assert chosen.cleanable_ratio == 1.0
    assert (chosen.first_dirty_offset, chosen.first_uncleanable_offset) == (0, 5)
    following = manager.cleaner.grab_filthiest(NOW)
    assert following is not None
    assert following.log is log
    assert following.cleanable_ratio == pytest.approx(1 / 11)
    assert manager.cleaner.grab_filthiest(NOW) is None
    assert manager.cleaner.examine(empty, NOW) is None


def test_min_cleanable_dirty_ratio(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path, min_cleanable_dirty_ratio=0.5)
    filled(log, 10)
    compact(manager)
    for count in range(1, 11):
        filled(log, 1)
        assert manager.cleaner.grab_filthiest(NOW) is None, count
    filled(log, 1)
    assert manager.cleaner.grab_filthiest(NOW) is not None


def test_the_option_counts_as_it_is_now(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path, min_cleanable_dirty_ratio=1.0)
    filled(log, 3)
    assert manager.cleaner.grab_filthiest(NOW) is None
    log.config = config(**{**COMPACT, "min_cleanable_dirty_ratio": 0.9})
    assert manager.cleaner.grab_filthiest(NOW) is not None


def test_max_compaction_lag_ms_makes_a_log_due(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path, min_cleanable_dirty_ratio=1.0, max_compaction_lag_ms=1000)
    filled(log, 3)
    assert manager.cleaner.grab_filthiest(NOW + 1000) is None
    chosen = manager.cleaner.grab_filthiest(NOW + 1001)
    assert chosen is not None
    assert chosen.must_be_compacted


def test_max_compaction_lag_ms_closes_segments(tmp_path: Path) -> None:
    _, log = compacted_log(tmp_path, max_compaction_lag_ms=1000)
    write(log, [(b"a", b"1")], timestamp=NOW)
    write(log, [(b"a", b"2")], timestamp=NOW + 1000)
    assert len(log.segments) == 1
    write(log, [(b"a", b"3")], timestamp=NOW + 1001)
    assert len(log.segments) == 2
    assert config(max_compaction_lag_ms=1000).segment_ms == 604_800_000


def test_min_compaction_lag_ms_keeps_young_segments(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path, min_compaction_lag_ms=1000)
    filled(log, 2, timestamp=NOW)
    filled(log, 2, timestamp=NOW + 500)
    assert manager.cleaner.grab_filthiest(NOW + 999) is None
    chosen = manager.cleaner.examine(log, NOW + 1000)
    assert chosen is not None
    assert chosen.first_uncleanable_offset == 2
    compact(manager, NOW + 1000)
    assert manager.cleaner.first_dirty_offset(TP) == 2
    chosen = manager.cleaner.examine(log, NOW + 1500)
    assert chosen is not None
    assert (chosen.first_dirty_offset, chosen.first_uncleanable_offset) == (2, 4)


def test_nothing_beyond_the_last_stable_offset(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    filled(log, 2)
    append(
        log, build_batch([(NOW, b"t", b"1", ())], producer_id=3, producer_epoch=0, base_sequence=0, transactional=True)
    )
    log.update_high_watermark(3)
    filled(log, 2)
    filled(log, 2)
    chosen = manager.cleaner.examine(log, NOW)
    # The segment in which the open transaction begins is left as a whole.
    assert log.last_stable_offset == 2
    assert chosen is not None
    assert chosen.first_uncleanable_offset == 2
    assert not any(base >= 2 for base, _ in chosen.job(NOW).segments)


def test_the_checkpoint_outlives_the_broker(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    filled(log, 3)
    compact(manager)
    assert (tmp_path / CHECKPOINT).read_text() == "0\n1\nt 0 3\n"
    crash(manager)
    again = open_manager(tmp_path, settings=config(**COMPACT))
    assert again.cleaner.first_dirty_offset(TP) == 3
    again.delete([TP], NOW)
    assert (tmp_path / CHECKPOINT).read_text() == "0\n0\n"


@pytest.mark.parametrize("offset", [7, 1])
def test_an_impossible_checkpoint_is_set_back_to_the_start(tmp_path: Path, offset: int) -> None:
    manager, log = compacted_log(tmp_path, cleanup_policy=["compact", "delete"])
    filled(log, 3)
    filled(log, 2)
    log.log_start_offset = 2
    crash(manager)
    (tmp_path / CHECKPOINT).write_text(f"0\n1\nt 0 {offset}\n")
    manager = open_manager(tmp_path, settings=config(**COMPACT))
    found = manager.get(TP)
    assert found is not None
    found.load()
    found.log_start_offset = 2
    found.update_high_watermark(5)
    chosen = manager.cleaner.examine(found, NOW)
    assert chosen is not None
    assert chosen.first_dirty_offset == 2
    assert manager.cleaner.first_dirty_offset(TP) == 2


def test_a_truncation_makes_the_rest_dirty(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    filled(log, 3)
    filled(log, 3)
    compact(manager)
    assert manager.cleaner.first_dirty_offset(TP) == 6
    log.truncate_to(5, NOW)
    assert manager.cleaner.first_dirty_offset(TP) == 5
    log.truncate_fully_and_start_at(2, NOW)
    assert manager.cleaner.first_dirty_offset(TP) == 2


def test_work_that_was_aborted_has_no_effect(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    filled(log, 3)
    cleaner = manager.cleaner
    assert cleaner.grab_filthiest(NOW) is not None
    assert cleaner.may_take_effect(TP)
    assert not cleaner.begin_deletion(log)
    cleaner.abort(TP)
    assert not cleaner.may_take_effect(TP)
    assert cleaner.grab_filthiest(NOW) is None
    cleaner.done_cleaning(log, 3)
    assert cleaner.first_dirty_offset(TP) == 0
    assert cleaner.grab_filthiest(NOW) is not None


def test_nothing_begins_while_paused(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    filled(log, 3)
    cleaner = manager.cleaner
    assert cleaner.grab_filthiest(NOW) is not None
    cleaner.abort_and_pause(TP)
    cleaner.abort_and_pause(TP)
    assert not cleaner.may_take_effect(TP)
    cleaner.done_cleaning(log, 3)
    for _ in range(2):
        assert cleaner.grab_filthiest(NOW) is None
        assert not cleaner.begin_deletion(log)
        cleaner.resume(TP)
    assert cleaner.begin_deletion(log)
    cleaner.done_deleting(log)
    assert cleaner.grab_filthiest(NOW) is not None
    with pytest.raises(ValueError, match="not paused"):
        cleaner.resume(TP)


def test_an_uncleanable_log_is_left_alone_until_it_is_deleted(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path)
    filled(log, 3)
    manager.cleaner.mark_uncleanable(log, ValueError("damaged"))
    assert manager.cleaner.uncleanable_partitions == {TP}
    assert manager.cleaner.grab_filthiest(NOW) is None
    manager.delete([TP], NOW)
    assert manager.cleaner.uncleanable_partitions == set()
    settings = config(**COMPACT)
    fresh = manager.get_or_create(TP, bytes(reversed(TOPIC_ID)), settings, NOW)
    filled(fresh, 3)
    assert manager.cleaner.grab_filthiest(NOW) is not None


def test_a_log_that_moves_takes_its_checkpoint_with_it(tmp_path: Path) -> None:
    settings = config(**COMPACT)
    manager = open_manager(tmp_path / "a", tmp_path / "b", settings=settings)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    filled(log, 3)
    compact(manager)
    source = manager._home[TP]
    target = next(directory for directory in manager.directories if directory is not source)
    manager._home[TP] = target
    manager.cleaner.moved(TP, source, target)
    assert manager.cleaner.first_dirty_offset(TP) == 3
    assert (Path(target.path) / CHECKPOINT).read_text() == "0\n1\nt 0 3\n"
    assert (Path(source.path) / CHECKPOINT).read_text() == "0\n0\n"


class UnreadableFiles(Files):
    """A disk that cannot read the cleaner's checkpoint back."""

    __slots__ = ()

    def read_file(self, path: str) -> bytes | None:
        if path.endswith(CHECKPOINT):
            raise OSError(errno.EIO, "it cannot be read")
        return super().read_file(path)


def test_a_checkpoint_that_cannot_be_read_is_empty(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = config(**COMPACT)
    manager = open_manager(tmp_path / "one", tmp_path / "two", settings=settings, files=UnreadableFiles())
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    source = manager.home_of(log)
    target = next(each for each in manager.directories if each is not source)
    manager.rehome(log, target)
    assert "is taken as empty" in caplog.text
    assert manager.cleaner.first_dirty_offset(TP) is None
    # But what it may say of other partitions is not written over.
    filled(log, 3)
    assert manager.cleaner.grab_filthiest(NOW) is None
    assert [directory.is_online for directory in manager.directories] == [
        each is source for each in manager.directories
    ]


class DyingFiles(Files):
    """The machine dies when a partition directory is about to be renamed."""

    def rename(self, source: str, target: str) -> None:
        if "t-0" in Path(target).name:
            raise KeyboardInterrupt
        super().rename(source, target)


def test_a_log_that_is_about_to_move_is_known_to_be_compacted_in_both_places(tmp_path: Path) -> None:
    settings = config(**COMPACT)
    manager = open_manager(tmp_path / "a", tmp_path / "b", settings=settings, files=DyingFiles())
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    filled(log, 3)
    compact(manager)
    target = next(directory for directory in manager.directories if directory is not manager.home_of(log))
    manager.relocations.request(TP, target.path, NOW)
    move = manager.relocations.get(TP)
    assert move is not None
    with pytest.raises(KeyboardInterrupt):
        manager.relocations.complete(move, NOW)
    for directory in manager.directories:
        assert (Path(directory.path) / CHECKPOINT).read_text() == "0\n1\nt 0 3\n"


class UnsyncableFiles(Files):
    def sync(self, file: OpenFile) -> None:
        if CHECKPOINT in file.path:
            raise OSError(errno.EIO, "Input/output error", file.path)
        super().sync(file)


def test_nothing_is_compacted_before_the_device_knows_of_it(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path, UnsyncableFiles())
    filled(log, 3)
    assert manager.cleaner.grab_filthiest(NOW) is None
    assert log.is_failed
    assert not manager.cleaner.may_take_effect(TP)


def test_compact_and_delete_loses_old_segments_too(tmp_path: Path) -> None:
    manager, log = compacted_log(tmp_path, cleanup_policy=["compact", "delete"], retention_ms=1000)
    filled(log, 3)
    filled(log, 3, timestamp=NOW + 5000)
    compact(manager, NOW + 5000)
    assert manager.retain(log, NOW + 5000) == 0  # One segment now, whose newest record is young.
    filled(log, 1, timestamp=NOW + 9000)
    assert manager.retain(log, NOW + 9000) == 1
    assert survivors(log) == [(6, b"0", b"v")]


def test_a_crash_does_not_bring_back_what_lies_before_the_compacted_part(tmp_path: Path) -> None:
    """Nobody would look for keys in it that are there twice."""
    manager, log = compacted_log(tmp_path, cleanup_policy=["compact", "delete"])
    filled(log, 6)
    log.delete_records(4)
    assert manager.cleaner.grab_filthiest(NOW) is not None
    assert manager.cleaner.first_dirty_offset(TP) == 4
    crash(manager)
    manager = open_manager(tmp_path, settings=log.config)
    assert manager.get_or_create(TP, TOPIC_ID, log.config, NOW).log_start_offset == 4


def test_a_partition_that_moves_is_not_compacted(tmp_path: Path) -> None:
    settings = config(**COMPACT)
    manager = open_manager(tmp_path / "a", tmp_path / "b", settings=settings)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    filled(log, 3)
    begun = manager.cleaner.grab_filthiest(NOW)
    assert begun is not None
    target = next(directory for directory in manager.directories if directory is not manager.home_of(log))
    manager.relocations.request(TP, target.path, NOW)
    assert not manager.cleaner.may_take_effect(TP)
    manager.cleaner.done_cleaning(log, 3)
    assert manager.cleaner.grab_filthiest(NOW) is None
    manager.relocations.cancel(TP, NOW)
    assert manager.cleaner.grab_filthiest(NOW) is not None
