"""What a log is between its appends: its files, its offsets, and how they come, move and go.

`log_start_offset` <= `high_watermark` <= `log_end_offset`, and `last_stable_offset` never above the high watermark. No
clock and no thread in here: the caller passes the instant in, and what may block (fsync) is handed out as closed
segments to flush elsewhere. Source of the rules: Kafka's `UnifiedLog` and `LocalLog`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import suppress

from kwire.errors import ErrorCode, KafkaError
from kwire.ids import ZERO_UUID, TopicPartition
from kwire.log import leader_epochs, producer_journal
from kwire.log.checkpoints import PARTITION_METADATA, render_partition_metadata
from kwire.log.config import LogConfig
from kwire.log.files import DELETED_SUFFIX, Files
from kwire.log.log_host import LogHost
from kwire.log.producer_state import ProducerStateManager
from kwire.log.segment import LogSegment
from kwire.log.segments import LogSegments
from kwire.log.validate import AppendRefused
from kwire.wire.primitives import WireError

LOADED = frozenset(("epochs", "journal", "log_end_offset", "log_start_offset", "producers", "segments"))
"""What has no value before a log is loaded."""


class LogState:
    """The log of one partition. Made by `LogManager`, one per directory.

    After a clean stop a log is opened when something is asked of it that its directory must answer: the fields of
    `LOADED` have no value until then, and the first use of one of them loads them all (`log.UnopenedLog`). A new log
    has no directory until its first append, checkpoint or clean stop, so that creating hundreds costs nothing.
    """

    __slots__ = (
        "_is_on_disk",
        "_lacks_metadata",
        "_loader",
        "_pending_epoch",
        "_unflushed_messages",
        "config",
        "created_ms",
        "directory",
        "epochs",
        "files",
        "high_watermark",
        "host",
        "is_directory_on_device",
        "is_failed",
        "journal",
        "last_flush_ms",
        "log_end_offset",
        "log_start_offset",
        "producers",
        "recovery_point",
        "segments",
        "topic_id",
        "topic_partition",
        "truncation_count",
    )

    epochs: leader_epochs.LeaderEpochs
    high_watermark: int
    """The offset below which every in-sync replica has everything; `update_high_watermark` raises it."""
    journal: producer_journal.ProducerJournal
    log_end_offset: int
    log_start_offset: int
    producers: ProducerStateManager
    segments: LogSegments

    def __init__(
        self,
        topic_partition: TopicPartition,
        topic_id: bytes,
        directory: str,
        config: LogConfig,
        files: Files,
        host: LogHost,
        *,
        created_ms: int,
        loader: Callable[[LogState], None] | None = None,
    ) -> None:
        """Without `loader` the log is new and empty; with it, it is there and not loaded yet."""
        self.topic_partition = topic_partition
        self.topic_id = topic_id
        self.directory = directory
        self.config = config
        self.files = files
        self.created_ms = created_ms
        self.recovery_point = 0
        self.last_flush_ms = created_ms
        self.is_failed = False
        self.is_directory_on_device = False
        self.host = host
        self.truncation_count = 0
        self._loader = loader
        self._is_on_disk = loader is not None
        self.high_watermark = 0
        self._unflushed_messages = 0
        self._pending_epoch: tuple[int, int] | None = None
        self._lacks_metadata = False
        if loader is None:
            self.epochs = leader_epochs.LeaderEpochs(os.path.join(directory, leader_epochs.FILE_NAME), files)
            self.producers = ProducerStateManager()
            self.journal = producer_journal.ProducerJournal(directory, files)
            self.segments = LogSegments(directory, files, [], jitter_ms=host.segment_jitter_ms(config))
            self.segments.add(0, config, created_ms)
            self.log_start_offset = self.log_end_offset = 0

    @property
    def is_loaded(self) -> bool:
        """Whether the directory was looked at."""
        return self._loader is None

    def load(self) -> None:
        """Look at the directory, once. Raises what `read_error` makes of a failure."""
        loader = self._loader
        if loader is None:
            return
        try:
            loader(self)
        except (OSError, WireError) as error:
            # Half a load must not pass for a whole one: the next use tries again.
            for name in LOADED:
                with suppress(AttributeError):
                    delattr(self, name)
            raise self.read_error(error) from error
        self._loader = None
        self.high_watermark = min(max(self.high_watermark, self.log_start_offset), self.log_end_offset)
        self.recovery_point = min(self.recovery_point, self.log_end_offset)
        self.producers.on_high_watermark(self.high_watermark)
        if self._pending_epoch is not None:
            self.epochs.assign(*self._pending_epoch)

    def expect(self, *, log_end_offset: int | None, high_watermark: int, recovery_point: int) -> None:
        """What the checkpoints say, for as long as the log is not loaded; the end offset only after a clean stop."""
        self.high_watermark = high_watermark
        self.recovery_point = recovery_point
        if log_end_offset is not None:
            self.log_end_offset = log_end_offset

    def put_on_disk(self) -> None:
        """Create the directory and say whose it is, unless that was done. Raises OSError.

        Its name is put on the device with the first flush: until then nothing was promised (`flush_segments`).
        """
        if not self._is_on_disk:
            self.files.make_directory(self.directory)
            self._write_topic_id()
            self._is_on_disk = True

    @property
    def is_on_disk(self) -> bool:
        """Whether there is a directory: a new log has none before its first append."""
        return self._is_on_disk

    def move_to(self, directory: str) -> None:
        """The directory of this loaded log has another name; open files stay open."""
        self.directory = directory
        self.segments.move_to(directory)
        self.epochs.move_to(directory)
        self.journal.move_to(directory)

    def continue_in(self, other: LogState) -> None:
        """Go on in the files of `other`, which hold the same batches. Offsets and producers stay what they are."""
        self.directory, self.segments = other.directory, other.segments
        self.epochs, self.journal = other.epochs, other.journal
        self.recovery_point = other.recovery_point
        self._is_on_disk, self._lacks_metadata = True, False
        self.is_directory_on_device = other.is_directory_on_device

    def adopt_topic_id(self, topic_id: bytes) -> None:
        """A directory without `partition.metadata` learns whose it is; written with the next checkpoint, or at once.

        At once after a crash, which may have taken it: its batches must not become those of the next topic of that
        name. KAFKA_STORAGE_ERROR.
        """
        self.topic_id = topic_id
        self._lacks_metadata = True
        if self._loader is None:
            self.write_metadata(sync=True)

    def write_metadata(self, *, sync: bool = False) -> None:
        """Whose directory it is, if that was learnt since it was made. KAFKA_STORAGE_ERROR."""
        try:
            if self._lacks_metadata:
                self._write_topic_id(sync=sync)
                self.is_directory_on_device &= sync  # Otherwise the next flush sees to it.
        except OSError as error:
            raise self.storage_error(error) from error

    def _write_topic_id(self, *, sync: bool = False) -> None:
        if self.topic_id != ZERO_UUID:
            path, data = os.path.join(self.directory, PARTITION_METADATA), render_partition_metadata(self.topic_id)
            if sync:
                self.files.replace_file(path, data, sync=True)
            else:
                self.files.create_file(path, data)
        self._lacks_metadata = False

    def storage_error(self, error: OSError) -> AppendRefused:
        """Report a failed disk; the KAFKA_STORAGE_ERROR to raise."""
        # Running out of descriptors is the process's trouble, and a file where the directory of a new partition should
        # be is somebody's mistake: neither says anything about the disk.
        if error.errno not in (errno.EMFILE, errno.ENFILE, errno.EEXIST):
            self.host.storage_failed(self, error)
        return AppendRefused(ErrorCode.KAFKA_STORAGE_ERROR, f"{self.directory}: {error}", names_log_start=False)

    def read_error(self, error: OSError | WireError) -> KafkaError:
        """What to raise when the log cannot be read: KAFKA_STORAGE_ERROR, or CORRUPT_MESSAGE for damaged batches."""
        if isinstance(error, OSError):
            return self.storage_error(error)
        return KafkaError(ErrorCode.CORRUPT_MESSAGE, f"{self.directory}: {error}")

    # Offsets.

    def update_high_watermark(self, offset: int) -> bool:
        """Raise the high watermark, at most to the log's end; False when it stays."""
        if offset > self.log_end_offset:
            offset = self.log_end_offset
        if offset <= self.high_watermark:
            return False
        self.high_watermark = offset
        if self._loader is None and self.producers.unreplicated:
            self.producers.on_high_watermark(offset)
        return True

    @property
    def last_stable_offset(self) -> int:
        """The offset below which every transaction is decided."""
        unstable = self.producers.first_unstable_offset
        if unstable is None:
            return self.high_watermark
        return min(max(unstable, self.log_start_offset), self.high_watermark)

    @property
    def latest_epoch(self) -> int:
        """The newest leader epoch, -1 when none has started."""
        return self.epochs.latest_epoch

    def assign_epoch_start(self, epoch: int, offset: int) -> None:
        """A new leader begins at `offset`; written with the next roll, flush or checkpoint: batches say it too."""
        if self._loader is not None:
            self._pending_epoch = epoch, offset
        else:
            self.epochs.assign(epoch, offset)

    def end_offset_for_epoch(self, epoch: int) -> tuple[int, int]:
        """(epoch, end offset) as OffsetForLeaderEpoch answers; (-1, -1) when unknown."""
        return self.epochs.end_offset_for(epoch, self.log_end_offset)

    @property
    def size(self) -> int:
        """Bytes of all `.log` files."""
        return sum(segment.size for segment in self.segments)

    # Life cycle.

    def roll(self, now_ms: int) -> LogSegment:
        """Close the active segment and begin a new one at the log's end, with a producer snapshot. Raises OSError."""
        if not self.segments.active.size and self.segments.active.base_offset == self.log_end_offset:
            return self.segments.active
        self.journal.take(self.producers.entries, self.log_end_offset)
        self.host.segment_closed(self)
        active = self.segments.active
        if self.recovery_point > active.base_offset:
            # Its batches may all be flushed: then nobody looks at it again, and what closing adds is flushed here.
            active.become_inactive()
            active.sync_indexes()
            if self.recovery_point == self.log_end_offset:
                active.sync()  # The device may have what a failed write left behind it, where recovery would cut.
        segment = self.segments.roll(self.log_end_offset, self.config, now_ms)
        self.segments.jitter_ms = self.host.segment_jitter_ms(self.config)
        return segment

    def roll_to(self, offset: int, now_ms: int) -> LogSegment:
        """`roll`, with a gap before `offset`, where the log goes on. Raises OSError."""
        self.log_end_offset = self.producers.map_end_offset = offset
        return self.roll(now_ms)

    def unflushed_segments(self) -> list[LogSegment]:
        """Closed segments that are not known to be on the device: `flush` each in a thread, then `flushed_to`."""
        if not self.is_loaded or self.recovery_point >= self.segments.active.base_offset:
            return []
        return [
            segment for segment, following in self.segments.from_offset(self.recovery_point) if following is not None
        ]

    def flush_segments(self, segments: list[LogSegment]) -> None:
        """Put them on the device, and their names too where files are new (Kafka's `LocalLog.flush`). Raises OSError.

        Safe in a thread for closed segments.
        """
        if not self._is_on_disk:
            return
        for segment in segments:
            segment.flush()
        self.journal.sync()
        if not self.is_directory_on_device:
            # A directory that has lost its topic id would be taken for any topic's of that name.
            with suppress(FileNotFoundError):
                self.files.sync(self.files.open(os.path.join(self.directory, PARTITION_METADATA)))
        if not self.is_directory_on_device or self.segments.active.base_offset >= self.recovery_point:
            self.files.sync_directory(self.directory)
        if not self.is_directory_on_device:
            self.files.sync_directory(os.path.dirname(self.directory))
            self.is_directory_on_device = True

    def flushed_to(self, offset: int) -> None:
        """Everything below `offset` is on the device: recovery may start there. Raises OSError."""
        if self._is_on_disk:
            self.epochs.write()  # Recovery does not look behind it for what a crash has made of them.
        self.recovery_point = max(self.recovery_point, min(offset, self.log_end_offset))

    def flush(self, now_ms: int) -> None:
        """Put everything on the device, on this thread; KAFKA_STORAGE_ERROR if that fails."""
        try:
            if self._is_on_disk:
                self.epochs.write()
                self.flush_segments([segment for segment, _ in self.segments.from_offset(self.recovery_point)])
        except OSError as error:
            raise self.storage_error(error) from error
        self.recovery_point = self.log_end_offset
        self._unflushed_messages = 0
        self.last_flush_ms = now_ms

    @property
    def has_unflushed_messages(self) -> bool:
        """Whether `flush.ms` has something to do."""
        return self._unflushed_messages > 0

    def lower_recovery_point(self, offset: int) -> None:
        """Recovery is to read all from `offset` on, also after a power cut. Raises OSError."""
        if offset < self.recovery_point:
            self.host.lower_recovery_point(self, offset)
            self.recovery_point = offset

    def lower_start(self, offset: int) -> None:
        """The log now ends at `offset`, and starts there at the latest, also after a crash. Raises OSError.

        What is appended from there on was never deleted, whatever DeleteRecords said of its offsets before.
        """
        if offset < self.log_start_offset:
            self.host.lower_log_start(self, offset)
            self.log_start_offset = offset

    def reset_after_truncation(self, end_offset: int) -> None:
        """The log's end moved back to `end_offset`: nothing above it counts any more."""
        self.truncation_count += 1
        self.log_end_offset = self.producers.map_end_offset = end_offset
        self.high_watermark = min(self.high_watermark, end_offset)
        self.producers.on_high_watermark(self.high_watermark)

    def remove_later(self, segments: Sequence[LogSegment], now_ms: int, *, keep_snapshot_of: int | None = None) -> None:
        """Rename the files of closed or dropped segments to `.deleted`, to be unlinked after `file.delete.delay.ms`.

        Their producer snapshots go too, but for that of `keep_snapshot_of`, where a compacted segment begins.
        """
        renamed: list[str] = []
        for segment in segments:
            segment.close()
            snapshot = segment.base_offset
            paths = list(segment.paths)
            if snapshot in self.journal.offsets and snapshot not in (self.journal.newest_offset, keep_snapshot_of):
                paths.append(self.journal.path(snapshot))
                self.journal.offsets.remove(snapshot)
            for path in paths:
                try:
                    self.files.rename(path, path + DELETED_SUFFIX)
                except FileNotFoundError:
                    continue
                renamed.append(path + DELETED_SUFFIX)
        self.host.remove_later(renamed, self.config.file_delete_delay_ms, now_ms)

    def close(self) -> None:
        """A clean stop: everything written and on the device, index files trimmed, a producer snapshot at the end.

        Raises OSError.
        """
        if self._loader is not None:
            return
        self.put_on_disk()
        self.epochs.write()
        self.journal.take(self.producers.entries, self.log_end_offset)
        active = self.segments.active
        if active.size:
            active.become_inactive()
        elif self.topic_id != ZERO_UUID:
            # A directory that no topic claimed may be anybody's, and is left as it is.
            active.create_files()
        if self.log_end_offset:
            self.flush_segments([segment for segment, _ in self.segments.from_offset(self.recovery_point)])
        self.recovery_point = self.log_end_offset
        self.segments.close()
