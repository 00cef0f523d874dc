"""The time index `<base>.timeindex`: from a timestamp to an offset of the segment.

```
entry, 12 bytes, big-endian, ascending in both
  timestamp        int64   largest timestamp (ms) of the segment so far
  relative_offset  int32   last offset of the batch that holds it, minus the segment's base offset
```
An entry says: every record above this timestamp lies behind this offset. One is written with each entry of the offset
index, and one when the segment rolls or the broker stops cleanly, in each case only if the timestamp is above the last
entry's. Read by ListOffsets, retention and roll (largest timestamp of a segment) and by Kafka's `TimeIndex`. On
preallocation, and on what a crash leaves, see `entry_file`.
"""

from __future__ import annotations

from struct import Struct

from kwire.log.entry_file import EntryFile

NO_TIMESTAMP = -1


class TimeIndex(EntryFile):
    """The time index of one segment."""

    __slots__ = ()

    ENTRY = Struct(">qi")
    ENTRY_SIZE = 12

    def is_real(self, entry: tuple[int, int]) -> bool:
        return entry != (0, 0)

    def is_sound(self) -> bool:
        """Whether the newest entry can be true: not before the first, nor of an offset below the segment's."""
        newest = self.newest()
        return newest is None or (newest[1] >= 0 and newest[0] >= self.entry(0)[0])

    @property
    def is_full(self) -> bool:
        """Only the place of the entry that a roll adds is left: the segment must roll."""
        return self.size >= self.max_bytes - self.ENTRY_SIZE

    def last_entry(self) -> tuple[int, int]:
        """(timestamp, offset) of the newest entry; (-1, base offset) when there is none."""
        newest = self.newest()
        return (NO_TIMESTAMP, self.base_offset) if newest is None else (newest[0], self.base_offset + newest[1])

    def append_if_later(self, timestamp: int, offset: int) -> None:
        """Add an entry if `timestamp` is above the last one's; a full file takes none (Kafka's `maybeAppend`)."""
        newest = self._newest or self.newest()
        if (newest is None or timestamp > newest[0]) and timestamp > NO_TIMESTAMP and self.size < self.max_bytes:
            self.add(timestamp, offset - self.base_offset)

    def lookup(self, timestamp: int) -> tuple[int, int]:
        """(timestamp, offset) of the last entry at or below `timestamp`; (-1, base offset) when all are above it."""
        slot = self.last_slot_up_to(0, timestamp)
        if slot < 0:
            return NO_TIMESTAMP, self.base_offset
        found, relative = self.entry(slot)
        return found, self.base_offset + relative

    def truncate_to(self, offset: int) -> None:
        """Drop the entries at or above `offset`."""
        self.keep(self.last_slot_up_to(1, offset - self.base_offset - 1) + 1)
