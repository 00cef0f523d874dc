"""Swapping a compacted segment in, and a crash at every step of it."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from kwire.errors import ErrorCode, KafkaError
from kwire.log.cleaner import clean
from kwire.log.cleaning_job import CleanedGroup, CleaningJob
from kwire.log.files import FILES, Files
from kwire.log.log import Log
from kwire.log.manager import LogManager
from kwire.log.offset_map import OffsetMap
from kwire.log.swap import replace_segments, resolve_orphans
from tests.log.building import NOW, TP, config, crash, open_manager, remove_due
from tests.log.compacting import COMPACT, compact, compacted_log, pause, roll, survivors, write

SETTINGS = {**COMPACT, "segment_bytes": 400, "index_interval_bytes": 0}
JOINING = config(**{**SETTINGS, "segment_bytes": 1 << 20})


class DyingFiles(Files):
    """A disk that lets so many renames and removals happen, and then none: the process was killed."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = 1 << 30

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.EIO, "killed")

    def rename(self, source: str, target: str) -> None:
        self._step()
        super().rename(source, target)

    def unlink(self, path: str) -> None:
        self._step()
        super().unlink(path)


def filled(root: Path, files: Files = FILES) -> tuple[LogManager, Log]:
    """Several closed segments, which go into fewer."""
    manager, log = compacted_log(root, files, **{k: v for k, v in SETTINGS.items() if k not in COMPACT})
    for n in range(12):
        write(log, [(b"%d" % (n % 5), b"%d" % n), (b"s%d" % n, b"v" * (n % 3))], producer_id=9, producer_epoch=0,
              base_sequence=2 * n)  # fmt: skip
    roll(log)
    write(log, [(b"active", b"1")])
    log.config = JOINING
    return manager, log


def cleaned(manager: LogManager) -> tuple[CleaningJob, CleanedGroup]:
    """The job, and its one group, written and not swapped in yet."""
    chosen = manager.cleaner.grab_filthiest(NOW)
    assert chosen is not None
    job = chosen.job(NOW)
    offset_map = OffsetMap(1 << 14, 0.9)
    groups = [p for p in clean(job, FILES, offset_map, io_bytes=4096, pause=pause) if isinstance(p, CleanedGroup)]
    assert [len(group.replaced) for group in groups] == [3]
    return job, groups[0]


def reopened(root: Path, files: Files = FILES) -> tuple[LogManager, Log]:
    manager = open_manager(root, settings=config(**SETTINGS), files=files)
    log = manager.get(TP)
    assert log is not None
    log.load()
    log.config = JOINING
    log.update_high_watermark(log.log_end_offset)
    return manager, log


def names(root: Path) -> set[str]:
    return {path.name for path in (root / str(TP)).iterdir()}


def test_a_swap_is_seen_at_once_and_readers_keep_what_they_have(tmp_path: Path) -> None:
    manager, log = filled(tmp_path)
    before = survivors(log)
    held = log.read(0, 1 << 20, up_to=log.log_end_offset, min_one_message=True).records
    assert not isinstance(held, bytes)
    data = held.read()
    job, group = cleaned(manager)
    assert replace_segments(log, job, group, NOW)
    assert held.read() == data
    assert len(survivors(log)) < len(before)
    assert [segment.base_offset for segment in log.segments] == [0, 24]
    assert not any(name.endswith((".cleaned", ".swap")) for name in names(tmp_path))
    assert any(name.endswith(".log.deleted") for name in names(tmp_path))
    remove_due(manager, NOW + log.config.file_delete_delay_ms)
    assert not any(name.endswith(".deleted") for name in names(tmp_path))
    # Snapshots stay where a segment begins, and at the end.
    assert sorted(name for name in names(tmp_path) if name.endswith(".snapshot")) == [f"{24:020d}.snapshot"]


