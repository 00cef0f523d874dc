"""What may be wrong with a data directory, as a whole broker meets it: it says so or recovers, and loses nothing."""

from __future__ import annotations

import errno
import logging
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kwire.broker import BrokerStartError
from kwire.cluster.controller.config_alteration import AlterOperation, EntityAlteration, OptionAlteration
from kwire.errors import ErrorCode
from kwire.housekeeping import reopened
from kwire.log.files import Buffer, Files, OpenFile
from kwire.log.manager import LogManager
from kwire.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kwire.wire.messages.find_coordinator import FindCoordinatorRequest
from kwire.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kwire.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic
from kwire.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from tests.api.served import Served, batch, records

ROOT = Path(__file__).parents[1]


def produce(served: Served, *values: bytes, partition: int = 0) -> Any:
    """The answer to one batch with acks=all."""
    data = PartitionProduceData(index=partition, records=batch(*values))
    topic = TopicProduceData(name="orders", partition_data=[data])
    ((answer,),) = [
        topic.partition_responses
        for topic in served.call(ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[topic]), 9).responses
    ]
    return answer


def fetched(served: Served, partition: int = 0) -> Any:
    """The answer to a fetch from the start of a partition."""
    wanted = FetchPartition(partition=partition, fetch_offset=0, partition_max_bytes=1 << 20)
    asked = FetchRequest(max_wait_ms=0, min_bytes=1, topics=[FetchTopic(topic="orders", partitions=[wanted])])
    ((answer,),) = [topic.partitions for topic in served.call(asked, 12).responses]
    return answer


def stored(served: Served, partition: int = 0) -> list[bytes | None]:
    """All values of a partition, as a consumer gets them."""
    answer = fetched(served, partition)
    assert answer.error_code == ErrorCode.NONE
    return [record.value for record in records(answer.records)]


def copied(source: Path, target: Path) -> Path:
    """The directory of a running broker as kill -9 leaves it."""
    shutil.copytree(source, target)
    return target


def start(directory: Path) -> subprocess.CompletedProcess[str]:
    """`kwire start` on a directory that it cannot use."""
    command = [sys.executable, "-m", "kwire", "start", "--data-dir", str(directory), "--port", "0"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_logs_are_recovered_under_the_dynamic_options(tmp_path: Path) -> None:
    with closing(Served(directories=[tmp_path / "data"])) as served:
        served.create_topic("orders")
        produce(served, b"a")
        change = OptionAlteration("log.cleanup.policy", AlterOperation.SET, "compact")
        altered = served.broker.services.controller.alter_configs([EntityAlteration("brokers", "<default>", [change])])
        assert served.run(altered) == [None]
        killed = copied(tmp_path / "data", tmp_path / "killed")
    seen = []

    class Watching(LogManager):
        def segment_recovered(self, size_bytes: int) -> None:
            seen.extend(log.config.is_compacted for log in self.logs())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kwire.broker.LogManager", Watching)
        with closing(Served(directories=[killed])):
            assert seen == [True]


def test_a_second_broker_on_the_same_directory(tmp_path: Path) -> None:
    with closing(Served(directories=[tmp_path])) as first:
        first.create_topic("orders")
        with pytest.raises(BrokerStartError, match="is in use by another broker") as refusal:
            Served(directories=[tmp_path])
        assert refusal.value.directory_is_held
        second = start(tmp_path)
        assert second.returncode == 4
        assert second.stderr == (
            f"kwire: log directory {tmp_path} is in use by another broker; stop it, or choose another directory\n"
        )
        # The first one is none the worse.
        assert produce(first, b"a").error_code == ErrorCode.NONE
        assert stored(first) == [b"a"]


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_directory_that_cannot_be_made(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    refused = start(tmp_path / place)
    assert refused.returncode == 5
    assert refused.stderr.startswith(f"kwire: log directory {tmp_path / place} cannot be used: ")
    assert refused.stderr.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("cluster.id=another", "belongs to cluster.id another, this broker's is "),
        ("broker.id=77x", "meta.properties says broker.id=77x, which is no number"),
    ],
)
def test_a_directory_of_another_cluster(tmp_path: Path, line: str, complaint: str) -> None:
    with closing(Served(directories=[tmp_path])) as served:
        served.create_topic("orders")
        produce(served, b"a")
    properties = tmp_path / "meta.properties"
    ours = properties.read_text()
    name = line.partition("=")[0]
    theirs = "".join(line + "\n" if old.startswith(name) else old for old in ours.splitlines(keepends=True))
    properties.write_text(theirs)
    with pytest.raises(BrokerStartError, match=complaint) as refusal:
        Served(directories=[tmp_path])
    assert not refusal.value.directory_is_held
    refused = start(tmp_path)
    assert refused.returncode == 5
    assert complaint in refused.stderr
    assert refused.stderr.count("\n") == 1
    # Nothing was touched, and nothing is held.
    assert properties.read_text() == theirs
    properties.write_text(ours)
    with closing(Served(directories=[tmp_path])) as served:
        assert stored(served) == [b"a"]


