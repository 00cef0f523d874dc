"""The transaction index `<base>.txnindex`: the aborted transactions whose ABORT marker lies in the segment.

```
entry, 34 bytes, big-endian, ascending in last_offset
  version             int16   0
  producer_id         int64
  first_offset        int64   of the transaction, possibly in an earlier segment
  last_offset         int64   of the marker
  last_stable_offset  int64   after the abort is applied: the first offset of another open transaction, or marker + 1
```
The file comes into being with its first entry; most segments have none. Read by fetches under read_committed, for the
list of aborted transactions, and by Kafka's `TransactionIndex`. A crash may leave a torn last entry or too few entries:
recovery empties the file and writes it anew while it scans the segment.
"""

from __future__ import annotations

from contextlib import suppress
from struct import Struct

from kwire.log.files import Files
from kwire.named_tuple import NamedTuple

_ENTRY = Struct(">hqqqq")
ENTRY_SIZE = 34
VERSION = 0


class AbortedTransaction(NamedTuple):
    """One entry."""

    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int


class TxnIndex:
    """The transaction index of one segment; entries are read from the file whenever they are asked for.

    That there is no file is remembered: every fetch under read_committed asks every segment behind its offset.
    """

    __slots__ = ("_changed", "_files", "_is_missing", "path")

    def __init__(self, path: str, files: Files) -> None:
        self.path = path
        self._files = files
        self._is_missing = False
        self._changed = False

    def append(self, entry: AbortedTransaction) -> None:
        """Write an entry behind the others."""
        self._is_missing = False
        self._changed = True
        file = self._files.open(self.path, create=True)
        size = self._files.size(self.path)
        self._files.write_at(file, _ENTRY.pack(VERSION, *entry), size - size % ENTRY_SIZE)

    def entries(self) -> list[AbortedTransaction]:
        """All whole entries, ascending in last offset."""
        data = None if self._is_missing else self._files.read_file(self.path)
        if data is None:
            self._is_missing = True
            return []
        whole = len(data) - len(data) % ENTRY_SIZE
        return [AbortedTransaction._make(fields[1:]) for fields in _ENTRY.iter_unpack(memoryview(data)[:whole])]

    def collect(self, first: int, last: int) -> tuple[list[AbortedTransaction], bool]:
        """Aborted transactions that overlap the offsets `first` to `last` (exclusive), and whether no later segment can
        have more.

        The search is complete once an entry's last stable offset reaches `last`: whatever aborts later was open there.
        """
        found: list[AbortedTransaction] = []
        for entry in self.entries():
            if entry.last_offset >= first and entry.first_offset < last:
                found.append(entry)
            if entry.last_stable_offset >= last:
                return found, True
        return found, False

    def sync(self) -> None:
        """Put the entries on the device, unless nothing changed since it was done last. Raises OSError."""
        if self._changed:
            self._files.sync(self._files.open(self.path))
            self._changed = False

    def truncate_to(self, offset: int) -> None:
        """Drop the entries whose marker is at or above `offset`."""
        entries = self.entries()
        kept = [entry for entry in entries if entry.last_offset < offset]
        if len(kept) < len(entries):
            self._keep(len(kept))

    def clear(self) -> None:
        """Drop all entries, before they are written anew.

        Of an empty file too the device may still have the entries: a start that was broken off has cut it.
        """
        with suppress(FileNotFoundError):
            self._keep(0)

    def _keep(self, count: int) -> None:
        # Cut rather than removed: a power cut that undoes it meets the next sync of the file.
        file = self._files.open(self.path)
        self._changed = True
        self._files.truncate(file, count * ENTRY_SIZE)
