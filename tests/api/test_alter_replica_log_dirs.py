"""AlterReplicaLogDirs: moves between directories, seen by clients."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kwire.errors import ErrorCode
from kwire.ids import TopicPartition
from kwire.log.segment import LogSegment
from kwire.wire.messages.alter_replica_log_dirs import (
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirTopic,
)
from kwire.wire.messages.describe_log_dirs import DescribeLogDirsRequest
from kwire.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from tests.api.served import Served, batch, records


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with closing(Served(directories=[tmp_path / "one", tmp_path / "two"])) as broker:
        yield broker


def request(path: object, topic: str = "t", partition: int = 0) -> AlterReplicaLogDirsRequest:
    topics = [AlterReplicaLogDirTopic(name=topic, partitions=[partition])]
    return AlterReplicaLogDirsRequest(dirs=[AlterReplicaLogDir(path=str(path), topics=topics)])


def moved(served: Served, path: object, version: int = 2, **which: Any) -> ErrorCode:
    ((answer,),) = [topic.partitions for topic in served.call(request(path, **which), version).results]
    return ErrorCode(answer.error_code)


def home(served: Served) -> Path:
    return Path(served.log("t").directory).parent


def other(served: Served) -> Path:
    return other_than(served, home(served))


def other_than(served: Served, directory: Path) -> Path:
    return next(path for path in map(Path, served.broker.data_directories) if path != directory)


def settle(served: Served) -> None:
    """Let the move go on until it is over."""

    async def wait() -> None:
        for _ in range(30_000):
            if not any(served.broker.services.logs.relocations):
                return
            await asyncio.sleep(0.001)
        raise TimeoutError

    served.run(wait())


def replicas(served: Served, *before: AlterReplicaLogDirsRequest) -> list[tuple[Path, int, bool]]:
    """(directory, offset lag, is future) of each replica of t-0, right after the requests `before`."""

    async def ask() -> Any:
        for each in before:
            for topic in (await served.send(each, 2)).results:
                assert topic.partitions[0].error_code == ErrorCode.NONE
        return await served.send(DescribeLogDirsRequest(topics=None), 4)

    return [
        (Path(directory.log_dir), row.offset_lag, row.is_future_key)
        for directory in served.run(ask()).results
        for topic in directory.topics
        for row in topic.partitions
        if topic.name == "t"
    ]


def stored(served: Served) -> list[bytes | None]:
    """All values of t-0, fetched from the start to the end."""
    values: list[bytes | None] = []
    while True:
        wanted = FetchPartition(partition=0, fetch_offset=len(values), partition_max_bytes=1 << 24)
        asked = FetchRequest(max_wait_ms=0, min_bytes=1, topics=[FetchTopic(topic="t", partitions=[wanted])])
        ((answer,),) = [topic.partitions for topic in served.call(asked, 12).responses]
        assert answer.error_code == ErrorCode.NONE
        if not answer.records:
            return values
        values += [record.value for record in records(answer.records)]


@pytest.mark.parametrize("version", range(3))
def test_a_partition_moves(served: Served, version: int) -> None:
    served.create_topic("t")
    served.fill("t", batch(b"a", b"b"))
    source, target = home(served), other(served)
    assert moved(served, target, version) == ErrorCode.NONE
    settle(served)
    assert replicas(served) == [(target, 0, False)]
    assert stored(served) == [b"a", b"b"]
    served.fill("t", batch(b"c"))
    assert stored(served) == [b"a", b"b", b"c"]
    assert (target / "t-0").is_dir()
    assert [path.name[-7:] for path in source.iterdir() if path.name.startswith("t-0")] == ["-delete"]


def test_a_move_is_seen_while_it_goes_on(served: Served) -> None:
    served.create_topic("t")
    served.fill("t", batch(b"a", b"b"))
    source, target = home(served), other(served)
    assert sorted(replicas(served, request(target))) == sorted([(source, 0, False), (target, 2, True)])
    settle(served)
    assert replicas(served) == [(target, 0, False)]


def test_a_partition_moves_while_it_is_written(served: Served) -> None:
    served.create_topic("t", segment_bytes="1048576")
    for n in range(200):
        served.fill("t", batch(b"%06d" % n * 3000))
    target = other(served)
    assert moved(served, target) == ErrorCode.NONE

    async def write() -> None:
        # The move takes its first slice when this gives way for the first time.
        for n in range(200, 400):
            served.fill("t", batch(b"%06d" % n * 3000))
            await asyncio.sleep(0)

    assert any(served.broker.services.logs.relocations)
    served.run(write())
    settle(served)
    assert home(served) == target
    assert stored(served) == [b"%06d" % n * 3000 for n in range(400)]
    assert len(served.log("t").segments) > 3


def test_a_partition_without_data_moves_at_once(served: Served) -> None:
    served.create_topic("t")
    target = other(served)
    assert moved(served, target) == ErrorCode.NONE
    assert replicas(served) == [(target, 0, False)]
    served.fill("t", batch(b"a"))
    assert (target / "t-0").is_dir()
    assert stored(served) == [b"a"]


def test_what_is_refused(served: Served, tmp_path: Path) -> None:
    served.create_topic("t")
    served.fill("t", batch(b"a"))
    assert moved(served, tmp_path / "three") == ErrorCode.LOG_DIR_NOT_FOUND
    assert moved(served, other(served), partition=7) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert moved(served, home(served), topic="x" * 240) == ErrorCode.INVALID_TOPIC_EXCEPTION
    assert moved(served, home(served)) == ErrorCode.NONE
    assert len(replicas(served)) == 1
    logs = served.broker.services.logs
    failed = next(each for each in logs.directories if each.path == str(other(served)))
    logs.fail(failed, OSError("gone"))
    assert moved(served, failed.path) == ErrorCode.KAFKA_STORAGE_ERROR


def test_a_partition_comes_where_it_was_asked_to_be(served: Served) -> None:
    target = Path(served.broker.data_directories[1])
    for _ in range(2):
        assert moved(served, target, topic="u", partition=1) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    served.create_topic("u", 2)
    assert Path(served.log("u", 1).directory).parent == target


def test_a_log_of_a_topic_that_the_cluster_does_not_know_stays(served: Served) -> None:
    logs = served.broker.services.logs
    stray = logs.get_or_create(TopicPartition("u", 0), bytes(range(16)), logs.default_config, 0)
    stray.put_on_disk()
    source, target = Path(stray.directory).parent, other_than(served, Path(stray.directory).parent)
    assert moved(served, target, topic="u") == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert not any(logs.relocations)
    assert Path(stray.directory).parent == source
    # The topic that is called so next goes where it was asked to be.
    served.create_topic("u")
    assert Path(served.log("u").directory).parent == target


def test_asking_for_the_old_directory_gives_the_move_up(served: Served) -> None:
    served.create_topic("t")
    served.fill("t", batch(b"a"))
    source = home(served)
    assert replicas(served, request(other(served)), request(source)) == [(source, 0, False)]
    settle(served)
    assert stored(served) == [b"a"]


def test_damaged_records_stay_where_they_are(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    served.create_topic("t")
    served.fill("t", batch(b"a" * 100), batch(b"b"))
    log, source = served.log("t"), home(served)
    segment: LogSegment = log.segments.active
    served.broker.services.logs.directories[0].files.write_at(segment.file, b"!", 90)
    assert moved(served, other(served)) == ErrorCode.NONE
    settle(served)
    assert replicas(served) == [(source, 0, False)]
    assert f"t-0 stays in {source / 't-0'}: " in caplog.text
    assert all(directory.is_online for directory in served.broker.services.logs.directories)


def test_the_rate_is_limited(served: Served) -> None:
    served.create_topic("t")
    served.fill("t", *(batch(bytes(100_000)) for _ in range(40)))
    option = "replica.alter.log.dirs.io.max.bytes.per.second"
    served.broker.config.apply_dynamic({}, {option: "40000000"})
    assert moved(served, other(served)) == ErrorCode.NONE
    began = served.loop.time()
    settle(served)
    # 4 MB, of which the last slice is not waited for.
    assert served.loop.time() - began > 0.05
