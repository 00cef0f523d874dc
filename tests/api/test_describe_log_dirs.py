"""DescribeLogDirs: directories, partitions, sizes."""

from __future__ import annotations

import pytest

from kwire.errors import ErrorCode
from kwire.wire.messages.describe_log_dirs import DescribableLogDirTopic, DescribeLogDirsRequest
from tests.api.served import Served, batch


@pytest.mark.parametrize("version", range(6))
def test_every_version(served: Served, version: int) -> None:
    served.create_topic("t", 2)
    served.fill("t", batch(b"a"), partition=1)
    (directory,) = served.call(DescribeLogDirsRequest(topics=None), version).results
    assert directory.error_code == ErrorCode.NONE
    assert directory.log_dir == str(served.broker.data_directories[0])
    (topic,) = directory.topics
    assert {row.partition_index: row.partition_size for row in topic.partitions} == {0: 0, 1: len(batch(b"a"))}
    if version >= 4:
        assert 0 < directory.usable_bytes <= directory.total_bytes


def test_only_what_is_asked_for(served: Served) -> None:
    served.create_topic("t", 3)
    served.create_topic("u")
    asked = DescribeLogDirsRequest(topics=[DescribableLogDirTopic(topic="t", partitions=[1, 9])])
    (directory,) = served.call(asked, 4).results
    (topic,) = directory.topics
    assert (topic.name, [row.partition_index for row in topic.partitions]) == ("t", [1])


def test_a_directory_that_cannot_be_read_is_an_error_of_its_own(served: Served) -> None:
    served.broker.services.logs.directories[0].path += "/gone"
    (directory,) = served.call(DescribeLogDirsRequest(topics=None), 4).results
    assert (directory.error_code, directory.topics) == (ErrorCode.KAFKA_STORAGE_ERROR, [])
