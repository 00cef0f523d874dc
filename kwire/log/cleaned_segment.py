"""The segment that compaction writes: the four files of a segment with `.cleaned` behind their names.

Nobody reads them under that name; a crash leaves them for the next start to remove. They are complete, indexes and all,
and on the device, before `swap` gives them a name that counts. Source: Kafka's `UnifiedLog.createNewCleanedSegment`.
"""

from __future__ import annotations

import os

from kwire.log.files import (
    CLEANED_SUFFIX,
    INDEX_SUFFIX,
    LOG_SUFFIX,
    SEGMENT_SUFFIXES,
    TIME_INDEX_SUFFIX,
    TXN_INDEX_SUFFIX,
    Files,
    offset_name,
)
from kwire.log.offset_index import OffsetIndex
from kwire.log.time_index import NO_TIMESTAMP, TimeIndex
from kwire.log.txn_index import AbortedTransaction, TxnIndex
from kwire.wire.record_batch import Buffer

_WRITE_BYTES = 1 << 20


def remove_cleaned(directory: str, base_offset: int, files: Files) -> None:
    """Remove what an unfinished compaction left under this base offset. Raises OSError."""
    for suffix in SEGMENT_SUFFIXES:
        files.unlink(os.path.join(directory, offset_name(base_offset, suffix + CLEANED_SUFFIX)))


class CleanedSegment:
    """One output segment, from its first batch to its last."""

    __slots__ = (
        "_bytes_since_index_entry",
        "_file",
        "_files",
        "_index",
        "_interval_bytes",
        "_largest",
        "_log_path",
        "_pending",
        "_time_index",
        "_txn_index",
        "_written",
        "base_offset",
    )

    def __init__(
        self, directory: str, base_offset: int, files: Files, *, index_max_bytes: int, index_interval_bytes: int
    ) -> None:
        """New, empty files; left-overs of the same name go. Raises OSError."""
        remove_cleaned(directory, base_offset, files)
        self._files = files
        self.base_offset = base_offset
        path = os.path.join(directory, offset_name(base_offset, ""))
        self._log_path = path + LOG_SUFFIX + CLEANED_SUFFIX
        self._file = files.open(self._log_path, create=True)
        index_path = path + INDEX_SUFFIX + CLEANED_SUFFIX
        self._index = OffsetIndex(index_path, base_offset, index_max_bytes, files, file_size=0)
        time_index_path = path + TIME_INDEX_SUFFIX + CLEANED_SUFFIX
        self._time_index = TimeIndex(time_index_path, base_offset, index_max_bytes, files, file_size=0)
        self._txn_index = TxnIndex(path + TXN_INDEX_SUFFIX + CLEANED_SUFFIX, files)
        self._interval_bytes = index_interval_bytes
        self._bytes_since_index_entry = 0
        self._largest = (NO_TIMESTAMP, base_offset)
        self._pending = bytearray()
        self._written = 0
        for index in (self._index, self._time_index):
            index.trim()

    @property
    def size(self) -> int:
        """Bytes of all batches so far."""
        return self._written + len(self._pending)

    def append(self, batch: Buffer, last_offset: int, max_timestamp: int) -> None:
        """A batch, or a message set of magic 0 or 1 whose last record has `last_offset`. Raises OSError."""
        if max_timestamp > self._largest[0]:
            self._largest = (max_timestamp, last_offset)
        if self._bytes_since_index_entry > self._interval_bytes and not self._index.is_full:
            self._index.append(last_offset, self.size)
            self._time_index.append_if_later(*self._largest)
            self._bytes_since_index_entry = 0
        self._bytes_since_index_entry += len(batch)
        self._pending += batch
        if len(self._pending) >= _WRITE_BYTES:
            self._write_out()

    def _write_out(self) -> None:
        self._files.write_at(self._file, self._pending, self._written)
        self._written += len(self._pending)
        self._pending = bytearray()

    def finish(self, aborted: list[AbortedTransaction], modified_ms: int) -> int:
        """Complete all files and put them on the device; the size in bytes. Raises OSError.

        `aborted` are the transactions whose ABORT marker is in here. The time of the last change becomes `modified_ms`,
        that of the newest source, since retention goes by it where records have no timestamps.
        """
        if self._pending:
            self._write_out()
        self._time_index.append_if_later(*self._largest)
        for entry in aborted:
            self._txn_index.append(entry)
        for index in (self._index, self._time_index):
            index.trim()
            index.sync()
        self._files.sync(self._file)
        if aborted:
            self._files.sync(self._files.open(self._txn_index.path))
        self._files.set_modified_ms(self._log_path, modified_ms)
        return self._written
