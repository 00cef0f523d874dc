"""The batches and messages of a `.log` file, of any magic, in their order, for readers that need no index."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kwire.log.files import Files
from kwire.wire.legacy import frames
from kwire.wire.record_batch import LOG_OVERHEAD, CorruptRecordError

Pause = Callable[[int], None]
StoredFrame = tuple[bytes, int, int, int]
"""(piece of the file, position in the piece, size in bytes, magic)."""


def stored_frames(
    files: Files, path: str, size: int, piece_bytes: int, pause: Pause | None = None
) -> Iterator[StoredFrame]:
    """Every frame of the file's first `size` bytes, read `piece_bytes` at a time; `pause` is told of bytes read.

    Raises CorruptRecordError where none starts or one is torn, or the file is shorter, and OSError.
    """
    file = files.open(path) if size else None
    position, wanted = 0, piece_bytes
    while file is not None and position < size:
        asked = min(wanted, size - position)
        piece = files.read_at(file, asked, position)
        if len(piece) < asked:
            raise CorruptRecordError(f"{path} ends {size - position - len(piece)} bytes early")
        if pause is not None:
            pause(len(piece))
        used = 0
        for at, frame_bytes, magic in frames(piece):
            yield piece, at, frame_bytes, magic
            used = at + frame_bytes
        wanted = piece_bytes
        if not used:
            # A batch that is larger than a piece: the next piece is that batch.
            wanted = LOG_OVERHEAD + int.from_bytes(piece[8:LOG_OVERHEAD], "big")
            if wanted <= len(piece) or wanted > size - position:
                raise CorruptRecordError(f"{path}: a torn batch at {position} of {size} bytes")
        position += used
