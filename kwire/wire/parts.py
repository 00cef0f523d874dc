"""The pieces a message is sent in: byte strings, and ranges of open files that nobody has read yet."""

from __future__ import annotations

import os

Buffer = bytes | bytearray | memoryview
"""What a message can be decoded from."""


class FileRange:
    """`size` bytes of the open file `fd`, from byte `position`.

    `owner` is whatever keeps `fd` open: as long as the range lives, so does its owner.
    """

    __slots__ = ("fd", "owner", "position", "size")

    def __init__(self, fd: int, position: int, size: int, owner: object = None) -> None:
        self.fd = fd
        self.position = position
        self.size = size
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


Part = bytes | bytearray | memoryview | FileRange
"""One piece of an encoded message."""


def part_size(part: Part) -> int:
    """How many bytes the part will be on the wire."""
    if isinstance(part, FileRange):
        return part.size
    if isinstance(part, memoryview):
        return part.nbytes
    return len(part)
