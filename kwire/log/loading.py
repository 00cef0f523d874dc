"""What a log directory holds when the broker starts: a log per partition directory, recovered where it must be.

After a clean stop the names in the directory and its checkpoints are all that is read, and each log is opened when it
is first asked for something. After a crash every log is recovered before the start goes on. Source: Kafka's
`LogManager.loadLogs`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from kwire.errors import KafkaError
from kwire.ids import ZERO_UUID, TopicPartition
from kwire.log import checkpoints
from kwire.log.config import LogConfig
from kwire.log.directory import RECOVERING, LogDirectory
from kwire.log.files import (
    DELETE_DIR_SUFFIX,
    FUTURE_DIR_SUFFIX,
    STRAY_DIR_SUFFIX,
    Files,
    parse_marked_directory,
    parse_partition_directory,
)
from kwire.log.log_host import LogHost

if TYPE_CHECKING:
    from kwire.log.log import Log

logger = logging.getLogger(__name__)
_PROGRESS_INTERVAL_S = 1.0
KRAFT_METADATA_TOPIC = "__cluster_metadata"
"""Its log is the KRaft quorum's, not a partition's."""


class LoadedDirectory:
    """The logs of one directory as its names and checkpoints tell, before `recover`."""

    __slots__ = ("directory", "futures", "logs", "marked_for_removal", "stale_checkpoints", "unrecovered", "was_clean")

    def __init__(
        self,
        directory: LogDirectory,
        host: LogHost,
        config_for: Callable[[str], LogConfig],
        *,
        was_clean: bool,
        now_ms: int,
    ) -> None:
        """Raises OSError, as the reading of names and checkpoints does."""
        self.directory = directory
        self.was_clean = was_clean
        self.logs: dict[TopicPartition, Log] = {}
        self.marked_for_removal: list[str] = []
        """Directories of deleted topics."""
        self.futures: list[Log] = []
        """The logs of partitions that are on their way to this directory (`relocation`)."""
        self.unrecovered: set[Log] = set()
        points = directory.read_checkpoint(checkpoints.RECOVERY_POINTS)
        high_watermarks = directory.read_checkpoint(checkpoints.HIGH_WATERMARKS)
        starts = directory.read_checkpoint(checkpoints.LOG_STARTS)
        names = directory.files.names(directory.path)
        was_interrupted = RECOVERING in names
        if not was_clean and any(parse_partition_directory(name) or parse_marked_directory(name) for name in names):
            # Without room for it recovery is as good, unless it is interrupted.
            with suppress(OSError):
                directory.begin_recovery(is_begun=was_interrupted)
        for name in names:
            path = directory.path_of(name)
            topic_partition, suffix = parse_marked_directory(name) or (parse_partition_directory(name), "")
            if suffix == DELETE_DIR_SUFFIX:
                self.marked_for_removal.append(path)
                continue
            if (
                topic_partition is None
                or suffix == STRAY_DIR_SUFFIX
                or topic_partition.topic == KRAFT_METADATA_TOPIC
                or not directory.files.is_directory(path)
            ):
                continue
            log = _unopened(
                topic_partition,
                path,
                config_for(topic_partition.topic),
                directory.files,
                host,
                now_ms,
                clean=was_clean,
                trusts_indexes=not was_interrupted,
                checkpointed_start=starts.get(topic_partition, 0),
            )
            log.expect(
                log_end_offset=points.get(topic_partition) if was_clean else None,
                high_watermark=high_watermarks.get(topic_partition, 0),
                recovery_point=points.get(topic_partition, 0),
            )
            self._take(log, is_future=suffix == FUTURE_DIR_SUFFIX)
        here = self.logs.keys() | {future.topic_partition for future in self.futures}
        self.stale_checkpoints = (starts.keys() | points.keys()) - here
        """Partitions that the checkpoints name and that are not here any more."""

    def _take(self, log: Log, *, is_future: bool) -> None:
        if is_future:
            self.futures.append(log)
        else:
            self.logs[log.topic_partition] = log

    def to_recover(self) -> list[Log]:
        """The logs whose ends are not known to be sound: none after a clean stop."""
        return [] if self.was_clean else [*self.logs.values(), *self.futures]

    def recover(self, log: Log) -> None:
        """Bring one log to a sound end; if that fails it is one of `unrecovered`. May run in a thread."""
        if not self.directory.is_online:
            return
        try:
            log.load()
        except KafkaError as error:
            logger.error("%s cannot be recovered: %s", log.topic_partition, error)
            self.unrecovered.add(log)


def _unopened(
    name: TopicPartition, path: str, config: LogConfig, files: Files, host: LogHost, now_ms: int, **found: Any
) -> Log:
    """The log in the directory `path`; `found` is what `recovery.load` wants to know when it is opened."""
    # With the first log: two dozen modules that a start without partitions does not need.
    from kwire.log.log import UnopenedLog
    from kwire.log.recovery import load

    return UnopenedLog(name, ZERO_UUID, path, config, files, host, created_ms=now_ms, loader=partial(load, **found))


def marked_partition(path: str) -> tuple[TopicPartition, str] | None:
    """(partition, suffix) of a `-delete`, `-future` or `-stray` directory."""
    return parse_marked_directory(os.path.basename(path))


def recover_all(loaded: Sequence[LoadedDirectory], *, threads_per_directory: int, progress: RecoveryProgress) -> None:
    """Recover what the last stop left unsound, in `num.recovery.threads.per.data.dir` threads for each directory.

    Reading and checksums do without the interpreter's lock. How far it is goes to the log of the program each second.
    With 0 threads it is done here, one log after another.
    """
    progress.log_count = sum(len(directory.to_recover()) for directory in loaded)
    if not progress.log_count:
        return
    if not threads_per_directory:
        for directory in loaded:
            for log in directory.to_recover():
                directory.recover(log)
        return
    from concurrent.futures import ThreadPoolExecutor, wait

    pools = [ThreadPoolExecutor(threads_per_directory, "kwire-recovery") for _ in loaded]
    try:
        pending = {
            pool.submit(directory.recover, log)
            for pool, directory in zip(pools, loaded, strict=True)
            for log in directory.to_recover()
        }
        while pending:
            done, pending = wait(pending, _PROGRESS_INTERVAL_S)
            for each in done:
                each.result()
            if pending:
                logger.info("%s", progress.text(len(pending)))
    finally:
        for pool in pools:
            pool.shutdown(cancel_futures=True)
    logger.info("%s", progress.text(0))


class RecoveryProgress:
    """How far recovery is; added to by its threads."""

    __slots__ = ("log_count", "read_bytes")

    def __init__(self) -> None:
        self.log_count = 0
        self.read_bytes = 0

    def text(self, left: int) -> str:
        done = self.log_count - left
        return f"recovery after an unclean stop: {done} of {self.log_count} logs, {self.read_bytes >> 20} MiB read"