@pytest.fixture
def full_disks(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """Directories whose disk takes one byte more and is full then; a test adds to them."""
    full: set[Path] = set()
    write_at = Files.write_at

    def limited(self: Files, file: OpenFile, data: Buffer, position: int) -> None:
        if any(directory in Path(file.path).parents for directory in full):
            write_at(self, file, bytes(data)[:1], position)
            raise OSError(errno.ENOSPC, "No space left on device")
        write_at(self, file, data, position)

    monkeypatch.setattr(Files, "write_at", limited)
    return full


def test_a_full_disk(tmp_path: Path, full_disks: set[Path], caplog: pytest.LogCaptureFixture) -> None:
    directories = [tmp_path / "one", tmp_path / "two"]
    with closing(Served(directories=directories)) as served:
        served.create_topic("orders", 2)
        for partition in (0, 1):
            assert produce(served, b"before", partition=partition).error_code == ErrorCode.NONE
        home = Path(served.log("orders", 0).directory).parent
        assert Path(served.log("orders", 1).directory).parent != home
        full_disks.add(home)
        refused = produce(served, b"refused", partition=0)
        assert (refused.error_code, refused.base_offset) == (ErrorCode.KAFKA_STORAGE_ERROR, -1)
        assert f"log directory {home} is offline: [Errno 28] No space left on device" in caplog.text
        # The other disk goes on.
        assert produce(served, b"meanwhile", partition=1).error_code == ErrorCode.NONE
        assert produce(served, b"refused", partition=0).error_code == ErrorCode.KAFKA_STORAGE_ERROR
        assert fetched(served, 0).error_code == ErrorCode.KAFKA_STORAGE_ERROR
        assert stored(served, 1) == [b"before", b"meanwhile"]
        full_disks.clear()
    with closing(Served(directories=directories)) as served:
        assert (stored(served, 0), stored(served, 1)) == ([b"before"], [b"before", b"meanwhile"])
        assert produce(served, b"after", partition=0).base_offset == 1
        assert stored(served, 0) == [b"before", b"after"]


def test_a_full_disk_that_has_room_again(tmp_path: Path, full_disks: set[Path]) -> None:
    """No restart is needed: records, groups and topics that were created meanwhile are served again."""
    with closing(Served(directories=[tmp_path])) as served:
        served.create_topic("orders")
        produce(served, b"before")
        served.call(FindCoordinatorRequest(key="g", key_type=0), 3)
        assert commit(served, 1) == ErrorCode.NONE
        full_disks.add(tmp_path)
        assert produce(served, b"refused").error_code == ErrorCode.KAFKA_STORAGE_ERROR
        assert commit(served, 2) != ErrorCode.NONE
        served.create_topic("meanwhile")
        full_disks.clear()
        assert come_back(served)
        assert (stored(served), committed(served)) == ([b"before"], 1)
        assert produce(served, b"after").base_offset == 1
        assert commit(served, 2) == ErrorCode.NONE
        served.fill("meanwhile", batch(b"a"))
        assert served.log("meanwhile").log_end_offset == 1
    with closing(Served(directories=[tmp_path])) as served:
        assert (stored(served), committed(served)) == ([b"before", b"after"], 2)


def come_back(served: Served) -> bool:
    """One turn of the duty that looks after full disks."""
    services = served.broker.services
    (directory,) = services.logs.directories
    is_back: bool = served.run(reopened(services.logs, directory, served.clock.now_ms()))
    served.run(services.replicas.reopen())
    return is_back


def commit(served: Served, offset: int) -> int:
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=offset)
    topic = OffsetCommitRequestTopic(name="orders", partitions=[partition])
    request = OffsetCommitRequest(group_id="g", generation_id_or_member_epoch=-1, topics=[topic])
    ((answer,),) = [topic.partitions for topic in served.call(request, 8).topics]
    code: int = answer.error_code
    return code


def committed(served: Served) -> int:
    topics = [OffsetFetchRequestTopic(name="orders", partition_indexes=[0])]
    ((answer,),) = [
        topic.partitions for topic in served.call(OffsetFetchRequest(group_id="g", topics=topics), 7).topics
    ]
    offset: int = answer.committed_offset
    return offset


