"""Which logs come and go with the partitions of a broker."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest

from kwire.cluster.controller.leadership import PartitionAssignment
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.log.files import Files
from kwire.replica.manager import ReplicaManager, TopicSettings
from tests.log.building import NOW, TOPIC_ID, TP, append, batch, config, crash, open_manager


class ShortOfDescriptors(Files):
    """A disk on which no partition directory can be listed for want of file descriptors, while `is_short`."""

    __slots__ = ("is_short",)

    def __init__(self) -> None:
        self.is_short = True

    def entries(self, path: str) -> list[tuple[str, int]]:
        if self.is_short:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().entries(path)


def test_the_log_of_a_partition_that_is_offline_is_deleted_with_its_topic(tmp_path: Path) -> None:
    before = open_manager(tmp_path)
    append(before.get_or_create(TP, TOPIC_ID, config(), NOW), batch(b"v"))
    crash(before)
    files = ShortOfDescriptors()
    logs = open_manager(tmp_path, files=files)
    subject = ReplicaManager(1, logs, lambda overrides: TopicSettings(config(), 1), lambda: NOW)
    deleted: list[TopicPartition] = []
    subject.on_deleted.append(deleted.extend)
    assignment = PartitionAssignment("t", TOPIC_ID, 0, 1, 0, [1], [1], 0, False, {})
    asyncio.run(subject.apply([assignment]))
    with pytest.raises(KafkaError) as raised:
        subject.partition("t", 0)
    assert raised.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    assert logs.directories[0].is_online
    files.is_short = False
    asyncio.run(subject.stop([TP], delete=True))
    assert deleted == [TP]
    assert logs.get(TP) is None
    assert not (tmp_path / "t-0").exists()
