"""The leader epoch cache and its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from kwire.log.files import FILES
from kwire.log.leader_epochs import LeaderEpochs, parse, render


def epochs(directory: Path, *entries: tuple[int, int]) -> LeaderEpochs:
    made = LeaderEpochs(str(directory / "leader-epoch-checkpoint"), FILES)
    for epoch, start in entries:
        assert made.assign(epoch, start)
    return made


def test_the_file_is_kafkas_and_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "leader-epoch-checkpoint"
    epochs(tmp_path).write()
    assert path.read_bytes() == b"0\n0\n"
    epochs(tmp_path, (0, 0), (3, 150)).write()
    assert path.read_bytes() == b"0\n2\n0 0\n3 150\n"
    again = epochs(tmp_path)
    again.load(clean=True)
    assert again.entries == [(0, 0), (3, 150)]
    path.unlink()
    again.load(clean=True)
    assert (again.entries, again.latest_epoch) == ([], -1)


@pytest.mark.parametrize("damaged", [b"", b"1\n0\n", b"0\n2\n0 0\n", b"0\n1\n0\n", b"\xff", b"0\n1\n0 x\n"])
def test_a_damaged_file_counts_as_empty(damaged: bytes) -> None:
    assert parse(damaged) == []


def test_rendering_round_trips() -> None:
    assert parse(render([(1, 2), (5, 2_000_000)])) == [(1, 2), (5, 2_000_000)]


def test_assigning(tmp_path: Path) -> None:
    made = epochs(tmp_path, (0, 0), (2, 10))
    assert not made.assign(2, 20)
    assert not made.assign(1, 30)
    assert not made.assign(-1, 30)
    # Nothing was written under epoch 2 when epoch 4 starts where it did.
    assert made.assign(4, 10)
    assert made.entries == [(0, 0), (4, 10)]


def test_end_offset_for(tmp_path: Path) -> None:
    made = epochs(tmp_path, (2, 10), (4, 20), (7, 30))
    answers = {1: (1, 10), 2: (2, 20), 3: (2, 20), 4: (4, 30), 6: (4, 30), 7: (7, 99), 8: (-1, -1), -1: (-1, -1)}
    assert {epoch: made.end_offset_for(epoch, 99) for epoch in answers} == answers
    assert epochs(tmp_path).end_offset_for(0, 5) == (-1, -1)
    assert [made.epoch_for(offset) for offset in (9, 10, 19, 20, 500)] == [-1, 2, 2, 4, 7]


def test_truncating(tmp_path: Path) -> None:
    made = epochs(tmp_path, (2, 10), (4, 20), (7, 30))
    made.truncate_from_end(30)
    assert made.entries == [(2, 10), (4, 20)]
    made.truncate_from_start(15)
    assert made.entries == [(2, 15), (4, 20)]
    made.truncate_from_start(20)
    assert made.entries == [(4, 20)]
    made.truncate_from_start(5)
    assert made.entries == [(4, 20)]
    made.clear()
    assert made.entries == []
