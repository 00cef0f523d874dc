"""Names of the log's files, and the one door to the disk.

A partition directory `<topic>-<partition>` holds segments named by their base offset in 20 digits: `.log`, `.index`,
`.timeindex`, `.txnindex`; producer snapshots `<offset>.snapshot`; `leader-epoch-checkpoint` and `partition.metadata`.

A suffix tells what became of a file (Kafka's `LogFileUtils`, `LocalLog`):
```
.deleted   segment file that is removed after file.delete.delay.ms; left-overs are removed at start
.cleaned   compaction's output while it is written: removed at start
.swap      compaction's finished output, waiting to replace its sources: completed at start

<topic>-<partition>.<32 hex>-delete   partition directory of a deleted topic
                            -future   its move to another disk
                            -stray    unknown to the cluster
```
Every open, read, write, fsync, rename and truncation of the package goes through one `Files` object. A test hands in
another that fails, writes short, or forgets what was not synced; nothing else in the package touches `os` for data.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from contextlib import suppress

from kwire.ids import TopicPartition

Buffer = bytes | bytearray | memoryview

LOG_SUFFIX = ".log"
INDEX_SUFFIX = ".index"
TIME_INDEX_SUFFIX = ".timeindex"
TXN_INDEX_SUFFIX = ".txnindex"
SNAPSHOT_SUFFIX = ".snapshot"
SEGMENT_SUFFIXES = (LOG_SUFFIX, INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX)

DELETED_SUFFIX = ".deleted"
CLEANED_SUFFIX = ".cleaned"
SWAP_SUFFIX = ".swap"
TEMPORARY_SUFFIX = ".tmp"
DELETE_DIR_SUFFIX = "-delete"
FUTURE_DIR_SUFFIX = "-future"
STRAY_DIR_SUFFIX = "-stray"

_OFFSET_NAME = re.compile(r"([0-9]{20})(\.[a-z.]+)")
_MARKED_DIRECTORY = re.compile(r"(\S+)\.([0-9a-f]{32})(-delete|-future|-stray)")
_MAX_DIRECTORY_NAME = 255


def offset_name(offset: int, suffix: str) -> str:
    """`00000000000000000041.log` for 41 and `.log`."""
    return f"{offset:020d}{suffix}"


def parse_offset_name(name: str) -> tuple[int, str] | None:
    """(offset, everything from the first dot) of a segment's or snapshot's file name; None for an alien name."""
    match = _OFFSET_NAME.fullmatch(name)
    return (int(match[1]), match[2]) if match else None


def parse_partition_directory(name: str) -> TopicPartition | None:
    """The partition that a live directory holds; None for marked directories and alien names."""
    topic, dash, partition = name.rpartition("-")
    if not dash or not topic or not partition.isascii() or not partition.isdigit():
        return None
    return TopicPartition(topic, int(partition))


def parse_marked_directory(name: str) -> tuple[TopicPartition, str] | None:
    """(partition, suffix) of a `-delete`, `-future` or `-stray` directory; None for any other name."""
    match = _MARKED_DIRECTORY.fullmatch(name)
    if match is None:
        return None
    partition = parse_partition_directory(match[1])
    return (partition, match[3]) if partition is not None else None


def marked_directory_name(partition: TopicPartition, unique: str, suffix: str) -> str:
    """`<topic>-<partition>.<unique><suffix>`, the topic cut so that a file system takes the name.

    `unique` is 32 hex digits. Source: Kafka's `LocalLog.logDirNameWithSuffixCappedLength`.
    """
    tail = f"-{partition.partition}.{unique}{suffix}"
    return partition.topic[: _MAX_DIRECTORY_NAME - len(tail)] + tail


def _lost(error: OSError, path: str) -> OSError:
    """EIO in the place of what fsync says: the kernel drops what the device did not take, for want of room as well."""
    return OSError(errno.EIO, f"not put on the device: {error.strerror}", path)


class OpenFile:
    """One open file. It closes when its last owner, a segment or a range being sent, lets go of it."""

    __slots__ = ("_close", "fd", "path")

    def __init__(self, fd: int, path: str) -> None:
        self.fd = fd
        self.path = path
        # Kept here because module globals may be gone when the interpreter shuts down.
        self._close = os.close

    def __del__(self) -> None:
        self._close(self.fd)


class Files:
    """The door to the disk: each method is one system call, or a loop around one until it is complete.

    Raises OSError.
    """

    __slots__ = ()

    def open(self, path: str, *, create: bool = False) -> OpenFile:
        """Open for reading and writing; `create` makes the file when it is missing."""
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        return OpenFile(os.open(path, flags, 0o644), path)

    def write_at(self, file: OpenFile, data: Buffer, position: int) -> None:
        """Write all of `data` at `position`. After an OSError the file may hold a part of it."""
        written = os.pwrite(file.fd, data, position)
        if written == len(data):
            return
        rest = memoryview(data)
        while written < len(rest):
            written += os.pwrite(file.fd, rest[written:], position + written)

    def read_at(self, file: OpenFile, size: int, position: int) -> bytes:
        """Up to `size` bytes from `position`; fewer only at the end of the file."""
        return os.pread(file.fd, size, position)

    def size(self, path: str) -> int:
        """Bytes of the file; FileNotFoundError when it is missing."""
        return os.stat(path).st_size

    def size_or_zero(self, path: str) -> int:
        """Bytes of the file; 0 when it is missing."""
        try:
            return self.size(path)
        except FileNotFoundError:
            return 0

    def modified_ms(self, path: str) -> int:
        """When the file was last written, ms since the epoch."""
        return os.stat(path).st_mtime_ns // 1_000_000

    def set_modified_ms(self, path: str, modified_ms: int) -> None:
        """Say when the file was last written, ms since the epoch."""
        os.utime(path, ns=(modified_ms * 1_000_000, modified_ms * 1_000_000))

    def truncate(self, file: OpenFile, size: int) -> None:
        """Cut or (sparsely) extend the file to `size` bytes."""
        os.ftruncate(file.fd, size)

    def sync(self, file: OpenFile) -> None:
        """Put the file's data on the device. May take milliseconds: for threads, over closed segments."""
        try:
            os.fdatasync(file.fd)
        except OSError as error:
            raise _lost(error, file.path) from error

    def sync_directory(self, path: str) -> None:
        """Put the directory's names on the device, so that a create or rename survives a power cut."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        except OSError as error:
            raise _lost(error, path) from error
        finally:
            os.close(fd)

    def rename(self, source: str, target: str) -> None:
        """Atomically give `source` the name `target`, replacing what has it."""
        os.replace(source, target)

    def unlink(self, path: str) -> None:
        """Remove a file; a missing one is no error."""
        with suppress(FileNotFoundError):
            os.unlink(path)

    def make_directory(self, path: str) -> None:
        """Create one directory; FileExistsError when it is there."""
        os.mkdir(path, 0o755)

    def remove_directory(self, path: str) -> None:
        """Remove a directory and the files in it; a missing one is no error."""
        try:
            names = os.listdir(path)
        except FileNotFoundError:
            return
        for name in names:
            self.unlink(os.path.join(path, name))
        os.rmdir(path)

    def make_directories(self, path: str) -> None:
        """Create a directory and those above it; nothing happens if it is there."""
        os.makedirs(path, exist_ok=True)

    def is_directory(self, path: str) -> bool:
        """Whether a directory has that name."""
        return os.path.isdir(path)

    def free_bytes(self, path: str) -> int:
        """What the file system of a directory has room for, as far as it is ours."""
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize

    def lock(self, path: str) -> OpenFile:
        """Lock the file, creating it; what is returned holds the lock for as long as it lives.

        BlockingIOError when it is locked already. It is Java's lock (`FileChannel.tryLock` is a
        POSIX record lock), and `flock` beside it, because POSIX locks do not part two brokers of one process.
        """
        while True:
            lock = self.open(path, create=True)
            try:
                fcntl.flock(lock.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.lockf(lock.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except PermissionError as error:
                # POSIX allows EACCES as well as EAGAIN for a lock that is held.
                raise BlockingIOError(error.errno, error.strerror, path) from None
            try:
                if os.stat(path).st_ino == os.fstat(lock.fd).st_ino:
                    return lock
            except FileNotFoundError:
                # The broker that held it removed the name between our open and our lock: what we hold is nameless.
                continue

    def names(self, path: str) -> list[str]:
        """The names in a directory, in no order."""
        return os.listdir(path)

    def entries(self, path: str) -> list[tuple[str, int]]:
        """(name, size in bytes) of each regular file in a directory, in no order."""
        with os.scandir(path) as scan:
            return [(entry.name, entry.stat().st_size) for entry in scan if entry.is_file()]

    def read_file(self, path: str) -> bytes | None:
        """The whole of a small file; None when it is missing."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            parts: list[bytes] = []
            while part := os.read(fd, 1 << 16):
                parts.append(part)
            return b"".join(parts)
        finally:
            os.close(fd)

    def create_file(self, path: str, data: bytes) -> None:
        """Write a new small file, not synced."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            # A disk that fills up takes a part without an error; the rest then meets it.
            written = os.write(fd, data)
            while written < len(data):
                written += os.write(fd, data[written:])
        finally:
            os.close(fd)

    def replace_file(self, path: str, data: bytes, *, sync: bool) -> None:
        """Give `path` the content `data` so that a crash leaves the old or the new content, never a mixture.

        Written as `<path>.tmp`, renamed; `sync` puts data and name on the device, needed where losing the *new* content
        in a power cut would lose more than a rebuild can bring back.
        """
        temporary = path + TEMPORARY_SUFFIX
        self.create_file(temporary, data)
        if sync:
            self.sync(self.open(temporary))
        self.rename(temporary, path)
        if sync:
            self.sync_directory(os.path.dirname(path))


FILES = Files()
"""The real disk."""
