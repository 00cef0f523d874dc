"""A file of a data directory, opened to be read only, and the walk over the batches of a `.log` file of any magic.

What is read may be damaged, or grow meanwhile: a broker may be writing it. So the size is taken once, at the opening,
nothing is mapped into memory (a truncation would kill the reader), and a walk ends with the reason why it ended.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from kwire.wire.legacy import MIN_MESSAGE_SIZE
from kwire.wire.record_batch import LOG_OVERHEAD, MAGIC_OFFSET, CorruptRecordError

_FRAME = Struct(">qi")
_WINDOW_BYTES = 1 << 20


class StoredFile:
    """One file, its size as of the opening. Raises OSError. Use it as a context manager."""

    __slots__ = ("_fd", "path", "size")

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._fd).st_size

    def __enter__(self) -> StoredFile:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._fd)

    def data_end(self) -> int:
        """Where the data ends and only holes follow: preallocated indexes are megabytes of nothing."""
        end = 0
        try:
            while end < self.size:
                end = os.lseek(self._fd, os.lseek(self._fd, end, os.SEEK_DATA), os.SEEK_HOLE)
        except OSError as error:
            # No more data. A file system that cannot tell says EINVAL, and has the whole file read.
            if error.errno != errno.ENXIO:
                return self.size
        return min(end, self.size)

    def read(self, position: int, size: int) -> bytes:
        """Up to `size` bytes from `position`; fewer at the end of the file only. Raises OSError."""
        size = min(size, self.size - position)
        if size <= 0:
            return b""
        data = os.pread(self._fd, size, position)
        while len(data) < size and (more := os.pread(self._fd, size - len(data), position + len(data))):
            data += more
        return data


def read_file(path: str) -> bytes:
    """All of a small file. Raises OSError."""
    with StoredFile(path) as file:
        return file.read(0, file.size)


def read_sparse(path: str) -> tuple[bytes, int]:
    """A file without the holes at its end, and its size. Raises OSError."""
    with StoredFile(path) as file:
        return file.read(0, file.data_end()), file.size


class StoredBatch(NamedTuple):
    """One whole batch, or outer message, where it lies; `data` is a view of its bytes. Nothing is checked yet."""

    position: int
    magic: int
    data: memoryview


class BrokenFrameError(CorruptRecordError):
    """At `position` there is something, but no batch: its length cannot be one."""

    def __init__(self, position: int, text: str) -> None:
        super().__init__(text)
        self.position = position


def walk(file: StoredFile, position: int = 0, end: int | None = None) -> Iterator[StoredBatch]:
    """Each whole batch from `position` on; one that `end` or the end of the file cuts ends the walk.

    Raises BrokenFrameError at a length that no batch has (Kafka's `FileLogInputStream`), OSError.
    """
    stop = file.size if end is None else min(end, file.size)
    window, start = memoryview(b""), position
    while stop - position > MAGIC_OFFSET:
        at = position - start
        if len(window) - at <= MAGIC_OFFSET:
            window, start, at = memoryview(file.read(position, _WINDOW_BYTES)), position, 0
            if len(window) <= MAGIC_OFFSET:
                return
        length = _FRAME.unpack_from(window, at)[1]
        if length < MIN_MESSAGE_SIZE:
            raise BrokenFrameError(position, f"length {length} at position {position} is smaller than any batch")
        size = length + LOG_OVERHEAD
        if size > stop - position:
            return
        if len(window) - at < size:
            window, start, at = memoryview(file.read(position, max(size, _WINDOW_BYTES))), position, 0
            if len(window) < size:
                return
        yield StoredBatch(position, window[at + MAGIC_OFFSET], window[at : at + size])
        position += size
