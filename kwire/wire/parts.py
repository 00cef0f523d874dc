"""What a response is made of: runs of bytes, and ranges of files that become bytes only when they are sent.

A Fetch response carries record batches exactly as they lie on disk. Keeping them a `FileRange` until the socket can
take them means that nobody below the connection copies or even reads them.
"""

from __future__ import annotations

import os


class FileRange:
    """`size` bytes of an open file, starting at byte `position`.

    `fd` is a readable file descriptor; `owner` is any object that keeps it open for as long as this range lives.
    """

    __slots__ = ("fd", "owner", "position", "size")

    def __init__(self, fd: int, position: int, size: int, owner: object = None) -> None:
        self.fd = fd
        self.position = position
        self.size = size
        self.owner = owner

    def read(self) -> bytes:
        """All `size` bytes, by positional read (the file's own position stays).

        Raises OSError when the disk fails or the file ends before the range does.
        """
        data = os.pread(self.fd, self.size, self.position)
        if len(data) == self.size:
            return data
        pieces = [data]
        missing = self.size - len(data)
        while missing:
            data = os.pread(self.fd, missing, self.position + self.size - missing)
            if not data:
                raise OSError(f"{self!r} ends {missing} bytes early")
            pieces.append(data)
            missing -= len(data)
        return b"".join(pieces)

    def __repr__(self) -> str:
        return f"FileRange(fd={self.fd}, position={self.position}, size={self.size})"


Part = bytes | bytearray | memoryview | FileRange


def part_size(part: Part) -> int:
    """Bytes that `part` will occupy on the wire."""
    if isinstance(part, FileRange):
        return part.size
    return part.nbytes if isinstance(part, memoryview) else len(part)
