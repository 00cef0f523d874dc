"""The producer snapshots of one log on disk: taken, found again, and dropped with the log's ends."""

from __future__ import annotations

import os

from kwire.log.files import SNAPSHOT_SUFFIX, Files, offset_name
from kwire.log.producer_snapshot import CorruptSnapshotError, decode_snapshot, encode_snapshot
from kwire.log.producer_state import Marker, ProducerState
from kwire.wire.record_batch import BatchHeader, Buffer


def marker_of(batch: Buffer, header: BatchHeader) -> Marker | None:
    """What the control batch at the start of `batch` says of a transaction; None for any other batch."""
    if not header.is_control or not header.has_producer:
        return None
    from kwire.wire.control import read_end_txn_marker

    found = read_end_txn_marker(batch)
    return None if found is None else Marker(found.is_commit, found.coordinator_epoch)


class ProducerJournal:
    """Snapshot files of one partition directory."""

    __slots__ = ("_directory", "_files")

    def __init__(self, directory: str, files: Files) -> None:
        self._directory = directory
        self._files = files

    def _path(self, offset: int) -> str:
        return os.path.join(self._directory, offset_name(offset, SNAPSHOT_SUFFIX))

    def take(self, entries: dict[int, ProducerState], offset: int) -> None:
        """Write the state as of the log below `offset`. Raises OSError."""
        self._files.create_file(self._path(offset), encode_snapshot(entries))

    def newest(self, offsets: list[int]) -> tuple[int, list[ProducerState]]:
        """(offset, state) of the newest sound snapshot among `offsets`; (0, none) without one. Damaged ones are removed."""
        for offset in sorted(offsets, reverse=True):
            data = self._files.read_file(self._path(offset))
            try:
                if data is not None:
                    return offset, decode_snapshot(data)
            except CorruptSnapshotError:
                self._files.unlink(self._path(offset))
        return 0, []

    def drop(self, offset: int) -> None:
        """Remove one snapshot."""
        self._files.unlink(self._path(offset))
