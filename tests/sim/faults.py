"""What can go wrong at the door to the disk, as values: which operation, on which file, how, and how often.

A fault waits until the operation that it names meets a path that it names, and passes over `after` of these first.
`Faults.meet` is asked before each operation and answers with what is to happen, raising OSError where that is all.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """The faults."""

    EIO = "EIO"
    ENOSPC = "ENOSPC"
    SHORT_WRITE = "short write"
    """The disk fills up amid a write: a part is there, then ENOSPC."""
    LOST_FSYNC = "lost fsync"
    """The device says that it has the data, and has not."""
    TORN_RENAME = "torn rename"
    """A power cut finds a rename half done: both names are there."""
    BIT_FLIP = "bit flip on read"
    SLOW = "slow disk"
    """The operation takes `SLOW_MS` of the injected clock."""


SLOW_MS = 30_000


class Fault(NamedTuple):
    """One fault, armed with `Faults.arm`."""

    kind: Kind
    operation: str
    """open, read, write, truncate, fsync, rename, unlink, mkdir, list; "any"."""
    part_of_path: str = ""
    after: int = 0
    times: int = 1
    """How many operations it hits; -1 all, as a dead disk does."""
    bit: int = 0
    """Which bit of a read, or how much of a write, counted from the start and wrapped."""


class Outcome:
    """What happens to one operation."""

    __slots__ = ("_error", "flip", "is_lost", "kept_bytes")

    def __init__(self) -> None:
        self.is_lost = False
        self.kept_bytes: int | None = None
        self.flip: Callable[[bytes], bytes] = _unchanged
        self._error: OSError | None = None

    def fail(self) -> None:
        """What is raised after a part was done."""
        if self._error is not None:
            raise self._error


def _unchanged(data: bytes) -> bytes:
    return data


_FINE = Outcome()


class Faults:
    """The faults that a disk has in store."""

    __slots__ = ("_armed", "_passed", "failed", "hits", "lied", "met_count", "slept_ms", "tears_renames")

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self._passed: list[int] = []
        self.hits: list[str] = []
        """`<kind> <operation> <path>` of each operation that was hit."""
        self.met_count = 0
        """How often a fault was met since the beginning."""
        self.failed = False
        """Whether an operation failed since the disk was last well."""
        self.lied = False
        """Whether an fsync was ever lost."""
        self.slept_ms = 0
        self.tears_renames = False

    def arm(self, fault: Fault) -> None:
        self.tears_renames |= fault.kind is Kind.TORN_RENAME
        self._armed.append(fault)
        self._passed.append(0)

    def drop(self, fault: Fault) -> None:
        """One fault less."""
        if fault in self._armed:
            slot = self._armed.index(fault)
            del self._armed[slot], self._passed[slot]

    def disarm(self) -> None:
        """The disk is well again."""
        self.hits.clear()
        self.failed = False
        self._armed.clear()
        self._passed.clear()
        self.tears_renames = False

    def meet(self, operation: str, path: str, size: int = 0) -> Outcome:
        """What happens to `operation` on `path`; raises OSError for one that fails without effect."""
        if not self._armed:
            return _FINE
        for slot, fault in enumerate(self._armed):
            if fault.operation in (operation, "any") and fault.part_of_path in path:
                seen = self._passed[slot]
                self._passed[slot] = seen + 1
                if seen >= fault.after and (fault.times < 0 or seen < fault.after + fault.times):
                    self.met_count += 1
                    self.hits.append(f"{fault.kind.value} {operation} {path}")
                    return self._hit(fault, path, size)
        return _FINE

    def _hit(self, fault: Fault, path: str, size: int) -> Outcome:
        outcome = Outcome()
        self.failed |= fault.kind in (Kind.EIO, Kind.ENOSPC, Kind.SHORT_WRITE)
        match fault.kind:
            case Kind.EIO:
                raise OSError(errno.EIO, os.strerror(errno.EIO), path)
            case Kind.ENOSPC:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            case Kind.SHORT_WRITE:
                outcome.kept_bytes = fault.bit % size if size else 0
                outcome._error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            case Kind.LOST_FSYNC:
                outcome.is_lost = self.lied = True
            case Kind.BIT_FLIP:
                outcome.flip = lambda data: flipped(data, fault.bit)
            case Kind.SLOW:
                self.slept_ms += SLOW_MS
            case Kind.TORN_RENAME:
                pass
        return outcome


def flipped(data: bytes, bit: int) -> bytes:
    """`data` with one bit turned; the bit's number wraps."""
    if not data:
        return data
    changed = bytearray(data)
    changed[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(changed)
