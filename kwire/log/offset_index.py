"""The offset index `<base>.index`: from an offset to the position of a batch in `<base>.log`.

```
entry, 8 bytes, big-endian, ascending
  relative_offset  int32   last offset of a batch, minus the segment's base offset
  position         int32   first byte of that batch in the .log file
```
Sparse: an entry is due once more than `index.interval.bytes` were appended since the last one, so the first batch of a
segment has none. To find an offset, take the last entry at or below it and walk batch headers from there. Read by the
fetch path and by Kafka's `OffsetIndex`. On preallocation, and on what a crash leaves, see `entry_file`.
"""

from __future__ import annotations

from struct import Struct

from kwire.log.entry_file import EntryFile


class OffsetIndex(EntryFile):
    """The offset index of one segment."""

    __slots__ = ()

    ENTRY = Struct(">ii")
    ENTRY_SIZE = 8

    def is_real(self, entry: tuple[int, int]) -> bool:
        # Only the first batch lies at position 0, and it is never indexed.
        return entry[1] > 0

    def is_sound(self, segment_bytes: int) -> bool:
        """Whether the newest entry can be true of a segment of so many bytes (Kafka's `sanityCheck`, and more)."""
        newest = self.newest()
        return newest is None or (newest[0] >= 0 and 0 < newest[1] < segment_bytes)

    @property
    def is_full(self) -> bool:
        """No room for another entry within `segment.index.bytes`: the segment must roll."""
        return self.size >= self.max_bytes

    def append(self, offset: int, position: int) -> None:
        """Index the batch at `position`, whose last offset is `offset`."""
        self.add(offset - self.base_offset, position)

    def lookup(self, offset: int) -> tuple[int, int]:
        """(offset, position) of the last entry at or below `offset`; (base offset, 0) when all are above it."""
        slot = self.last_slot_up_to(0, offset - self.base_offset)
        if slot < 0:
            return self.base_offset, 0
        relative, position = self.entry(slot)
        return self.base_offset + relative, position

    def last_entry(self) -> tuple[int, int]:
        """(offset, position) of the newest entry; (base offset, 0) when there is none."""
        newest = self.newest()
        return (self.base_offset, 0) if newest is None else (self.base_offset + newest[0], newest[1])

    def batch_position_up_to(self, position: int) -> int:
        """The largest indexed position at or below `position`, where a batch starts; 0 when none is indexed there."""
        slot = self.last_slot_up_to(1, position)
        return self.entry(slot)[1] if slot >= 0 else 0

    def offset_at_or_behind(self, position: int) -> int | None:
        """The offset of the first entry whose batch starts at or behind `position`; None without one.

        Source: Kafka's `OffsetIndex.fetchUpperBoundOffset`.
        """
        slot = self.last_slot_up_to(1, position - 1) + 1
        return self.base_offset + self.entry(slot)[0] if slot < self.entry_count else None

    def truncate_to(self, offset: int) -> None:
        """Drop the entries at or above `offset`."""
        self.keep(self.last_slot_up_to(0, offset - self.base_offset - 1) + 1)
