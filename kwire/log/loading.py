"""What a log directory holds when the broker starts: a log per partition directory, recovered where it must be.

After a clean stop the names in the directory and its checkpoints are all that is read, and each log is opened when it
is first asked for something. After a crash every log is recovered before the start goes on. Source: Kafka's
`LogManager.loadLogs`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from kwire.errors import KafkaError
from kwire.ids import ZERO_UUID, TopicPartition
from kwire.log import checkpoints, recovery
from kwire.log.config import LogConfig
from kwire.log.directory import LogDirectory
from kwire.log.files import DELETE_DIR_SUFFIX, parse_marked_directory, parse_partition_directory
from kwire.log.log import Log, UnopenedLog
from kwire.log.log_state import LogHost

logger = logging.getLogger(__name__)


class LoadedDirectory:
    """The logs of one directory as its names and checkpoints tell, before `recover`."""

    __slots__ = ("_directory", "logs", "marked_for_removal", "stale_checkpoints", "unrecovered", "was_clean")

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
        self._directory = directory
        self.was_clean = was_clean
        self.logs: dict[TopicPartition, Log] = {}
        self.marked_for_removal: list[str] = []
        """Directories of deleted topics."""
        self.unrecovered: set[Log] = set()
        points = directory.read_checkpoint(checkpoints.RECOVERY_POINTS)
        high_watermarks = directory.read_checkpoint(checkpoints.HIGH_WATERMARKS)
        starts = directory.read_checkpoint(checkpoints.LOG_STARTS)
        for name in directory.files.names(directory.path):
            path = directory.path_of(name)
            if name.endswith(DELETE_DIR_SUFFIX) and parse_marked_directory(name):
                self.marked_for_removal.append(path)
                continue
            topic_partition = parse_partition_directory(name)
            if topic_partition is None or not directory.files.is_directory(path):
                continue
            log = self.logs[topic_partition] = UnopenedLog(
                topic_partition,
                ZERO_UUID,
                path,
                config_for(topic_partition.topic),
                directory.files,
                host,
                created_ms=now_ms,
                loader=partial(recovery.load, clean=was_clean, checkpointed_start=starts.get(topic_partition, 0)),
            )
            log.expect(
                log_end_offset=points.get(topic_partition) if was_clean else None,
                high_watermark=high_watermarks.get(topic_partition, 0),
                recovery_point=points.get(topic_partition, 0),
            )
        self.stale_checkpoints = (starts.keys() | points.keys()) - self.logs.keys()
        """Partitions that the checkpoints name and that are not here any more."""

    def recover(self) -> None:
        """Bring every log to a sound end, unless the last stop was clean; `unrecovered` are those that failed."""
        if self.was_clean:
            return
        for log in self.logs.values():
            if self._directory.is_online:
                try:
                    log.load()
                except KafkaError as error:
                    logger.error("%s cannot be recovered: %s", log.topic_partition, error)
                    self.unrecovered.add(log)
