"""A disk in memory behind `kwire.log.files.Files`, with a page cache that a power cut empties.

```
write, truncate         change the page cache; on the device once the file is fsynced
create, rename, unlink  change a directory in memory; on the device once that directory is fsynced
kill -9                 the page cache outlives the process: nothing is lost
power cut               a file falls back to what was fsynced, and what of the later changes the seed lets survive
```
What a power cut may keep is what ext4, XFS and Btrfs may keep. Changes of names are journaled: a prefix of them
survives, and whoever fsyncs a directory commits all changes before. Of written data any subset of sectors survives,
also beyond the old end of the file, where lost sectors read as zeros. A truncation gives blocks back, so what was
written after it survives only if the truncation does.

Beyond that the disk breaks when it is told to: see `faults`.
"""

from __future__ import annotations

import errno
import os
import weakref
from itertools import pairwise
from random import Random
from typing import NamedTuple

from kwire.log.files import Buffer, Files, OpenFile
from tests.sim.faults import Faults

SECTOR = 512
"""The device writes a sector whole or not at all."""


class Manner(NamedTuple):
    """How a power cut takes what was not fsynced."""

    in_order: bool
    """Data survives up to a point in the order of writing; otherwise any sectors do."""
    keeps: float
    """How likely a change survives, 0 to 1; with 0 all is lost that was not fsynced."""


class Write(NamedTuple):
    position: int
    data: bytes


class Truncation(NamedTuple):
    size: int


class File:
    """An inode: what the page cache says, what the device has, and the changes between the two."""

    __slots__ = ("__weakref__", "changes", "data", "device", "lock", "modified_ms")

    def __init__(self) -> None:
        self.data = bytearray()
        self.device = b""
        self.changes: list[Write | Truncation] = []
        self.modified_ms = 0
        self.lock: weakref.ref[OpenFile] | None = None

    def apply(self, change: Write | Truncation) -> None:
        _apply(self.data, change)
        self.changes.append(change)

    def sync(self) -> None:
        self.device = bytes(self.data)
        self.changes.clear()

    def lose(self, rng: Random, manner: Manner) -> None:
        """Become what a power cut leaves."""
        if self.changes:
            left = bytearray(self.device)
            for change in self._survivors(rng, manner):
                _apply(left, change)
            self.data = left
            self.sync()
        self.lock = None

    def _survivors(self, rng: Random, manner: Manner) -> list[Write | Truncation]:
        changes = self.changes
        if manner.in_order:
            count = _how_many(rng, manner, len(changes))
            survivors = changes[:count]
            torn = changes[count] if count < len(changes) else None
            if isinstance(torn, Write) and manner.keeps:
                pieces = _sectors(torn)
                survivors += pieces[: rng.randrange(len(pieces))]
            return survivors
        survivors = []
        for change in changes:
            if isinstance(change, Truncation):
                if rng.random() >= manner.keeps:
                    break
                survivors.append(change)
                continue
            end = change.position + len(change.data)
            if rng.random() < manner.keeps:
                survivors.append(Write(end, b""))
            survivors += [piece for piece in _sectors(change) if rng.random() < manner.keeps]
        return survivors


def _apply(data: bytearray, change: Write | Truncation) -> None:
    if isinstance(change, Truncation):
        del data[change.size :]
        data.extend(bytes(change.size - len(data)))
        return
    if change.position > len(data):
        data.extend(bytes(change.position - len(data)))
    data[change.position : change.position + len(change.data)] = change.data


def _sectors(write: Write) -> list[Write]:
    start, end = write.position, write.position + len(write.data)
    cuts = [start, *range(start - start % SECTOR + SECTOR, end, SECTOR), end]
    return [Write(low, write.data[low - start : high - start]) for low, high in pairwise(cuts)]


def _how_many(rng: Random, manner: Manner, count: int) -> int:
    return rng.randint(0, count) if rng.random() < manner.keeps else 0


class Directory:
    """Names in memory, and names on the device."""

    __slots__ = ("device", "names")

    def __init__(self) -> None:
        self.names: dict[str, File | Directory] = {}
        self.device: dict[str, File | Directory] = {}

    def lose(self, rng: Random, manner: Manner) -> None:
        self.names = dict(self.device)
        for node in self.names.values():
            node.lose(rng, manner)


