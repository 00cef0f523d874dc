"""A file of fixed-size, ascending entries that grows at its end: what the offset index and the time index share.

While its segment is active Kafka keeps such a file at `segment.index.bytes` (rounded down to whole entries), sparse and
zero behind the last entry; a roll or a clean stop trims it to its entries. Here the newest entries are held in memory
and written in runs, and the file comes into being with the first run, so that creating a partition creates no index. A
crash therefore leaves a prefix of the entries, then zeros, or no file: recovery rebuilds it from the log in any case,
as Kafka does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from contextlib import suppress
from operator import itemgetter
from struct import Struct

from kwire.log.descriptors import DESCRIPTORS
from kwire.log.files import Files, OpenFile

_ENTRIES_IN_A_RUN = 256
"""A megabyte of log at the default interval; both indexes of a segment hold 5 KiB until then."""
_ENTRIES_IN_A_BLOCK = 64
"""So many are read at once by whoever looks for one."""


class EntryFile(ABC):
    """Entries of two integers: those on disk, read when asked for, and the newest in memory."""

    __slots__ = (
        "__weakref__",
        "_changed",
        "_file",
        "_files",
        "_newest",
        "_pending",
        "_preallocated",
        "_run_bytes",
        "_stored_bytes",
        "base_offset",
        "max_bytes",
        "path",
        "size",
    )

    ENTRY: Struct
    ENTRY_SIZE: int

    def __init__(self, path: str, base_offset: int, max_bytes: int, files: Files, *, file_size: int) -> None:
        """`file_size` is the file's size in bytes, 0 when it is missing; `max_bytes` is `segment.index.bytes`."""
        self.path = path
        self.base_offset = base_offset
        self.max_bytes = max_bytes - max_bytes % self.ENTRY_SIZE
        self._files = files
        self._file: OpenFile | None = None
        self._pending = bytearray()
        self._run_bytes = _ENTRIES_IN_A_RUN * self.ENTRY_SIZE
        self._stored_bytes = file_size - file_size % self.ENTRY_SIZE
        self._preallocated = False
        self._changed = False
        self._newest: tuple[int, int] | None = None
        if self._stored_bytes:
            self._stored_bytes = self._real_entries() * self.ENTRY_SIZE
        self.size = self._stored_bytes
        """Bytes of all entries."""

    @abstractmethod
    def is_real(self, entry: tuple[int, int]) -> bool:
        """Whether an entry read from the file was written, rather than left zero by preallocation."""

    def _real_entries(self) -> int:
        """Entries before the zeros that a crash leaves behind them, found by halving."""
        low, high = 0, self._stored_bytes // self.ENTRY_SIZE
        if self.is_real(self._stored(high - 1)):
            return high
        while low < high:
            middle = (low + high) // 2
            if self.is_real(self._stored(middle)):
                low = middle + 1
            else:
                high = middle
        return low

    def _open(self) -> OpenFile:
        file = self._file
        if file is None:
            file = self._file = self._files.open(self.path, create=True)
            DESCRIPTORS.opened(self)
        return file

    def _stored(self, slot: int) -> tuple[int, int]:
        size = self.ENTRY_SIZE
        entry: tuple[int, int] = self.ENTRY.unpack(self._files.read_at(self._open(), size, slot * size))
        return entry

    def entry(self, slot: int) -> tuple[int, int]:
        """The entry's two integers as stored, for a slot below `entry_count`."""
        at = slot * self.ENTRY_SIZE - self._stored_bytes
        if at >= 0:
            held: tuple[int, int] = self.ENTRY.unpack_from(self._pending, at)
            return held
        return self._stored(slot)

    def all_entries(self) -> list[tuple[int, int]]:
        """Every entry, as stored."""
        stored = self._files.read_at(self._open(), self._stored_bytes, 0) if self._stored_bytes else b""
        return list(self.ENTRY.iter_unpack(stored + self._pending))

    @property
    def entry_count(self) -> int:
        return self.size // self.ENTRY_SIZE

    def newest(self) -> tuple[int, int] | None:
        """The last entry as stored; None when there is none."""
        if self._newest is None and self.size:
            self._newest = self.entry(self.entry_count - 1)
        return self._newest

    def last_slot_up_to(self, field: int, limit: int) -> int:
        """The last slot whose integer number `field` is at or below `limit`; -1 when none is. Both ascend."""
        newest = self.newest()
        if newest is None or newest[field] <= limit:
            # The newest entry is tried first: readers near the end are the common ones.
            return self.entry_count - 1
        stored = self._stored_bytes // self.ENTRY_SIZE
        if stored < self.entry_count and (not stored or self.entry(stored)[field] <= limit):
            return stored - 1 + self._count_up_to(self._pending, field, limit)
        return self._last_stored_up_to(stored, field, limit, newest[field])

    def _last_stored_up_to(self, stored: int, field: int, limit: int, newest: int) -> int:
        """As `last_slot_up_to`, among the first `stored` entries.

        A block of them is read at once, the first where it would lie if all batches were alike, then by halving.
        """
        size = self.ENTRY_SIZE
        low, high = 0, stored
        middle = self.entry_count * limit // newest if 0 <= limit < newest else 0
        while low < high:
            start = max(low, min(middle - _ENTRIES_IN_A_BLOCK // 2, high - _ENTRIES_IN_A_BLOCK))
            count = min(_ENTRIES_IN_A_BLOCK, high - start)
            block = self._files.read_at(self._open(), count * size, start * size)
            within = self._count_up_to(block, field, limit)
            if within == count:
                low = start + count
            elif within or start == low:
                return start + within - 1
            else:
                high = start
            middle = (low + high) // 2
        return low - 1

    def _count_up_to(self, entries: bytes | bytearray, field: int, limit: int) -> int:
        """How many of these entries, from the first on, have an integer number `field` at or below `limit`."""
        return bisect_right(list(self.ENTRY.iter_unpack(entries)), limit, key=itemgetter(field))

    def add(self, first: int, second: int) -> None:
        """Append an entry as it is stored. Raises OSError when a run of entries cannot be written."""
        self._pending += self.ENTRY.pack(first, second)
        self._newest = first, second
        self.size += self.ENTRY_SIZE
        if len(self._pending) >= self._run_bytes:
            self.write_out()

    def write_out(self) -> None:
        """Write the entries held in memory; the first time the file takes its preallocated, sparse size."""
        if not self._pending:
            return
        file = self._open()
        if not self._preallocated:
            self._files.truncate(file, self.max_bytes)
            self._preallocated = True
        self._changed = True
        try:
            self._files.write_at(file, self._pending, self._stored_bytes)
        except OSError:
            # Half an entry would look like one, with zeros for what is missing.
            with suppress(OSError):
                self._files.truncate(file, self._stored_bytes)
                self._preallocated = False
            raise
        self._stored_bytes += len(self._pending)
        self._pending.clear()

    def keep(self, entry_count: int) -> None:
        """Drop every entry from slot `entry_count` on."""
        end = entry_count * self.ENTRY_SIZE
        self.size = min(self.size, end)
        self._newest = None
        if end >= self._stored_bytes:
            del self._pending[end - self._stored_bytes :]
            return
        self._pending.clear()
        self._stored_bytes = end
        # Cut, so that no dropped entry stays behind the end; the next write gives the file its full size again.
        self._changed = True
        self._files.truncate(self._open(), end)
        self._preallocated = False

    def take_back(self, field: int, limit: int) -> None:
        """Drop the newest entries whose integer number `field` is at or above `limit`."""
        while self.entry_count and self.entry(self.entry_count - 1)[field] >= limit:
            self.keep(self.entry_count - 1)

    def trim(self) -> None:
        """Make the file exactly its entries (a roll or a clean stop), creating an empty one if there is none yet."""
        self.write_out()
        self._changed = True
        self._files.truncate(self._open(), self._stored_bytes)
        self._preallocated = False

    def sync(self) -> None:
        """Put the entries on the device, unless nothing changed since it was done last.

        Raises FileNotFoundError when the file was taken away meanwhile.
        """
        self.write_out()
        if self._changed:
            # Never made anew here: a thread that flushes may come after retention has renamed the file.
            self._files.sync(self._file or self._files.open(self.path))
            self._changed = False

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        if self._file is not None:
            DESCRIPTORS.closed(self)
            self._file = None

    def let_go(self) -> None:
        """`close`, when too many files are open."""
        self._file = None
