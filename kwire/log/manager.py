"""All logs of the broker, over its log directories."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from kwire.ids import ZERO_UUID, TopicPartition, uuid_text
from kwire.log.config import LogConfig
from kwire.log.files import FILES, Files
from kwire.log.leader_epochs import FILE_NAME, LeaderEpochs
from kwire.log.log import Log
from kwire.log.producer_state import ProducerStateManager
from kwire.log.segments import LogSegments


class LogManager:
    """Opens, creates, and closes logs."""

    def __init__(
        self,
        directories: Sequence[Path],
        *,
        default_config: LogConfig,
        config_for: Callable[[str], LogConfig],
        broker_id: int,
        cluster_id: str,
        files: Files = FILES,
    ) -> None:
        self._directories = [os.fspath(directory) for directory in directories]
        self._default_config = default_config
        self._config_for = config_for
        self._broker_id = broker_id
        self._cluster_id = cluster_id
        self._files = files
        self._logs: dict[TopicPartition, Log] = {}

    def open(self, now_ms: int) -> None:
        """Create the directories."""
        for directory in self._directories:
            os.makedirs(directory, exist_ok=True)

    def get(self, topic_partition: TopicPartition) -> Log | None:
        """The log, if it is here."""
        return self._logs.get(topic_partition)

    def get_or_create(self, topic_partition: TopicPartition, topic_id: bytes, config: LogConfig, now_ms: int) -> Log:
        """The log, made on first call."""
        log = self._logs.get(topic_partition)
        if log is not None:
            return log
        directory = os.path.join(self._directories[0], str(topic_partition))
        self._files.make_directory(directory)
        if topic_id != ZERO_UUID:
            text = f"version: 0\ntopic_id: {uuid_text(topic_id)}"
            self._files.create_file(os.path.join(directory, "partition.metadata"), text.encode())
        segments = LogSegments(directory, self._files, [])
        segments.add(0, config, now_ms)
        log = Log(
            topic_partition,
            topic_id,
            directory,
            config,
            self._files,
            segments=segments,
            epochs=LeaderEpochs(os.path.join(directory, FILE_NAME), self._files),
            producers=ProducerStateManager(),
            failed=lambda error: None,
        )
        self._logs[topic_partition] = log
        return log

    def logs(self) -> Iterator[Log]:
        """All logs."""
        return iter(self._logs.values())

    def close(self, *, clean: bool = True) -> None:
        """Close all logs."""
        for log in self._logs.values():
            log.close()
