"""The producer snapshots of one log on disk: taken, found again, and dropped with the log's ends."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from contextlib import suppress

from kwire.log.files import SNAPSHOT_SUFFIX, TEMPORARY_SUFFIX, Files, offset_name
from kwire.log.producer_snapshot import CorruptSnapshotError, decode_snapshot, encode_snapshot
from kwire.log.producer_state import Marker, ProducerState
from kwire.wire.record_batch import BatchHeader, Buffer

logger = logging.getLogger(__name__)


def marker_of(batch: Buffer, header: BatchHeader) -> Marker | None:
    """What the control batch at the start of `batch` says of a transaction; None for any other batch."""
    if not header.is_control or not header.has_producer:
        return None
    from kwire.wire.control import read_end_transaction_marker
    from kwire.wire.records import read_records

    records = read_records(batch)
    # Compaction leaves an empty batch where it took the marker.
    found = read_end_transaction_marker(records[0]) if records else None
    return None if found is None else Marker(found.committed, found.coordinator_epoch)


class ProducerJournal:
    """The snapshot files of one partition directory; their offsets, ascending, are known without looking."""

    __slots__ = ("_directory", "_files", "_unsynced", "offsets")

    def __init__(self, directory: str, files: Files, offsets: Iterable[int] = ()) -> None:
        self._directory = directory
        self._files = files
        self.offsets = sorted(offsets)
        self._unsynced: list[int] = []

    def path(self, offset: int) -> str:
        """Where the snapshot of `offset` is, or would be."""
        return os.path.join(self._directory, offset_name(offset, SNAPSHOT_SUFFIX))

    def move_to(self, directory: str) -> None:
        """The directory has another name."""
        self._directory = directory

    @property
    def newest_offset(self) -> int:
        """0 when there is none."""
        return self.offsets[-1] if self.offsets else 0

    def take(self, entries: dict[int, ProducerState], offset: int) -> None:
        """Write the state as of the log below `offset`, unless it is there already or the log is new.

        A kill leaves no torn snapshot. Raises OSError; what a full disk took of the file is then removed.
        """
        if offset > self.newest_offset:
            try:
                self._files.replace_file(self.path(offset), encode_snapshot(entries), sync=False)
            except OSError:
                with suppress(OSError):
                    self._files.unlink(self.path(offset) + TEMPORARY_SUFFIX)
                raise
            self.offsets.append(offset)
            self._unsynced.append(offset)

    def sync(self) -> None:
        """Put the snapshots taken since the last time on the device, names aside. Safe in a thread. Raises OSError.

        Retention may drop the batches that they were made from.
        """
        for offset in list(self._unsynced):
            with suppress(FileNotFoundError):
                self._files.sync(self._files.open(self.path(offset)))
            # Another thread may have been here as well, and one that was dropped and taken again is there twice.
            with suppress(ValueError):
                self._unsynced.remove(offset)

    def newest(self) -> tuple[int, list[ProducerState]]:
        """(offset, state) of the newest sound snapshot; (0, none) without one. Damaged ones are removed."""
        while self.offsets:
            offset = self.offsets[-1]
            try:
                return offset, decode_snapshot(self._files.read_file(self.path(offset)) or b"")
            except CorruptSnapshotError as error:
                logger.warning("%s is damaged and removed: %s", self.path(offset), error)
                self.drop(offset)
        return 0, []

    def drop(self, offset: int) -> None:
        """Remove one snapshot."""
        self._files.unlink(self.path(offset))
        if offset in self.offsets:
            self.offsets.remove(offset)

    def drop_above(self, offset: int) -> None:
        """Remove the snapshots above `offset`: the log no longer reaches them, or is about to be read again."""
        for newer in [known for known in self.offsets if known > offset]:
            self.drop(newer)

    def drop_below(self, offset: int) -> None:
        """Remove the snapshots below `offset`, where the log begins: of the batches in between nobody can tell."""
        for older in [known for known in self.offsets if known < offset]:
            self.drop(older)

    def keep(self, bases: set[int]) -> None:
        """Remove the snapshots that belong to no segment, but for the newest (Kafka's `removeStraySnapshots`)."""
        for offset in self.offsets[:-1]:
            if offset not in bases:
                self.drop(offset)
