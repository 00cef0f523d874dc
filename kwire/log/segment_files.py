"""The files of one segment, opened when first used, `<base>.log` and its indexes, and walks over its batches.

Batches lie in the `.log` file as they travel on the wire, one after another. Positions are bytes from its start, sizes
are bytes. What is done with them is `segment`'s.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

from kwire.log.descriptors import DESCRIPTORS
from kwire.log.files import INDEX_SUFFIX, LOG_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX, Files, OpenFile, offset_name
from kwire.log.offset_index import OffsetIndex
from kwire.log.time_index import TimeIndex
from kwire.log.txn_index import TxnIndex
from kwire.named_tuple import NamedTuple
from kwire.wire.record_batch import (
    HEADER,
    LOG_OVERHEAD,
    MAGIC_OFFSET,
    RECORD_BATCH_OVERHEAD,
    BatchHeader,
    Buffer,
    CorruptRecordError,
    as_header,
)

_MIN_BATCH_BYTES = LOG_OVERHEAD + 14
"""An empty message of magic 0, which a log that an older Kafka began may hold."""
_SCAN_BYTES = 16 * 1024
_RECOVERY_BYTES = 1 << 20


class StoredBatch(NamedTuple):
    """A batch in a segment: where it starts and what its header says."""

    position: int
    header: BatchHeader


class SegmentFiles:
    """The four files that a segment may have, and what can be read from them without knowing more."""

    __slots__ = (
        "__weakref__",
        "_file",
        "_files",
        "_index",
        "_path",
        "_time_index",
        "base_offset",
        "has_full_index",
        "index_max_bytes",
        "log_path",
        "preallocated_bytes",
        "size",
        "txn_index",
    )

    def __init__(self, directory: str, base_offset: int, files: Files, *, size: int, index_max_bytes: int) -> None:
        """`size` is the `.log` file's, 0 when it does not exist yet. No file is touched here."""
        self.base_offset = base_offset
        self.size = size
        self.index_max_bytes = index_max_bytes
        self._files = files
        self._path = os.path.join(directory, offset_name(base_offset, ""))
        self.log_path = self._path + LOG_SUFFIX
        self.txn_index = TxnIndex(self._path + TXN_INDEX_SUFFIX, files)
        self._file: OpenFile | None = None
        self._index: OffsetIndex | None = None
        self._time_index: TimeIndex | None = None
        self.preallocated_bytes = 0
        """The size that the `.log` file gets when it is made (`preallocate`); 0 for none, or when it was trimmed."""
        self.has_full_index = False
        """Whether one of the indexes has no room for another entry, as far as they were opened."""

    @property
    def file(self) -> OpenFile:
        file = self._file
        if file is None:
            # Only a segment without a batch may lack its file: a lost or removed one must not come back empty.
            file = self._file = self._files.open(self.log_path, create=not self.size)
            if self.preallocated_bytes and not self.size:
                self._files.truncate(file, self.preallocated_bytes)
            DESCRIPTORS.opened(self)
        return file

    @property
    def index(self) -> OffsetIndex:
        if self._index is None:
            path = self._path + INDEX_SUFFIX
            self._index = OffsetIndex(
                path, self.base_offset, self.index_max_bytes, self._files, file_size=self._files.size_or_zero(path)
            )
            self.has_full_index = self.has_full_index or self._index.is_full
        return self._index

    @property
    def time_index(self) -> TimeIndex:
        if self._time_index is None:
            path = self._path + TIME_INDEX_SUFFIX
            self._time_index = TimeIndex(
                path, self.base_offset, self.index_max_bytes, self._files, file_size=self._files.size_or_zero(path)
            )
            self.has_full_index = self.has_full_index or self._time_index.is_full
        return self._time_index

    @property
    def paths(self) -> tuple[str, ...]:
        """The four files that a segment may have."""
        path = self._path
        return self.log_path, path + INDEX_SUFFIX, path + TIME_INDEX_SUFFIX, path + TXN_INDEX_SUFFIX

    def move_to(self, directory: str) -> None:
        """The directory has another name; open files stay open."""
        self._path = os.path.join(directory, offset_name(self.base_offset, ""))
        self.log_path = self._path + LOG_SUFFIX
        self.txn_index.path = self._path + TXN_INDEX_SUFFIX
        if self._index is not None:
            self._index.path = self._path + INDEX_SUFFIX
        if self._time_index is not None:
            self._time_index.path = self._path + TIME_INDEX_SUFFIX

    # Batches.

    def header_at(self, position: int) -> BatchHeader:
        """The header of the batch at `position`, of any magic; CorruptRecordError when there is none."""
        header = self._header(
            self._files.read_at(self._file or self.file, RECORD_BATCH_OVERHEAD, position), 0, position
        )
        if header is None:
            raise CorruptRecordError(f"{self.log_path}: no batch header at {position}, the file ends")
        return header

    def batches(self, position: int = 0) -> Iterator[StoredBatch]:
        """The batches from `position`, where one starts, to the end; headers only, read in large pieces."""
        piece = memoryview(b"")
        piece_start = 0
        while position + _MIN_BATCH_BYTES <= self.size:
            at = position - piece_start
            if at + RECORD_BATCH_OVERHEAD > len(piece):
                piece, piece_start, at = self._piece(position, _SCAN_BYTES), position, 0
            header = self._header(piece, at, position)
            if header is None or position + header.size > self.size:
                return
            yield StoredBatch(position, header)
            position += header.size

    def bytes_at(self, position: int, size: int) -> bytes:
        """`size` bytes from `position`; fewer at the end of the file."""
        return self._files.read_at(self._file or self.file, size, position)

    def whole_batches(self) -> Iterator[tuple[int, BatchHeader, memoryview]]:
        """(position, header, bytes) of each batch, in order; ends before a torn one.

        CorruptRecordError where none starts.
        """
        piece = memoryview(b"")
        piece_start = position = 0
        while position + _MIN_BATCH_BYTES <= self.size:
            at = position - piece_start
            if at + RECORD_BATCH_OVERHEAD > len(piece):
                piece, piece_start, at = self._piece(position, _RECOVERY_BYTES), position, 0
            header = self._header(piece, at, position)
            if header is None or position + header.size > self.size:
                return
            if at + header.size > len(piece):
                piece, piece_start, at = self._piece(position, max(header.size, _RECOVERY_BYTES)), position, 0
            yield position, header, piece[at : at + header.size]
            position += header.size

    def _piece(self, position: int, size: int) -> memoryview:
        return memoryview(self._files.read_at(self.file, size, position))

    def _header(self, data: Buffer, at: int, position: int) -> BatchHeader | None:
        """The header at `at` of data that begins there in the file; None when the file ends within it."""
        if len(data) - at >= RECORD_BATCH_OVERHEAD:
            header = as_header(HEADER.unpack_from(data, at))
            if header.magic == 2 and header.batch_length >= RECORD_BATCH_OVERHEAD - LOG_OVERHEAD:
                return header
        elif len(data) - at <= MAGIC_OFFSET or data[at + MAGIC_OFFSET] > 1:
            return None
        from kwire.wire.legacy import outer_header

        try:
            return outer_header(data, at)
        except CorruptRecordError as error:
            raise CorruptRecordError(f"{self.log_path}: no batch at {position}: {error}") from None

    def flush(self) -> None:
        """Put data and indexes on the device, where there are files. Safe in a thread once the segment is closed.

        Those of a segment that has lost all too: a power cut would bring back what was cut from them.
        """
        if self.size:
            self._files.sync(self.file)
        else:
            with suppress(FileNotFoundError):
                self._files.sync(self._files.open(self.log_path))
        self.sync_indexes()

    def sync(self) -> None:
        """Put data and indexes on the device, also that there are none any more."""
        self._files.sync(self.file)
        self.sync_indexes()

    def sync_indexes(self) -> None:
        """Put on the device what changed in the three indexes."""
        for index in (self._index, self._time_index):
            # What was not opened has not changed.
            if index is not None:
                index.sync()
        self.txn_index.sync()

    def has_sound_indexes(self, end_offset: int) -> bool:
        """Whether the entries ascend, and none lies behind the batches; read whole, as a power cut tears anywhere."""
        last = end_offset - self.base_offset - 1
        index, time_index = self.index.all_entries(), self.time_index.all_entries()
        return (
            _ascend(index)
            and _ascend(time_index)
            and (not index or (index[-1][0] <= last and index[-1][1] < self.size))
            and (not time_index or time_index[-1][1] <= last)
        )

    def let_go(self) -> None:
        """Close the `.log` file alone; the next use opens it again."""
        self._file = None

    def trim(self) -> None:
        """Give the rest of a preallocated file back."""
        if self.preallocated_bytes:
            self._files.truncate(self.file, self.size)
            self.preallocated_bytes = 0

    def close(self) -> None:
        """Let go of the files; the next use opens them again. Ranges being sent keep theirs."""
        if self._file is not None:
            DESCRIPTORS.closed(self)
            self._file = None
        if self._index is not None:
            self._index.close()
        if self._time_index is not None:
            self._time_index.close()


def _ascend(entries: list[tuple[int, int]]) -> bool:
    return all(before[0] < after[0] and before[1] < after[1] for before, after in pairwise(entries))