def test_a_disk_that_is_missing_at_the_start(tmp_path: Path) -> None:
    directories = [tmp_path / "one", tmp_path / "two"]
    with closing(Served(directories=directories)) as served:
        served.create_topic("orders", 2)
        for partition in (0, 1):
            produce(served, b"before", partition=partition)
        # The first directory holds the metadata, without which nothing starts.
        (there, gone) = (0, 1) if Path(served.log("orders", 1).directory).parent == directories[1] else (1, 0)
    (tmp_path / "two").rename(tmp_path / "elsewhere")
    (tmp_path / "two").write_text("in the way")
    with closing(Served(directories=directories)) as served:
        assert produce(served, b"refused", partition=gone).error_code == ErrorCode.KAFKA_STORAGE_ERROR
        assert produce(served, b"meanwhile", partition=there).error_code == ErrorCode.NONE
    (tmp_path / "two").unlink()
    (tmp_path / "elsewhere").rename(tmp_path / "two")
    with closing(Served(directories=directories)) as served:
        assert stored(served, gone) == [b"before"]
        assert stored(served, there) == [b"before", b"meanwhile"]


def test_alien_files_are_left_alone(tmp_path: Path) -> None:
    aliens = [
        "notes.txt",
        ".hidden",
        "orders-7",
        "lost+found/inode",
        "photos-2024/beach.jpg",
        "no-number-x/file",
        "orders-0/README",
        "orders-0/42.log",
        "orders-0/00000000000000000000.log.bak",
    ]

    def texts(root: Path) -> list[str]:
        return [(root / alien).read_text() for alien in aliens]

    data = tmp_path / "data"
    with closing(Served(directories=[data])) as served:
        served.create_topic("orders")
        produce(served, b"a")
        for alien in aliens:
            (data / alien).parent.mkdir(exist_ok=True)
            (data / alien).write_text(alien)
        killed = copied(data, tmp_path / "killed")
    for root in (data, killed):
        for turn in range(2):
            with closing(Served(directories=[root])) as served:
                assert stored(served) == [b"a", b"b"][: 1 + turn]
                served.broker.services.logs.checkpoint(served.clock.now_ms())
                if not turn:
                    produce(served, b"b")
        assert texts(root) == aliens
        assert [path.name for path in (root / "photos-2024").iterdir()] == ["beach.jpg"]


def test_a_file_named_like_a_partition_harms_that_partition_alone(tmp_path: Path) -> None:
    (tmp_path / "orders-1").write_text("mine")
    for _ in range(2):
        with closing(Served(directories=[tmp_path])) as served:
            served.create_topic("orders", 2)
            assert produce(served, b"a", partition=0).error_code == ErrorCode.NONE
            assert produce(served, b"a", partition=1).error_code == ErrorCode.KAFKA_STORAGE_ERROR
            assert served.broker.services.logs.directories[0].is_online
        assert (tmp_path / ".kafka_cleanshutdown").exists()
        assert (tmp_path / "orders-1").read_text() == "mine"
        shutil.rmtree(tmp_path / "orders-0")
        (tmp_path / "kwire-metadata.db").unlink()
    (tmp_path / "orders-1").unlink()
    with closing(Served(directories=[tmp_path])) as served:
        served.create_topic("orders", 2)
        assert produce(served, b"a", partition=1).error_code == ErrorCode.NONE


def test_the_directory_of_a_kraft_broker_is_left_to_it(tmp_path: Path) -> None:
    text = "version=1\nnode.id=1\ncluster.id=I2eXt9rvSnyhct8BYmW6-w\ndirectory.id=5KBaqZxNSfeLk8oVXcnANg\n"
    (tmp_path / "meta.properties").write_text(text)
    with pytest.raises(BrokerStartError, match="belongs to a KRaft broker") as refusal:
        Served(directories=[tmp_path])
    assert not refusal.value.directory_is_held
    assert (tmp_path / "meta.properties").read_text() == text
    assert {path.name for path in tmp_path.iterdir()} <= {"meta.properties", ".lock"}


@pytest.mark.parametrize("torn_bytes", [1, 30, 61, 70])
def test_a_torn_last_segment(tmp_path: Path, torn_bytes: int, caplog: pytest.LogCaptureFixture) -> None:
    with closing(Served(directories=[tmp_path / "data"])) as served:
        served.create_topic("orders")
        produce(served, b"a", b"b")
        produce(served, b"c")
        killed = copied(tmp_path / "data", tmp_path / "killed")
    (segment,) = (killed / "orders-0").glob("*.log")
    whole = segment.stat().st_size
    with segment.open("ab") as file:
        file.write(batch(b"torn" * 10)[:torn_bytes])
    caplog.set_level(logging.WARNING)
    with closing(Served(directories=[killed])) as served:
        assert f"{segment}: cut from {whole + torn_bytes} to {whole} bytes, behind offset 2" in caplog.text
        assert stored(served) == [b"a", b"b", b"c"]
        assert produce(served, b"d").base_offset == 3
        again = copied(killed, tmp_path / "again")
    with closing(Served(directories=[again])) as served:
        assert stored(served) == [b"a", b"b", b"c", b"d"]
