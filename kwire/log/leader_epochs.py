"""Which leader wrote which offsets: `leader-epoch-checkpoint` of a partition (KIP-101, KIP-279).

```
0                       version
<count>
<epoch> <start offset>  one line each, both ascending
```
Followers and consumers ask for the end offset of an epoch to find where their log parts from the leader's. When the
log's start moves, the oldest kept entry's offset moves with it. The file exists once the first epoch has started (here:
with the first batch; before it nothing can part). It is replaced by rename, so a kill leaves an old or a new one;
batches carry their epoch too, and recovery adds from them what the file lacks. It only reads the batches behind the
recovery point, so the file is written, and fsynced, before that point moves. Source: Kafka's `LeaderEpochFileCache`.
"""

from __future__ import annotations

import os
from bisect import bisect_right

from kwire.log.files import Files

FILE_NAME = "leader-epoch-checkpoint"
UNDEFINED_EPOCH = -1
UNDEFINED_OFFSET = -1
_VERSION = "0"


class LeaderEpochs:
    """The epochs of one log, oldest first, kept in memory and written when they change."""

    __slots__ = ("_files", "_path", "_written", "entries", "latest_epoch")

    entries: list[tuple[int, int]]
    latest_epoch: int
    """-1 when none has started."""

    def __init__(self, path: str, files: Files) -> None:
        self._path = path
        self._files = files
        self._written = False
        self._take([])

    def _take(self, entries: list[tuple[int, int]]) -> None:
        self.entries = entries
        self.latest_epoch = entries[-1][0] if entries else UNDEFINED_EPOCH

    def load(self, *, clean: bool) -> None:
        """Read the file; a missing, empty or unreadable one is an empty cache (it is rebuilt from batches).

        Unless the last stop was `clean`, it is written again: nobody knows whether it is on the device.
        """
        data = self._files.read_file(self._path)
        self._written = clean or data is None
        self._take(parse(data) if data else [])

    def assign(self, epoch: int, start_offset: int) -> bool:
        """`epoch` starts at `start_offset`; False if it has started before. Older entries that contradict it go."""
        if epoch < 0 or (self.entries and self.entries[-1][0] >= epoch and self.entries[-1][1] <= start_offset):
            return False
        older = [entry for entry in self.entries if entry[0] < epoch and entry[1] < start_offset]
        self._take([*older, (epoch, start_offset)])
        self._written = False
        return True

    def end_offset_for(self, epoch: int, log_end_offset: int) -> tuple[int, int]:
        """(epoch, end offset) of the largest epoch at or below the one asked for; (-1, -1) when undecidable.

        Source: Kafka's `LeaderEpochFileCache.endOffsetFor`, as OffsetForLeaderEpoch answers it.
        """
        entries = self.entries
        if epoch == UNDEFINED_EPOCH or not entries or epoch > entries[-1][0]:
            return UNDEFINED_EPOCH, UNDEFINED_OFFSET
        if epoch == entries[-1][0]:
            return epoch, log_end_offset
        if epoch < entries[0][0]:
            # The log begins after that epoch: whoever has it shares nothing before our first entry.
            return epoch, entries[0][1]
        slot = bisect_right(entries, epoch, key=_epoch_of) - 1
        return entries[slot][0], entries[slot + 1][1]

    def epoch_for(self, offset: int) -> int:
        """The epoch that wrote `offset`; -1 when it is older than all entries."""
        for epoch, start in reversed(self.entries):
            if start <= offset:
                return epoch
        return UNDEFINED_EPOCH

    def truncate_from_end(self, end_offset: int) -> None:
        """Drop the epochs that start at or beyond the new end of the log."""
        if self.entries and self.entries[-1][1] >= end_offset:
            self._take([entry for entry in self.entries if entry[1] < end_offset])
            self._written = False

    def truncate_from_start(self, start_offset: int) -> None:
        """Drop the epochs that end before the new start; the oldest kept one then starts there."""
        older = [entry for entry in self.entries if entry[1] <= start_offset]
        if older and older[-1][1] < start_offset:
            self._take([(older[-1][0], start_offset), *self.entries[len(older) :]])
            self._written = False
        elif len(older) > 1:
            self._take(self.entries[len(older) - 1 :])
            self._written = False

    def replace(self, entries: list[tuple[int, int]]) -> None:
        """Take over another log's epochs."""
        self._take(list(entries))
        self._written = False

    def move_to(self, directory: str) -> None:
        """The directory has another name."""
        self._path = os.path.join(directory, FILE_NAME)

    def clear(self) -> None:
        """Drop all (the log starts over)."""
        self._take([])
        self._written = False

    def write(self) -> None:
        """Put the file on the device if it differs from memory. Raises OSError."""
        if not self._written:
            self._files.replace_file(self._path, render(self.entries), sync=True)
            self._written = True


def _epoch_of(entry: tuple[int, int]) -> int:
    return entry[0]


def render(entries: list[tuple[int, int]]) -> bytes:
    """The file's bytes."""
    lines = [_VERSION, str(len(entries)), *(f"{epoch} {start}" for epoch, start in entries)]
    return ("\n".join(lines) + "\n").encode("ascii")


def parse(data: bytes) -> list[tuple[int, int]]:
    """The entries; none for a file that is not of this format."""
    try:
        version, count, *lines = data.decode("ascii").split("\n")
        entries = [(int(epoch), int(start)) for epoch, start in (line.split() for line in lines if line)]
        return entries if version == _VERSION and int(count) == len(entries) else []
    except ValueError:
        return []
