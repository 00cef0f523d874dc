"""One log directory (an entry of `log.dirs`): its lock, its identity, its checkpoints, and whether its disk still
works.

```
.lock             held while a broker runs; empty. Left behind by kill -9, which frees the lock but not the name
.kwire_recovery   there while logs are recovered after a crash; empty. Apache Kafka passes over it
```
The lock is Java's too, so that Apache Kafka and kwire refuse each other's directory (`Files.lock`). A directory whose
disk fails goes offline alone: for good until the next start, or until there is room again where there was none
(`reopening`).
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from kwire.ids import TopicPartition
from kwire.log import checkpoints
from kwire.log.files import Files, OpenFile

if TYPE_CHECKING:
    from kwire.log.log_state import LogState

logger = logging.getLogger(__name__)
LOCK = ".lock"
RECOVERING = ".kwire_recovery"
"""There while logs are recovered: what is found with it may have indexes that are half made anew."""


class LogDirectoryError(Exception):
    """The broker cannot use a directory of `log.dirs`; the text says which, why, and what helps."""


class DirectoryLockedError(LogDirectoryError):
    """Another broker, kwire's or Kafka's, holds the directory."""


class DirectoryUnusableError(LogDirectoryError):
    """It cannot be created, read or written."""


class DirectoryMismatchError(LogDirectoryError):
    """It belongs to another cluster or broker (Kafka's InconsistentClusterId and InconsistentBrokerId)."""


class LogDirectory:
    """One directory, open from `open` to `close`."""

    __slots__ = ("_lock", "_lost_marker", "error", "files", "path")

    def __init__(self, path: str, files: Files) -> None:
        self.path = path
        self.files = files
        self.error: OSError | None = None
        self._lock: OpenFile | None = None
        self._lost_marker = False

    @property
    def is_online(self) -> bool:
        return self.error is None

    @property
    def lacked_room(self) -> bool:
        """Whether it is offline because its disk was full, which says nothing against the disk."""
        return self.error is not None and self.error.errno in (errno.ENOSPC, errno.EDQUOT)

    def fail(self, error: OSError) -> None:
        """Take the directory offline; the manager then fails its logs, which answer KAFKA_STORAGE_ERROR."""
        if self.error is None:
            self.error = error
            logger.error("log directory %s is offline: %s", self.path, error)

    def come_back(self) -> None:
        """It is online again; the manager has read it anew."""
        self.error = None

    def path_of(self, name: str) -> str:
        """The path of a file or partition directory in it."""
        return os.path.join(self.path, name)

    def open(self, broker_id: int, cluster_id: str, now_ms: int) -> bool:
        """Create it if need be, lock it, check or write `meta.properties`; True if the last stop was clean.

        The clean-shutdown marker is gone afterwards, for good with `settle`. Raises LogDirectoryError.
        """
        self.lock()
        try:
            self._check_identity(broker_id, cluster_id, now_ms)
            marker = self.path_of(checkpoints.CLEAN_SHUTDOWN)
            was_clean = self.files.read_file(marker) is not None
            if was_clean:
                self.files.unlink(marker)
                self._lost_marker = True
        except OSError as error:
            raise self.unusable(error) from error
        except LogDirectoryError:
            self.release()
            raise
        return was_clean

    def settle(self) -> None:
        """A power cut must not bring the marker back: it would vouch for what is appended from now on.

        Takes milliseconds, and may run in a thread. Raises OSError.
        """
        if self._lost_marker:
            self.files.sync_directory(self.path)
            self._lost_marker = False

    def begin_recovery(self, *, is_begun: bool) -> None:
        """Note on the device that indexes are about to be made anew, unless a former start did. Raises OSError."""
        if not is_begun:
            self.files.create_file(self.path_of(RECOVERING), b"")
            self.files.sync_directory(self.path)

    def end_recovery(self) -> None:
        """All that was made anew is on the device. Raises OSError."""
        self.files.unlink(self.path_of(RECOVERING))

    def unusable(self, error: OSError) -> DirectoryUnusableError:
        """Let go of the directory; what to raise when it cannot be read or written at the start."""
        self.release()
        return DirectoryUnusableError(f"log directory {self.path} cannot be used: {error.strerror or error}")

    def lock(self) -> None:
        """Create it if need be and lock it; nothing happens if it is locked by us. Raises LogDirectoryError."""
        if self._lock is not None:
            return
        try:
            self.files.make_directories(self.path)
            self._take_lock()
        except OSError as error:
            raise DirectoryUnusableError(f"log directory {self.path} cannot be used: {error.strerror}") from error

    def identity(self) -> dict[str, str]:
        """What `meta.properties` says (`cluster.id`, `broker.id`); empty for a new directory or one that fails.

        Raises DirectoryMismatchError for a KRaft broker's.
        """
        try:
            data = self.files.read_file(self.path_of(checkpoints.META_PROPERTIES))
        except OSError:
            return {}
        return {} if data is None else self._parsed(data)

    def _parsed(self, data: bytes) -> dict[str, str]:
        found = checkpoints.parse_meta_properties(data)
        if found.get("version", "0") != checkpoints.META_PROPERTIES_VERSION:
            raise DirectoryMismatchError(
                f"log directory {self.path} belongs to a KRaft broker ({checkpoints.META_PROPERTIES} has version "
                f"{found['version']}): its topics are known to its controllers alone; choose another directory"
            )
        return found

    def _take_lock(self) -> None:
        try:
            self._lock = self.files.lock(self.path_of(LOCK))
        except BlockingIOError:
            raise DirectoryLockedError(
                f"log directory {self.path} is in use by another broker; stop it, or choose another directory"
            ) from None

    def _check_identity(self, broker_id: int, cluster_id: str, now_ms: int) -> None:
        path = self.path_of(checkpoints.META_PROPERTIES)
        data = self.files.read_file(path)
        if not data:
            # None yet, or a power cut took what was in it.
            self.files.replace_file(path, checkpoints.render_meta_properties(broker_id, cluster_id, now_ms), sync=True)
            return
        found = self._parsed(data)
        for name, ours in (("cluster.id", cluster_id), ("broker.id", str(broker_id))):
            if found.get(name, ours) != ours:
                raise DirectoryMismatchError(
                    f"log directory {self.path} belongs to {name} {found[name]}, this broker's is {ours}; "
                    f"choose another directory, or its own broker ({checkpoints.META_PROPERTIES} says so)"
                )

    def read_checkpoint(self, name: str) -> dict[TopicPartition, int]:
        """A checkpoint's offsets; a damaged file counts as empty, which costs a longer recovery, and is logged."""
        try:
            return checkpoints.read_offsets(self.files, self.path_of(name))
        except checkpoints.CorruptCheckpointError as error:
            logger.warning("%s is damaged and taken as empty: %s", self.path_of(name), error)
            return {}

    def write_checkpoints(self, logs: Sequence[LogState], *, sync: bool) -> None:
        """Recovery points, high watermarks and starts of the logs that lie here. Raises OSError."""
        known = self.read_checkpoint(checkpoints.LOG_STARTS)
        starts = {log.topic_partition: known[log.topic_partition] for log in logs if log.topic_partition in known}
        for log in logs:
            # A disk that failed amid a truncation leaves a log without segments: what was known of its start holds.
            if log.is_loaded and log.segments:
                starts.pop(log.topic_partition, None)
                if log.log_start_offset > next(iter(log.segments)).base_offset:
                    starts[log.topic_partition] = log.log_start_offset
        points = {log.topic_partition: log.recovery_point for log in logs}
        self.write_checkpoint(checkpoints.RECOVERY_POINTS, points, sync=sync)
        self.write_high_watermarks(logs, sync=sync)
        if sync or starts != known:
            # The other two cost time when a power cut takes them; this one would bring deleted records back.
            self.write_checkpoint(checkpoints.LOG_STARTS, starts, sync=True)

    def write_high_watermarks(self, logs: Iterable[LogState], *, sync: bool) -> None:
        """The high watermarks alone. Raises OSError."""
        marks = {log.topic_partition: log.high_watermark for log in logs}
        self.write_checkpoint(checkpoints.HIGH_WATERMARKS, marks, sync=sync)

    def lower_recovery_point(self, topic_partition: TopicPartition, offset: int) -> None:
        """Put it on the device that recovery must start at `offset` at the latest. Raises OSError."""
        points = self.read_checkpoint(checkpoints.RECOVERY_POINTS)
        if points.get(topic_partition, 0) > offset:
            points[topic_partition] = offset
            self.write_checkpoint(checkpoints.RECOVERY_POINTS, points, sync=True)

    def secure_log_start(self, log: LogState) -> None:
        """Put it on the device where a log starts, if its first segment begins before that. Raises OSError."""
        if log.is_loaded and log.segments and log.log_start_offset > next(iter(log.segments)).base_offset:
            starts = self.read_checkpoint(checkpoints.LOG_STARTS)
            if starts.get(log.topic_partition) != log.log_start_offset:
                starts[log.topic_partition] = log.log_start_offset
                self.write_checkpoint(checkpoints.LOG_STARTS, starts, sync=True)

    def lower_log_start(self, topic_partition: TopicPartition, offset: int) -> None:
        """Put it on the device that a log starts at `offset` at the latest. Raises OSError."""
        starts = self.read_checkpoint(checkpoints.LOG_STARTS)
        if starts.get(topic_partition, 0) > offset:
            starts[topic_partition] = offset
            self.write_checkpoint(checkpoints.LOG_STARTS, starts, sync=True)

    def write_checkpoint(self, name: str, offsets: Mapping[TopicPartition, int], *, sync: bool) -> None:
        self.files.replace_file(self.path_of(name), checkpoints.render_offsets(offsets), sync=sync)

    def mark_clean(self) -> None:
        """The last write of a clean stop."""
        self.files.create_file(self.path_of(checkpoints.CLEAN_SHUTDOWN), checkpoints.CLEAN_SHUTDOWN_TEXT)

    def release(self, *, remove_name: bool = False) -> None:
        """Let another broker have it; a clean stop removes the lock's name as well."""
        if self._lock is not None and remove_name:
            # The name alone locks nothing.
            with suppress(OSError):
                self.files.unlink(self.path_of(LOCK))
        self._lock = None
