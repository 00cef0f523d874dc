"""The pieces a message is sent in: byte strings, ranges of files that nobody has read yet, and bytes to be made."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

Buffer = bytes | bytearray | memoryview
"""What a message can be decoded from."""


class FileRange:
    """`size` bytes of the open file `fd`, from byte `position`.

    `owner` is whatever keeps `fd` open: as long as the range lives, so does its owner.
    """

    __slots__ = ("fd", "owner", "position", "size")

    def __init__(self, fd: int, position: int, size: int, owner: object = None) -> None:
        self.size = size
        self.fd = fd
        self.position = position
        self.owner = owner

    def read(self) -> bytes:
        """The bytes of the range, by `pread`; OSError when the file ends before the range does."""
        data = os.pread(self.fd, self.size, self.position)
        if len(data) == self.size:
            return data
        pieces = [data]
        missing = self.size - len(data)
        while missing and data:
            # Linux cuts one read at about 2 GiB and a signal may cut it anywhere: a short read is not yet the end.
            data = os.pread(self.fd, missing, self.position + self.size - missing)
            pieces.append(data)
            missing -= len(data)
        if missing:
            raise OSError(f"file ends {missing} bytes before the range {self.position}+{self.size}")
        return b"".join(pieces)

    def __repr__(self) -> str:
        return f"FileRange(fd={self.fd}, position={self.position}, size={self.size})"


def _at_once(call: Callable[[], object]) -> None:
    call()


class PieceStream:
    """Exactly `size` bytes that are made while they are sent, a piece at a time.

    A piece may be empty: it stands for work that took its time, after which others should get their turn.
    """

    __slots__ = ("_pieces", "size", "when_ready")

    def __init__(
        self, size: int, pieces: Iterator[bytes], when_ready: Callable[[Callable[[], object]], None] = _at_once
    ) -> None:
        """`size` shrinks as pieces are taken; together they are to have as many bytes.

        `when_ready` calls what it is given once the next piece can be had at once: it may take a thread to make it.
        """
        self.size = size
        self._pieces = pieces
        self.when_ready = when_ready

    def next_piece(self) -> bytes:
        """The next piece; OSError when it cannot be made, or when there are none left before `size` is reached."""
        piece = next(self._pieces, None)
        if piece is None or len(piece) > self.size:
            raise OSError(f"{self.size} bytes are to come, not {piece and len(piece)}")
        self.size -= len(piece)
        return piece

    def read(self) -> bytes:
        """Everything that is left, at once."""
        pieces = []
        while self.size:
            pieces.append(self.next_piece())
        return b"".join(pieces)


Unread = FileRange | PieceStream
"""Parts whose bytes are not in memory yet; `read` brings them there all at once."""

Part = bytes | bytearray | memoryview | Unread
"""One piece of an encoded message."""


def part_size(part: Part) -> int:
    """How many bytes the part will be on the wire."""
    if isinstance(part, Unread):
        return part.size
    if isinstance(part, memoryview):
        return part.nbytes
    return len(part)
