"""Walking batches of any magic, however the file ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from kwire.log.offline.stored_file import BrokenFrameError, StoredFile, read_sparse, walk
from kwire.wire.legacy import encode_message
from tests.log.building import batch


def positions(path: Path, position: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    with StoredFile(str(path)) as file:
        return [(found.position, found.magic) for found in walk(file, position, end)]


def test_batches_of_all_magics_are_walked(tmp_path: Path) -> None:
    parts = [encode_message(0, -1, b"k", b"v", magic=0), encode_message(1, 5, b"k", b"v", magic=1), bytes(batch(b"v"))]
    path = tmp_path / "log"
    path.write_bytes(b"".join(parts))
    first, second = len(parts[0]), len(parts[0]) + len(parts[1])
    assert positions(path) == [(0, 0), (first, 1), (second, 2)]
    assert positions(path, first) == [(first, 1), (second, 2)]
    assert positions(path, 0, second + 10) == [(0, 0), (first, 1)]


def test_a_batch_larger_than_the_window_is_read_whole(tmp_path: Path) -> None:
    large = bytes(batch(b"x" * (3 << 20)))
    path = tmp_path / "log"
    path.write_bytes(bytes(batch(b"a")) + large + bytes(batch(b"b")))
    found = positions(path)
    assert len(found) == 3
    assert found[2][0] - found[1][0] == len(large)


@pytest.mark.parametrize("cut", [1, 16, 17, 60])
def test_a_cut_batch_ends_the_walk(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "log"
    path.write_bytes(bytes(batch(b"a")) + bytes(batch(b"b"))[:cut])
    assert positions(path) == [(0, 2)]


def test_an_impossible_length_names_its_position(tmp_path: Path) -> None:
    first = bytes(batch(b"a"))
    path = tmp_path / "log"
    path.write_bytes(first + bytes(40))
    with pytest.raises(BrokenFrameError, match="length 0") as raised:
        positions(path)
    assert raised.value.position == len(first)


def test_holes_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "index"
    path.write_bytes(b"entry")
    with open(path, "r+b") as file:
        file.truncate(10_485_760)
    data, size = read_sparse(str(path))
    assert size == 10_485_760
    assert data.startswith(b"entry")
    assert not data[5:].strip(b"\0")
