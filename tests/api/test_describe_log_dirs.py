"""DescribeLogDirs: directories, partitions, sizes."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from kwire.api.describe_log_dirs import OPENED_AT_ONCE
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


def test_the_event_loop_goes_on_while_logs_are_opened(tmp_path: Path) -> None:
    first = Served(directories=[tmp_path])
    first.create_topic("t", 50)
    for partition in range(50):
        first.fill("t", batch(b"a"), partition=partition)
    first.close()
    served = Served(directories=[tmp_path])

    async def opened_in_each_turn() -> list[int]:
        logs, counts = list(served.broker.services.logs.logs()), []
        asked = asyncio.ensure_future(served.send(DescribeLogDirsRequest(topics=None), 4))
        while not asked.done():
            counts.append(sum(log.is_loaded for log in logs))
            await asyncio.sleep(0)
        counts.append(sum(log.is_loaded for log in logs))
        (directory,) = asked.result().results
        assert [row.partition_size for row in directory.topics[0].partitions] == [len(batch(b"a"))] * 50
        return [after - before for before, after in pairwise(counts)]

    try:
        turns = served.run(opened_in_each_turn())
    finally:
        served.close()
    assert sum(turns) == 50
    assert max(turns) <= OPENED_AT_ONCE
