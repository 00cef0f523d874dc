"""The frames of a `.log` file, of any size of piece, whole and cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from kwire.log.files import FILES
from kwire.log.stored_frames import stored_frames
from kwire.wire.record_batch import CorruptRecordError
from tests.log.building import batch

BATCHES = [bytes(batch(b"v" * size)) for size in (10, 5000, 1)]


def frames_of(path: Path, size: int, piece_bytes: int = 1000) -> list[bytes]:
    found = stored_frames(FILES, str(path), size, piece_bytes)
    return [piece[pos : pos + frame_bytes] for piece, pos, frame_bytes, _ in found]


@pytest.mark.parametrize("piece_bytes", [1, 100, 1000, 1 << 20])
def test_every_frame_whatever_is_read_at_once(tmp_path: Path, piece_bytes: int) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(BATCHES) + b"beyond")
    assert frames_of(path, sum(map(len, BATCHES)), piece_bytes) == BATCHES


@pytest.mark.parametrize("cut", [1, 60, 3000, 5100])
def test_a_file_that_is_shorter_than_it_was_is_damage(tmp_path: Path, cut: int) -> None:
    path, size = tmp_path / "log", sum(map(len, BATCHES))
    path.write_bytes(b"".join(BATCHES)[: size - cut])
    with pytest.raises(CorruptRecordError, match="bytes early"):
        frames_of(path, size)
    with pytest.raises(CorruptRecordError, match="torn"):
        frames_of(path, size - cut)
