"""Checks of the three indexes of a segment, fed with its batches one after the other.

An offset index entry is right when its position is the start of a batch and its offset the last offset of a batch
there: of that one or, where several were appended in one go (followers, compaction), of a later one before the next
entry. A time index entry is right when its timestamp is the largest so far and belongs to the batch with its offset.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from kwire.log.offline.verify_report import DAMAGE, WARNING
from kwire.log.offset_index import OffsetIndex
from kwire.log.time_index import TimeIndex

Report = Callable[[str, str, int | None, str, str], object]
"""(severity, kind, position, text, meaning)"""

_REMEDY = "remove the segment's .index while the broker is stopped: the next use makes it and the .timeindex anew"
_REBUILT = f"fetches may begin at a wrong place; {_REMEDY}"
_TIMES = f"lookups by time and retention may err; {_REMEDY}"


def read_entries(stored: tuple[bytes, int], layout: Struct, report: Report, meaning: str) -> list[tuple[int, int]]:
    """The entries before the zeros that an open index has behind them; a torn one at the end is reported.

    `stored` are the file's bytes, up to where only holes follow, and its size.
    """
    data, size = stored
    torn = size % layout.size
    if torn:
        report(WARNING, "index-torn", size - torn, f"{torn} bytes at the end are no whole entry", meaning)
    used = len(data.rstrip(b"\0"))
    whole = min(-(-used // layout.size) * layout.size, size - torn)
    return list(layout.iter_unpack(data[:whole].ljust(whole, b"\0")))


class OffsetIndexCheck:
    """The offset index of one segment. `see` each batch, then `finish`."""

    __slots__ = ("_base", "_entries", "_next", "_pending", "_report", "next_position")

    def __init__(self, stored: tuple[bytes, int], base_offset: int, report: Report) -> None:
        self._base = base_offset
        self._report = report
        self._entries: list[tuple[int, int, int]] = []
        self._next = 0
        self._pending: tuple[int, int] | None = None
        previous = (-1, -1)
        for slot, (relative, position) in enumerate(read_entries(stored, OffsetIndex.ENTRY, report, _REBUILT)):
            if relative <= previous[0] or position <= previous[1]:
                self._damage(
                    slot,
                    f"entry {slot} (offset {base_offset + relative}, position {position}) does not "
                    "lie above the one before it",
                )
            else:
                self._entries.append((base_offset + relative, position, slot))
                previous = relative, position
        self.next_position = self._entries[0][1] if self._entries else -1

    def _damage(self, slot: int, text: str) -> None:
        self._report(DAMAGE, "index-untrue", slot * OffsetIndex.ENTRY_SIZE, text, _REBUILT)

    def see(self, position: int, last_offset: int) -> None:
        """The batch at `position`. Only calls at or behind `next_position`, or with an entry pending, matter."""
        if self._pending is not None:
            self._resolve(last_offset)
        while self._next < len(self._entries) and self._entries[self._next][1] <= position:
            offset, at, slot = self._entries[self._next]
            self._next += 1
            if at < position:
                self._damage(slot, f"entry {slot} (offset {offset}) points at position {at}, where no batch begins")
            elif offset < last_offset:
                self._damage(slot, f"entry {slot} says offset {offset}, the batch at {at} ends at {last_offset}")
            elif offset > last_offset:
                self._pending = offset, slot
        if self._pending is not None:
            self.next_position = 0
        else:
            self.next_position = self._entries[self._next][1] if self._next < len(self._entries) else -1

    def _resolve(self, last_offset: int) -> None:
        assert self._pending is not None
        offset, slot = self._pending
        if last_offset >= offset:
            if last_offset != offset:
                self._damage(slot, f"entry {slot} says offset {offset}, at which no batch ends")
            self._pending = None

    def finish(self, end_position: int) -> None:
        """There are no more batches."""
        if self._pending is not None:
            self._damage(self._pending[1], f"entry {self._pending[1]} says offset {self._pending[0]}, beyond the log")
        for offset, position, slot in self._entries[self._next :]:
            self._damage(
                slot, f"entry {slot} (offset {offset}) points at position {position}, the log ends at {end_position}"
            )


class TimeIndexCheck:
    """The time index of one segment. `see` each batch, then `finish`."""

    __slots__ = ("_entries", "_latest", "_next", "_report", "next_offset")

    def __init__(self, stored: tuple[bytes, int], base_offset: int, report: Report) -> None:
        self._report = report
        self._entries: list[tuple[int, int, int]] = []
        self._next = 0
        self._latest = -1
        previous = (-2, -1)
        for slot, (timestamp, relative) in enumerate(read_entries(stored, TimeIndex.ENTRY, report, _TIMES)):
            if timestamp <= previous[0] or relative < previous[1]:
                self._damage(
                    slot,
                    f"entry {slot} (timestamp {timestamp}, offset {base_offset + relative}) does not "
                    "lie above the one before it",
                )
            else:
                self._entries.append((timestamp, base_offset + relative, slot))
                previous = timestamp, relative
        self.next_offset = self._entries[0][1] if self._entries else -1

    def _damage(self, slot: int, text: str) -> None:
        self._report(DAMAGE, "time-index-untrue", slot * TimeIndex.ENTRY_SIZE, text, _TIMES)

    def see(self, last_offset: int, max_timestamp: int) -> None:
        """A batch."""
        if max_timestamp > self._latest:
            self._latest = max_timestamp
        while self._next < len(self._entries) and self._entries[self._next][1] <= last_offset:
            timestamp, offset, slot = self._entries[self._next]
            self._next += 1
            if timestamp != max_timestamp:
                self._damage(
                    slot, f"entry {slot} says timestamp {timestamp} for offset {offset}, the log {max_timestamp}"
                )
            elif timestamp < self._latest:
                self._damage(
                    slot,
                    f"entry {slot} says that nothing up to offset {offset} is later than {timestamp}, "
                    f"but {self._latest} is there",
                )
        self.next_offset = self._entries[self._next][1] if self._next < len(self._entries) else -1

    def finish(self) -> None:
        """There are no more batches."""
        for timestamp, offset, slot in self._entries[self._next :]:
            self._damage(slot, f"entry {slot} (timestamp {timestamp}) names offset {offset}, beyond the log")