@pytest.mark.parametrize("is_second_crash", [False, True])
def test_a_crash_at_any_step_leaves_the_old_or_the_new_segments(tmp_path: Path, is_second_crash: bool) -> None:
    expected: list[list[tuple[int, bytes | None, bytes | None]]] = []
    outcomes: set[int] = set()
    for steps in range(100):
        root = tmp_path / str(steps)
        files = DyingFiles()
        manager, log = filled(root, files)
        if not expected:
            expected = [survivors(log)]
        job, group = cleaned(manager)
        files.left = steps
        failure: KafkaError | None = None
        try:
            assert replace_segments(log, job, group, NOW)
        except KafkaError as error:
            failure = error
        assert failure is None or failure.code is ErrorCode.KAFKA_STORAGE_ERROR
        files.left = 1 << 30
        crash(manager)
        if is_second_crash:
            die_while_recovering(root, steps % 7)
        again, log = reopened(root)
        found = survivors(log)
        if found not in expected:
            expected.append(found)
        outcomes.add(expected.index(found))
        assert log.log_end_offset == 25
        assert log.producers.entries[9].last_sequence == 23
        assert not any(name.endswith((".cleaned", ".swap", ".deleted")) for name in names(root))
        crash(again)
        if failure is None:
            break
    assert len(expected) == 2
    assert outcomes == {0, 1}
    new = {key: (offset, value) for offset, key, value in expected[1]}
    assert new == {key: (offset, value) for offset, key, value in expected[0]}


def die_while_recovering(root: Path, steps: int) -> None:
    """A start that is killed as well."""
    files = DyingFiles()
    files.left = steps
    directory = str(root / str(TP))
    try:
        resolve_orphans(directory, files, FILES.names(directory))
    except OSError:
        return


def test_what_has_changed_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    source = tmp_path / "source"
    manager, log = filled(source)
    crash(manager)
    for case in ("retention", "truncation", "deletion"):
        root = tmp_path / case
        shutil.copytree(source, root)
        manager, log = reopened(root)
        job, group = cleaned(manager)
        if case == "retention":
            log.log_start_offset = 12
            log.delete_old_segments(NOW)
        elif case == "truncation":
            log.truncate_to(3, NOW)
            assert not manager.cleaner.may_take_effect(TP)
        else:
            manager.delete([TP], NOW)
            assert not manager.cleaner.may_take_effect(TP)
        before = [segment.base_offset for segment in log.segments]
        assert not replace_segments(log, job, group, NOW)
        assert [segment.base_offset for segment in log.segments] == before
        if case != "deletion":
            assert not any(name.endswith((".cleaned", ".swap")) for name in names(root))
            survivors(log)


def test_a_left_over_does_not_undo_a_swap_of_another(tmp_path: Path) -> None:
    manager, _ = filled(tmp_path)
    crash(manager)
    partition = tmp_path / str(TP)
    bases = sorted(int(path.stem) for path in partition.glob("*.log"))
    middle = bases[2]
    original = (partition / f"{middle:020d}.log").read_bytes()
    (partition / f"{middle:020d}.log.swap").write_bytes(original)
    (partition / f"{middle:020d}.log").rename(partition / f"{middle:020d}.log.deleted")
    (partition / f"{bases[1]:020d}.log.cleaned").write_bytes(b"left")
    reopened(tmp_path)
    assert (partition / f"{middle:020d}.log").read_bytes() == original
    assert not any(name.endswith((".cleaned", ".swap", ".deleted")) for name in names(tmp_path))


def test_an_unfinished_split_is_undone(tmp_path: Path) -> None:
    manager, log = filled(tmp_path)
    before = survivors(log)
    crash(manager)
    partition = tmp_path / str(TP)
    source = (partition / f"{0:020d}.log").read_bytes()
    (partition / f"{0:020d}.log.cleaned").write_bytes(source[:50])
    (partition / f"{1:020d}.log.swap").write_bytes(source)
    _, log = reopened(tmp_path)
    assert survivors(log) == before
    assert f"{1:020d}.log" not in names(tmp_path)


def test_after_a_swap_the_log_goes_on(tmp_path: Path) -> None:
    manager, log = filled(tmp_path)
    compact(manager)
    write(log, [(b"0", b"newest")])
    roll(log)
    compact(manager)
    found = {key: value for _, key, value in survivors(log)}
    assert found[b"0"] == b"newest"
    manager.close()
    assert {key: value for _, key, value in survivors(reopened(tmp_path)[1])} == found


def test_nothing_gives_way_to_a_segment_that_is_not_there(tmp_path: Path) -> None:
    manager, log = filled(tmp_path)
    before = survivors(log)
    job, group = cleaned(manager)
    assert not replace_segments(log, job, group._replace(size=group.size + 1), NOW)
    assert not replace_segments(log, job, group, NOW)
    assert survivors(log) == before
    crash(manager)
