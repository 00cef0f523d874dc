"""One segment of a log: `<base>.log`, record batches one after another, and the indexes beside it.

A segment holds the offsets from its base offset up to the next segment's. Batches lie in it as they travel on the wire;
offsets ascend, with gaps where compaction took records. Only the last segment of a log is active, that is, grows. The
file is created with its first batch, opened with its first use, and written by one `pwrite` per append. What a crash
leaves is whole batches and perhaps a torn one at the end (`recovery` cuts it off).

Positions are bytes from the start of the `.log` file, sizes are bytes, timestamps ms. Source: Kafka's `LogSegment`.
"""

from __future__ import annotations

from contextlib import suppress

from kwire.log.config import LogConfig
from kwire.log.files import Files
from kwire.log.segment_files import SegmentFiles
from kwire.log.time_index import NO_TIMESTAMP
from kwire.wire.parts import FileRange
from kwire.wire.record_batch import BatchHeader, Buffer, CorruptRecordError

_MOST_POSITIONS = 128
MAX_RELATIVE_OFFSET = 0x7FFFFFFF
"""How far a segment's offsets go beyond its base offset: the indexes hold four bytes for it."""


class LogSegment(SegmentFiles):
    """One segment; the active one is appended to, closed ones are only read."""

    __slots__ = (
        "_bytes_since_index_entry",
        "_first_timestamp",
        "_largest",
        "_positions",
        "created_ms",
        "index_interval_bytes",
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
        super().__init__(directory, base_offset, files, size=size, index_max_bytes=index_max_bytes)
        self.index_interval_bytes = index_interval_bytes
        self.created_ms = created_ms
        self._bytes_since_index_entry = 0
        self._largest: tuple[int, int] | None = None
        self._first_timestamp: int | None = None
        self._positions: dict[int, int] = {}

    # Appending.

    def append(self, records: Buffer, base_offset: int, last_offset: int, newest: tuple[int, int]) -> None:
        """Write whole batches at the end, in one write, and index them. Raises OSError with the file cut back.

        `base_offset` and `last_offset` are the first batch's and the last batch's. `newest` is their largest timestamp
        (-1 none), and the last offset of the first batch that has it: nothing before that offset is as late.
        """
        position, largest = self.size, self._largest
        if largest is None and position:
            # Asked before the size grows: it is found from the batches that are there.
            largest = self.largest_timestamp_and_offset()
        try:
            self._files.write_at(self._file or self.file, records, position)
        except OSError:
            self._cut_back(position)
            raise
        size = len(records)
        self.size = position + size
        if largest is None or newest[0] > largest[0]:
            self._largest = largest = newest
        if self._bytes_since_index_entry > self.index_interval_bytes:
            try:
                self._add_entries(position, last_offset, largest)
            except OSError:
                # Refused is refused: left standing, the batch would share its offsets with the next one.
                self._take_back(base_offset, position)
                raise
        self._bytes_since_index_entry += size
        positions = self._positions
        positions[base_offset] = position
        if len(positions) >= _MOST_POSITIONS:
            self._forget_positions()

    def _add_entries(self, position: int, last_offset: int, largest: tuple[int, int]) -> None:
        """An entry in both indexes for the batch at `position`; `largest` is the segment's so far."""
        index, time_index = self._index or self.index, self._time_index or self.time_index
        index.append(last_offset, position)
        time_index.append_if_later(*largest)
        self.has_full_index = index.is_full or time_index.is_full
        self._bytes_since_index_entry = 0

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
        self.has_full_index = self.index.is_full or self.time_index.is_full

    def _forget_positions(self) -> None:
        """Keep those of the newest batches: who reads at the end needs no index."""
        self._positions = dict(list(self._positions.items())[-_MOST_POSITIONS // 2 :])

    def must_roll(
        self, size: int, last_offset: int, max_timestamp: int, now_ms: int, config: LogConfig, jitter_ms: int
    ) -> bool:
        """Whether bytes, offset range, index room or time leave no room for `size` more bytes up to `last_offset`.

        The first batch waits in record time if it has a timestamp (`max_timestamp` is the newcomer's), else since
        creation. An index that was never touched has room. Source: Kafka's `LogSegment.shouldRoll`,
        `LogSegment.timeWaitedForRoll`.
        """
        first = self._first_timestamp
        if first is None:
            first = self.first_timestamp()
        waited_ms = max_timestamp - first if first >= 0 else now_ms - self.created_ms
        return (
            waited_ms > config.segment_ms - jitter_ms
            or self.size > config.segment_bytes - size
            or last_offset - self.base_offset > MAX_RELATIVE_OFFSET
            or self.has_full_index
        )

    # Reading.

    def locate(self, offset: int) -> int:
        """The position of the batch that holds `offset`, or of the first one behind it; `size` when there is none."""
        position = self._positions.get(offset)
        if position is not None:
            return position
        if offset <= self.base_offset:
            return 0
        position = self._indexed_position(offset)
        while position < self.size:
            header = self.header_at(position)
            if header.last_offset >= offset:
                return position
            position += header.size
        return self.size

    def _indexed_position(self, offset: int) -> int:
        """Where the index says to begin to look for `offset`; the segment's start if that cannot be right.

        The index has no checksum: one wrong bit would make a reader pass over records.
        """
        position = self.index.lookup(offset)[1]
        if position:
            try:
                if self.header_at(position).base_offset > offset:
                    return 0
            except CorruptRecordError:
                return 0
        return position

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
                self._positions[self.header_at(cut).base_offset] = cut
                if len(self._positions) >= _MOST_POSITIONS:
                    self._forget_positions()
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
            # Both indexes get their entries together, until the time index is full.
            known = largest[1] if self.time_index.is_full else max(largest[1], self.index.last_entry()[0])
            for _, header in self.batches(self.index.lookup(known)[1]):
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
        self.has_full_index = self.index.is_full or self.time_index.is_full
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
        self.trim()

    def create(self) -> None:
        """The `.log` file, before anything is in it: its name says where the log goes on."""
        if self.size == 0:
            _ = self.file

    def create_files(self) -> None:
        """The empty files that Kafka expects of a segment: a clean stop leaves them even where nothing was appended."""
        self.create()
        if self.size == 0:
            # Kafka gives an empty segment no size at a clean stop either.
            self.trim()
            self.index.trim()
            self.time_index.trim()

    def rebuild_indexes(self) -> None:
        """Make the offset index and the time index anew from the batches' headers, as of a closed segment.

        The transaction index stays. CorruptRecordError where no batch starts; OSError.
        """
        self._empty_indexes()
        for position, header in self.batches():
            self.reindex(position, header)
        self.become_inactive()

    def begin_rebuild(self) -> None:
        """Empty the indexes, before `reindex` is told of each batch."""
        self._empty_indexes()
        self.txn_index.clear()

    def _empty_indexes(self) -> None:
        self.index.keep(0)
        self.time_index.keep(0)
        self.has_full_index = False
        self._largest = (NO_TIMESTAMP, self.base_offset)
        self._first_timestamp = None
        self._bytes_since_index_entry = 0
        self._positions.clear()

    def reindex(self, position: int, header: BatchHeader) -> None:
        """Index a batch that is there, as if it had just been appended."""
        largest = self._largest
        if largest is None or header.max_timestamp > largest[0]:
            self._largest = largest = header.max_timestamp, header.last_offset
        if self._bytes_since_index_entry > self.index_interval_bytes:
            self._add_entries(position, header.last_offset, largest)
        self._bytes_since_index_entry += header.size

    def end_rebuild(self, size: int) -> None:
        """Cut the file to `size` bytes, behind the last sound batch, and trim the new indexes."""
        if size != self.size:
            self._files.truncate(self.file, size)
            # What was cut must not come back behind what is appended now, nor behind a clean stop.
            self._files.sync(self.file)
            self.size = size
        if not size:
            # Nobody flushes a segment without batches, and what its indexes said must not come back either.
            self.sync_indexes()
        self.become_inactive()