class NameChange(NamedTuple):
    """`name` of `directory` now means `node`; None for nothing."""

    directory: Directory
    name: str
    node: File | Directory | None


class SimFile(OpenFile):
    """An open file of the disk; it stays readable after its name is gone."""

    __slots__ = ("__weakref__", "file")

    def __init__(self, file: File, path: str) -> None:
        super().__init__(-1, path)
        self.file = file
        self._close = _nothing_to_close


def _nothing_to_close(fd: int) -> None:
    """The disk in memory has no descriptors."""


class SimDisk(Files):
    """The disk. Each method does what `Files` says of it, after `faults` had its say."""

    __slots__ = ("_found", "_journal", "_root", "faults", "now_ms")

    def __init__(self, now_ms: int = 0) -> None:
        self._root = Directory()
        self._found: dict[str, Directory] = {}
        """Directories by path, until one of them has another name."""
        self._journal: list[tuple[NameChange, ...]] = []
        self.faults = Faults()
        self.now_ms = now_ms

    def power_cut(self, rng: Random, manner: Manner) -> None:
        """Lose what was not fsynced, as far as the seed and `manner` say."""
        kept = _how_many(rng, manner, len(self._journal))
        self._commit(kept)
        if self._journal and self.faults.tears_renames and len(self._journal[0]) > 1:
            # Not atomic: the new name is there, the old one is not gone yet.
            _rename_on_device(self._journal[0][:1])
        self._journal.clear()
        self._found.clear()
        self._root.lose(rng, manner)

    def _commit(self, count: int) -> None:
        for transaction in self._journal[:count]:
            _rename_on_device(transaction)
        del self._journal[:count]

    # Names.

    def _directory(self, path: str) -> Directory:
        known = self._found.get(path)
        if known is not None:
            return known
        node: File | Directory = self._root
        for part in path.split("/"):
            if part:
                found = node.names.get(part) if isinstance(node, Directory) else None
                if found is None:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
                node = found
        if isinstance(node, File):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        self._found[path] = node
        return node

    def _find(self, path: str) -> File | Directory | None:
        parent, _, name = path.rpartition("/")
        try:
            return self._directory(parent).names.get(name)
        except FileNotFoundError:
            return None

    def _file(self, path: str) -> File:
        node = self._find(path)
        if not isinstance(node, File):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return node

    def _change(self, *changes: NameChange) -> None:
        for directory, name, node in changes:
            if isinstance(directory.names.get(name), Directory):
                self._found.clear()
            if node is None:
                del directory.names[name]
            else:
                directory.names[name] = node
        self._journal.append(changes)

    def _create(self, path: str) -> File:
        parent, _, name = path.rpartition("/")
        file = File()
        file.modified_ms = self.now_ms
        self._change(NameChange(self._directory(parent), name, file))
        return file

    def rename(self, source: str, target: str) -> None:
        self.faults.meet("rename", f"{source} -> {target}")
        node = self._find(source)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source)
        (old_parent, _, old), (new_parent, _, new) = source.rpartition("/"), target.rpartition("/")
        self._change(
            NameChange(self._directory(new_parent), new, node), NameChange(self._directory(old_parent), old, None)
        )

    def unlink(self, path: str) -> None:
        self.faults.meet("unlink", path)
        parent, _, name = path.rpartition("/")
        if self._find(path) is not None:
            self._change(NameChange(self._directory(parent), name, None))

    def make_directory(self, path: str) -> None:
        self.faults.meet("mkdir", path)
        parent, _, name = path.rpartition("/")
        if self._find(path) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        self._change(NameChange(self._directory(parent), name, Directory()))

    def make_directories(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        if parent and self._find(parent) is None:
            self.make_directories(parent)
        if self._find(path) is None:
            self.make_directory(path)

    def remove_directory(self, path: str) -> None:
        parent, _, name = path.rpartition("/")
        if self._find(path) is None:
            return
        for inner in self.names(path):
            self.unlink(f"{path}/{inner}")
        self._change(NameChange(self._directory(parent), name, None))

    def sync_directory(self, path: str) -> None:
        if self.faults.meet("fsync", path + "/").is_lost:
            return
        directory = self._directory(path)
        touching = [at for at, changes in enumerate(self._journal) if any(c.directory is directory for c in changes)]
        if touching:
            self._commit(touching[-1] + 1)

    def free_bytes(self, path: str) -> int:
        return 1 << 40

    def is_directory(self, path: str) -> bool:
        return isinstance(self._find(path), Directory)

    def names(self, path: str) -> list[str]:
        self.faults.meet("list", path + "/")
        # In no order that anybody could rely on, and the same for the same seed.
        return sorted(self._directory(path).names, key=lambda name: name[::-1])

    def entries(self, path: str) -> list[tuple[str, int]]:
        nodes = self._directory(path).names
        return [(name, len(node.data)) for name in self.names(path) if isinstance(node := nodes[name], File)]

    # Contents.

    def open(self, path: str, *, create: bool = False) -> OpenFile:
        self.faults.meet("open", path)
        node = self._find(path)
        return SimFile(self._create(path) if node is None and create else self._file(path), path)

    def write_at(self, file: OpenFile, data: Buffer, position: int) -> None:
        self._write(_inode(file), file.path, Write(position, bytes(data)))

    def _write(self, file: File, path: str, write: Write) -> None:
        fault = self.faults.meet("write", path, size=len(write.data))
        if fault.kept_bytes is not None:
            write = Write(write.position, write.data[: fault.kept_bytes])
        if write.data:
            file.apply(write)
            file.modified_ms = self.now_ms
        fault.fail()

    def read_at(self, file: OpenFile, size: int, position: int) -> bytes:
        flip = self.faults.meet("read", file.path).flip
        return flip(bytes(_inode(file).data[position : position + size]))

    def size(self, path: str) -> int:
        return len(self._file(path).data)

    def modified_ms(self, path: str) -> int:
        return self._file(path).modified_ms

    def set_modified_ms(self, path: str, modified_ms: int) -> None:
        self._file(path).modified_ms = modified_ms

    def truncate(self, file: OpenFile, size: int) -> None:
        self.faults.meet("truncate", file.path)
        inode = _inode(file)
        if size != len(inode.data):
            inode.apply(Truncation(size))
            inode.modified_ms = self.now_ms

    def sync(self, file: OpenFile) -> None:
        if not self.faults.meet("fsync", file.path).is_lost:
            _inode(file).sync()

    def lock(self, path: str) -> OpenFile:
        handle = self.open(path, create=True)
        inode = _inode(handle)
        if inode.lock is not None and inode.lock() is not None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), path)
        inode.lock = weakref.ref(handle)
        return handle

    def read_file(self, path: str) -> bytes | None:
        node = self._find(path)
        if node is None:
            return None
        flip = self.faults.meet("read", path).flip
        return flip(bytes(self._file(path).data))

    def create_file(self, path: str, data: bytes) -> None:
        self.faults.meet("open", path)
        node = self._find(path)
        file = self._file(path) if node is not None else self._create(path)
        if file.data:
            file.apply(Truncation(0))
        self._write(file, path, Write(0, data))

    # For whoever plays the world around the broker.

    def flip_at_rest(self, path: str, position: int, bit: int) -> None:
        """Damage a byte on the device and in the page cache."""
        file = self._file(path)
        file.data[position] ^= 1 << bit
        file.sync()

    def content(self, path: str) -> bytes:
        """The page cache's idea of a file; empty for a missing one. No fault meets it."""
        node = self._find(path)
        return bytes(node.data) if isinstance(node, File) else b""

    def walk(self, path: str = "") -> list[str]:
        """The paths of all files at and below `path`, in order."""
        found: list[str] = []
        for name, node in sorted(self._directory(path).names.items()):
            found += [f"{path}/{name}"] if isinstance(node, File) else self.walk(f"{path}/{name}")
        return found


def _rename_on_device(transaction: tuple[NameChange, ...]) -> None:
    for directory, name, node in transaction:
        if node is None:
            directory.device.pop(name, None)
        else:
            directory.device[name] = node


def _inode(file: OpenFile) -> File:
    assert isinstance(file, SimFile)
    return file.file
