"""The offset index `<base>.index`: from an offset to the position of a batch in `<base>.log`.

```
entry   8 bytes, big-endian, ascending
  relative_offset  int32   last offset of a batch, minus the segment's base offset
  position         int32   first byte of that batch in the .log file
```
Sparse: an entry is due once more than `index.interval.bytes` were appended since the last one, so the first batch of a
segment has none. To find an offset, take the last entry at or below it and walk batch headers from there. Readers are the
fetch path and Kafka's `OffsetIndex`, whose format this is.

While its segment is active Kafka keeps the file at `segment.index.bytes` (rounded down to 8), sparse and zero behind the
last entry; a roll or clean stop trims it to its entries. The file may be missing or short of the newest entries: they are
held in memory and written in runs, since a crash makes recovery rebuild the file from the log in any case. What a crash leaves is thus
a prefix of the entries, then zeros. An entry of zeros behind the first ends the entries.
"""

from __future__ import annotations

from struct import Struct

from kwire.log.files import Files, OpenFile

ENTRY = Struct(">ii")
ENTRY_SIZE = 8
_WRITE_RUN_BYTES = 64 * ENTRY_SIZE
_MAX_RELATIVE_OFFSET = 0x7FFFFFFF


class OffsetIndex:
    """The entries of one segment: those on disk, read when needed, and the newest in memory."""

    __slots__ = ("_file", "_files", "_last", "_pending", "_stored_bytes", "base_offset", "max_bytes", "path", "preallocated")

    def __init__(self, path: str, base_offset: int, max_bytes: int, files: Files, *, file_size: int) -> None:
        """`file_size` is what a directory listing says (0 for a missing file), so that opening a log opens no index."""
        self.path = path
        self.base_offset = base_offset
        self.max_bytes = max_bytes - max_bytes % ENTRY_SIZE
        self._files = files
        self._file: OpenFile | None = None
        self._pending = bytearray()
        self._stored_bytes = file_size - file_size % ENTRY_SIZE
        self._last: tuple[int, int] | None = None
        self.preallocated = False
        if file_size:
            self._drop_zero_tail()

    def _drop_zero_tail(self) -> None:
        """A file that a crash left preallocated ends in zeros: find the last real entry by halving."""
        if self._stored_bytes > ENTRY_SIZE and self._stored(self._stored_bytes - ENTRY_SIZE) == (0, 0):
            low, high = 0, self._stored_bytes // ENTRY_SIZE
            while low < high:
                middle = (low + high) // 2
                if self._stored(middle * ENTRY_SIZE)[1] > 0:
                    low = middle + 1
                else:
                    high = middle
            self._stored_bytes = low * ENTRY_SIZE
        elif self._stored_bytes == ENTRY_SIZE and self._stored(0) == (0, 0):
            self._stored_bytes = 0

    def _open(self) -> OpenFile:
        file = self._file
        if file is None:
            file = self._file = self._files.open(self.path, create=True)
        return file

    def _stored(self, at: int) -> tuple[int, int]:
        entry: tuple[int, int] = ENTRY.unpack(self._files.read_at(self._open(), ENTRY_SIZE, at))
        return entry

    def _entry(self, slot: int) -> tuple[int, int]:
        at = slot * ENTRY_SIZE
        if at >= self._stored_bytes:
            entry: tuple[int, int] = ENTRY.unpack_from(self._pending, at - self._stored_bytes)
            return entry
        return self._stored(at)

    @property
    def entry_count(self) -> int:
        return (self._stored_bytes + len(self._pending)) // ENTRY_SIZE

    @property
    def is_full(self) -> bool:
        """No room for another entry within `segment.index.bytes`: the segment must roll."""
        return self._stored_bytes + len(self._pending) >= self.max_bytes

    @property
    def size(self) -> int:
        """Bytes of all entries."""
        return self._stored_bytes + len(self._pending)

    def last_entry(self) -> tuple[int, int]:
        """(offset, position) of the newest entry; (base offset, 0) when there is none."""
        count = self.entry_count
        if not count:
            return self.base_offset, 0
        relative, position = self._entry(count - 1)
        return self.base_offset + relative, position

    def append(self, offset: int, position: int) -> None:
        """Add an entry; `offset` is the batch's last. Raises OSError when a run of entries cannot be written."""
        self._pending += ENTRY.pack(offset - self.base_offset, position)
        if len(self._pending) >= _WRITE_RUN_BYTES:
            self.write_out()

    def write_out(self) -> None:
        """Write the entries held in memory; the file grows to its preallocated, sparse size on first use."""
        if not self._pending:
            return
        file = self._open()
        if not self.preallocated:
            self._files.truncate(file, self.max_bytes)
            self.preallocated = True
        self._files.write_at(file, self._pending, self._stored_bytes)
        self._stored_bytes += len(self._pending)
        self._pending.clear()

    def lookup(self, offset: int) -> tuple[int, int]:
        """(offset, position) of the last entry at or below `offset`; (base offset, 0) when all are above."""
        slot = self._last_slot(0, offset - self.base_offset)
        if slot < 0:
            return self.base_offset, 0
        relative, position = self._entry(slot)
        return self.base_offset + relative, position

    def last_position_up_to(self, position: int) -> int | None:
        """The largest indexed position at or below `position`: a batch starts there. None when all are above."""
        slot = self._last_slot(1, position)
        return self._entry(slot)[1] if slot >= 0 else None

    def _last_slot(self, field: int, limit: int) -> int:
        """The last slot whose offset (field 0) or position (field 1) is at or below `limit`; -1 when none is."""
        low, high = 0, self.entry_count
        # The newest entry is tried first: readers near the end are the common ones.
        if high and self._entry(high - 1)[field] <= limit:
            return high - 1
        while low < high:
            middle = (low + high) // 2
            if self._entry(middle)[field] <= limit:
                low = middle + 1
            else:
                high = middle
        return low - 1

    def truncate_to(self, offset: int) -> None:
        """Drop the entries whose offset is at or above `offset`."""
        slot = self._last_slot(0, offset - self.base_offset - 1)
        self._truncate_to_entries(slot + 1)

    def reset(self) -> None:
        """Drop every entry, before the segment is scanned anew."""
        self._truncate_to_entries(0)

    def _truncate_to_entries(self, count: int) -> None:
        end = count * ENTRY_SIZE
        if end >= self._stored_bytes:
            del self._pending[end - self._stored_bytes :]
            return
        self._pending.clear()
        self._stored_bytes = end
        # Cut, so that no dropped entry stays behind the end; the next write makes the file its full size again.
        self._files.truncate(self._open(), end)
        self.preallocated = False

    def trim(self) -> None:
        """Make the file exactly its entries (a roll or a clean stop); creates it when it has none yet."""
        self.write_out()
        self._files.truncate(self._open(), self._stored_bytes)
        self.preallocated = False

    def sync(self) -> None:
        """Put the entries on the device."""
        self.write_out()
        if self._file is not None:
            self._files.sync(self._file)

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        self._file = None

    def sanity_check(self) -> bool:
        """Whether the file can be an index at all (Kafka's `OffsetIndex.sanityCheck`): whole entries, last above base."""
        count = self.entry_count
        return count == 0 or 0 < self._entry(count - 1)[0] <= _MAX_RELATIVE_OFFSET
