from __future__ import annotations

import os
from array import array
from pathlib import Path

import pytest

from kwire.wire.parts import FileRange, PieceStream, part_size


def test_a_range_reads_its_bytes_and_knows_its_size(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        part = FileRange(file.fileno(), 3, 4, owner=file)
        assert part.read() == b"3456"
        assert part_size(part) == 4
        assert part.owner is file
        assert repr(part) == f"FileRange(fd={file.fileno()}, position=3, size=4)"
        assert FileRange(file.fileno(), 10, 0).read() == b""


def test_a_file_that_ends_too_early_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file, pytest.raises(OSError, match="ends 2 bytes before"):
        FileRange(file.fileno(), 8, 4).read()


def test_reads_that_the_kernel_cuts_short_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "segment"
    path.write_bytes(b"0123456789")
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, position: pread(fd, min(size, 3), position))
    with path.open("rb") as file:
        assert FileRange(file.fileno(), 1, 8).read() == b"12345678"


def test_sizes_are_counted_in_bytes() -> None:
    assert part_size(b"abc") == part_size(bytearray(3)) == part_size(memoryview(b"abc")) == 3
    assert part_size(memoryview(array("i", [1, 2]))) == 8


def test_bytes_that_are_made_have_the_size_they_promised() -> None:
    stream = PieceStream(5, iter([b"ab", b"", b"cde"]))
    assert (part_size(stream), stream.next_piece(), part_size(stream)) == (5, b"ab", 3)
    assert stream.read() == b"cde"
    with pytest.raises(OSError, match="1 bytes are to come"):
        PieceStream(3, iter([b"ab"])).read()
    with pytest.raises(OSError, match="1 bytes are to come, not 2"):
        PieceStream(1, iter([b"ab"])).read()
