"""One segment of a log: `<base>.log`, record batches one after another, and the indexes beside it.

A segment holds the offsets from its base offset up to the next segment's. Batches lie in it as they travel on the wire;
offsets ascend, with gaps where compaction took records. Only the last segment of a log is active, that is, grows. The
file is created with its first batch, opened with its first use, and written by one `pwrite` per append. What a crash
leaves is whole batches and perhaps a torn one at the end (`recovery` cuts it off).

Positions are bytes from the start of the `.log` file, sizes are bytes, timestamps ms. Source: Kafka's `LogSegment`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from kwire.log.files import INDEX_SUFFIX, LOG_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX, Files, OpenFile, offset_name
from kwire.log.offset_index import OffsetIndex
from kwire.log.time_index import NO_TIMESTAMP, TimeIndex
from kwire.log.txn_index import TxnIndex
from kwire.wire.parts import FileRange
from kwire.wire.record_batch import HEADER, LOG_OVERHEAD, RECORD_BATCH_OVERHEAD, BatchHeader, Buffer, CorruptRecordError

_REMEMBERED_POSITIONS = 64
_MAX_RELATIVE_OFFSET = 0x7FFFFFFF
_SCAN_BYTES = 16 * 1024
_RECOVERY_BYTES = 1 << 20


class StoredBatch(NamedTuple):
    """A batch in a segment: where it starts and what its header says."""

    position: int
    header: BatchHeader


class LogSegment:
    """One segment; the active one is appended to, closed ones are only read."""

    __slots__ = (
        "_bytes_since_index_entry",
        "_file",
        "_files",
        "_first_timestamp",
        "_index",
        "_largest",
        "_path",
        "_positions",
        "_time_index",
        "base_offset",
        "created_ms",
        "index_interval_bytes",
        "index_max_bytes",
        "log_path",
        "size",
        "txn_index",
    )

    def __init__(
        self,
        directory: str,
        base_offset: int,
        files: Files,
        *,
        size: int,
        index_interval_bytes: int,
        index_max_bytes: int,
        created_ms: int,
    ) -> None:
        """`size` is the `.log` file's, 0 when it does not exist yet. No file is touched here."""
        self.base_offset = base_offset
        self.size = size
        self.index_interval_bytes = index_interval_bytes
        self.index_max_bytes = index_max_bytes
        self.created_ms = created_ms
        self._files = files
        self._path = os.path.join(directory, offset_name(base_offset, ""))
        self.log_path = self._path + LOG_SUFFIX
        self.txn_index = TxnIndex(self._path + TXN_INDEX_SUFFIX, files)
        self._file: OpenFile | None = None
        self._index: OffsetIndex | None = None
        self._time_index: TimeIndex | None = None
        self._bytes_since_index_entry = 0
        self._largest: tuple[int, int] | None = None
        self._first_timestamp: int | None = None
        self._positions: dict[int, int] = {}

    # The files, opened when first used.

    @property
    def file(self) -> OpenFile:
        file = self._file
        if file is None:
            # Only a segment without a batch may lack its file: a lost or removed one must not come back empty.
            file = self._file = self._files.open(self.log_path, create=not self.size)
        return file

    @property
    def index(self) -> OffsetIndex:
        if self._index is None:
            path = self._path + INDEX_SUFFIX
            self._index = OffsetIndex(
                path, self.base_offset, self.index_max_bytes, self._files, file_size=self._size_or_zero(path)
            )
        return self._index

    @property
    def time_index(self) -> TimeIndex:
        if self._time_index is None:
            path = self._path + TIME_INDEX_SUFFIX
            self._time_index = TimeIndex(
                path, self.base_offset, self.index_max_bytes, self._files, file_size=self._size_or_zero(path)
            )
        return self._time_index

    def _size_or_zero(self, path: str) -> int:
        try:
            return self._files.size(path)
        except FileNotFoundError:
            return 0

    @property
    def paths(self) -> tuple[str, ...]:
        """The four files that a segment may have."""
        path = self._path
        return self.log_path, path + INDEX_SUFFIX, path + TIME_INDEX_SUFFIX, path + TXN_INDEX_SUFFIX

    # Appending.

    def append(self, records: Buffer, base_offset: int, last_offset: int, max_timestamp: int) -> None:
        """Write whole batches at the end, in one write, and index them. Raises OSError with the file cut back.

        `base_offset` and `last_offset` are the first batch's and the last batch's, `max_timestamp` their largest (-1
        none).
        """
        position = self.size
        if self._largest is None and position:
            # Asked before the size grows: it is found from the batches that are there.
            self.largest_timestamp_and_offset()
        try:
            self._files.write_at(self._file or self.file, records, position)
        except OSError:
            self._cut_back(position)
            raise
        self.size = position + len(records)
        try:
            self._note(position, len(records), last_offset, max_timestamp)
        except OSError:
            # Refused is refused: left standing, the batch would share its offsets with the next one.
            self._take_back(base_offset, position)
            raise
        self._remember(base_offset, position)

    def _note(self, position: int, size: int, last_offset: int, max_timestamp: int) -> None:
        """Timestamps and index entries for `size` bytes of batches at `position`."""
        largest = self._largest
        if largest is None or max_timestamp > largest[0]:
            self._largest = largest = (max_timestamp, last_offset)
        if self._bytes_since_index_entry > self.index_interval_bytes:
            self.index.append(last_offset, position)
            self.time_index.append_if_later(*largest)
            self._bytes_since_index_entry = 0
        self._bytes_since_index_entry += size

    def _cut_back(self, size: int) -> None:
        """Take back a partial write, so that no torn batch stands in the middle when the disk has room again."""
        # If this fails too, the directory is offline anyway, and recovery cuts the torn tail off.
        with suppress(OSError):
            self._files.truncate(self.file, size)

    def _take_back(self, base_offset: int, position: int) -> None:
        """Undo an append whose index entries could not be written."""
        self.size = position
        self._largest = None
        self._cut_back(position)
        self.index.take_back(0, base_offset - self.base_offset)
        self.time_index.take_back(1, base_offset - self.base_offset)

    def _remember(self, base_offset: int, position: int) -> None:
        positions = self._positions
        if len(positions) >= _REMEMBERED_POSITIONS:
            del positions[next(iter(positions))]
        positions[base_offset] = position

    def is_full_for(self, size: int, last_offset: int, max_segment_bytes: int) -> bool:
        """Whether bytes, index room or offset range leave no room for `size` bytes up to `last_offset`."""
        if self.size > max_segment_bytes - size or last_offset - self.base_offset > _MAX_RELATIVE_OFFSET:
            return True
        # An index that was never touched has room, and looking at it would open it.
        return (self._index is not None and self._index.is_full) or (
            self._time_index is not None and self._time_index.is_full
        )

    def waited_ms(self, now_ms: int, max_timestamp: int) -> int:
        """How long the first batch has waited for a roll: in record time if it has a timestamp, else since creation.

        Source: Kafka's `LogSegment.timeWaitedForRoll`; logdir facts: rolls by time are measured with record timestamps.
        """
        first = self.first_timestamp()
        return max_timestamp - first if first >= 0 else now_ms - self.created_ms

    # Reading.

    def header_at(self, position: int) -> BatchHeader:
        """The header of the batch at `position`; CorruptRecordError when there is none of magic 2."""
        data = self._files.read_at(self._file or self.file, RECORD_BATCH_OVERHEAD, position)
        if len(data) < RECORD_BATCH_OVERHEAD:
            raise CorruptRecordError(f"{self.log_path}: no batch header at {position}, the file ends")
        return self._checked(BatchHeader._make(HEADER.unpack(data)), position)

    def batches(self, position: int = 0) -> Iterator[StoredBatch]:
        """The batches from `position`, where one starts, to the end; headers only, read in large pieces."""
        piece = memoryview(b"")
        piece_start = 0
        while position + RECORD_BATCH_OVERHEAD <= self.size:
            at = position - piece_start
            if at + RECORD_BATCH_OVERHEAD > len(piece):
                piece, piece_start, at = self._piece(position, _SCAN_BYTES), position, 0
            header = self._checked(BatchHeader._make(HEADER.unpack_from(piece, at)), position)
            if position + header.size > self.size:
                return
            yield StoredBatch(position, header)
            position += header.size

    def bytes_at(self, position: int, size: int) -> bytes:
        """`size` bytes from `position`; fewer at the end of the file."""
        return self._files.read_at(self._file or self.file, size, position)

    def locate(self, offset: int) -> int:
        """The position of the batch that holds `offset`, or of the first one behind it; `size` when there is none."""
        position = self._positions.get(offset)
        if position is not None:
            return position
        if offset <= self.base_offset:
            return 0
        position = self.index.lookup(offset)[1]
        while position < self.size:
            header = self.header_at(position)
            if header.last_offset >= offset:
                return position
            position += header.size
        return self.size

    def read(self, position: int, max_bytes: int, end: int, *, min_one_message: bool) -> FileRange | None:
        """Up to `max_bytes` from `position`, where a batch starts, but not beyond `end`; None for nothing.

        With `min_one_message` the first batch comes whole, however large. Otherwise the cut falls at the start of the
        last indexed batch within reach, and only when none is there amid a batch (as Kafka's does always; clients drop
        the part).
        """
        available = end - position
        if available <= 0:
            return None
        if available > max_bytes:
            cut = self.index.batch_position_up_to(position + max_bytes)
            if cut > position:
                available = cut - position
                self._remember(self.header_at(cut).base_offset, cut)
            else:
                available = max(self.header_at(position).size, max_bytes) if min_one_message else max_bytes
        file = self._file or self.file
        return FileRange(file.fd, position, min(available, end - position), file)

    # Timestamps.

    def first_timestamp(self) -> int:
        """The largest timestamp of the first batch, which rolling by time counts from; -1 when there is none."""
        if self._first_timestamp is None:
            self._first_timestamp = self.header_at(0).max_timestamp if self.size else None
        return NO_TIMESTAMP if self._first_timestamp is None else self._first_timestamp

    def largest_timestamp_and_offset(self) -> tuple[int, int]:
        """(largest timestamp, last offset of its batch); (-1, base offset) for a segment without timestamps.

        From the last time index entry and the batches behind it.
        """
        if self._largest is None:
            largest = self.time_index.last_entry()
            for _, header in self.batches(self.index.lookup(max(largest[1], self.index.last_entry()[0]))[1]):
                if header.max_timestamp > largest[0]:
                    largest = header.max_timestamp, header.last_offset
            self._largest = largest
        return self._largest

    def largest_timestamp_or_mtime(self) -> int:
        """What retention by time goes by: the largest timestamp, or when the file was last written if none has one."""
        largest = self.largest_timestamp_and_offset()[0]
        if largest >= 0:
            return largest
        try:
            return self._files.modified_ms(self.log_path)
        except FileNotFoundError:
            return self.created_ms

    # Life cycle.

    def end_of_batches(self) -> tuple[int, int]:
        """(position, offset) behind the last whole batch, found from the last index entry; `size` may lie beyond.

        CorruptRecordError when something else than a batch follows.
        """
        end = self.index.last_entry()[1], self.base_offset
        for at, header in self.batches(end[0]):
            end = at + header.size, header.next_offset
        return end

    def truncate_to(self, offset: int) -> int:
        """Drop the batches that reach `offset` or beyond; the number of bytes dropped."""
        position = self.locate(offset)
        # `locate` finds a batch that may start below `offset` and end above it: a batch is dropped as a whole.
        dropped = self.size - position
        self.index.truncate_to(offset)
        self.time_index.truncate_to(offset)
        self.txn_index.truncate_to(offset)
        if dropped:
            self._files.truncate(self.file, position)
        self.size = position
        self._largest = None
        self._first_timestamp = None
        self._positions = {at: where for at, where in self._positions.items() if where < position}
        self._bytes_since_index_entry = 0
        return dropped

    def become_inactive(self) -> None:
        """The last time index entry, and index files trimmed to their entries: a roll, or a clean stop."""
        self.time_index.append_if_later(*self.largest_timestamp_and_offset())
        self.index.trim()
        self.time_index.trim()

    def create_files(self) -> None:
        """The empty files that Kafka expects of a segment: a clean stop leaves them even where nothing was appended."""
        if self.size == 0:
            self._file = self._file or self._files.open(self.log_path, create=True)
            self.index.trim()
            self.time_index.trim()

    def begin_rebuild(self) -> None:
        """Empty the indexes, before `reindex` is told of each batch."""
        self.index.keep(0)
        self.time_index.keep(0)
        self._files.unlink(self.txn_index.path)
        self._largest = (NO_TIMESTAMP, self.base_offset)
        self._first_timestamp = None
        self._bytes_since_index_entry = 0
        self._positions.clear()

    def reindex(self, position: int, header: BatchHeader) -> None:
        """Index a batch that is there, as if it had just been appended."""
        self._note(position, header.size, header.last_offset, header.max_timestamp)

    def end_rebuild(self, size: int) -> None:
        """Cut the file to `size` bytes, behind the last sound batch, and trim the new indexes."""
        if size != self.size:
            self._files.truncate(self.file, size)
            self.size = size
        self.become_inactive()

    def whole_batches(self) -> Iterator[tuple[int, BatchHeader, memoryview]]:
        """(position, header, bytes) of each batch, in order; ends before a torn one.

        CorruptRecordError where none starts.
        """
        piece = memoryview(b"")
        piece_start = position = 0
        while position + RECORD_BATCH_OVERHEAD <= self.size:
            at = position - piece_start
            if at + RECORD_BATCH_OVERHEAD > len(piece):
                piece, piece_start, at = self._piece(position, _RECOVERY_BYTES), position, 0
            header = self._checked(BatchHeader._make(HEADER.unpack_from(piece, at)), position)
            if position + header.size > self.size:
                return
            if at + header.size > len(piece):
                piece, piece_start, at = self._piece(position, max(header.size, _RECOVERY_BYTES)), position, 0
            yield position, header, piece[at : at + header.size]
            position += header.size

    def _piece(self, position: int, size: int) -> memoryview:
        return memoryview(self._files.read_at(self.file, size, position))

    def _checked(self, header: BatchHeader, position: int) -> BatchHeader:
        if header.magic != 2 or header.batch_length < RECORD_BATCH_OVERHEAD - LOG_OVERHEAD:
            raise CorruptRecordError(f"{self.log_path}: no batch at {position}: {header}")
        return header

    def flush(self) -> None:
        """Put data and indexes on the device. Safe in a thread once the segment is closed."""
        if self.size:
            self._files.sync(self.file)
            for index in (self.index, self.time_index):
                if index.size:
                    index.sync()

    def close(self) -> None:
        """Let go of the files; the next use opens them again. Ranges being sent keep theirs."""
        self._file = None
        if self._index is not None:
            self._index.close()
        if self._time_index is not None:
            self._time_index.close()
