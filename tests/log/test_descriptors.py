"""Open files: as many as the limit, and whoever lost one opens it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from kwire.ids import TopicPartition
from kwire.log import entry_file, segment_files
from kwire.log.descriptors import Descriptors
from tests.log.building import NOW, TOPIC_ID, append, batch, config, crash, open_manager, read_all, values


@pytest.fixture
def descriptors(monkeypatch: pytest.MonkeyPatch) -> Descriptors:
    few = Descriptors(limit=6)
    monkeypatch.setattr(segment_files, "DESCRIPTORS", few)
    monkeypatch.setattr(entry_file, "DESCRIPTORS", few)
    return few


def open_files(root: Path) -> int:
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum(1 for link in links if str(link.resolve()).startswith(str(root / "t")))


def test_no_more_files_are_open_than_the_limit_allows(tmp_path: Path, descriptors: Descriptors) -> None:
    settings = config(segment_bytes=300, index_interval_bytes=0)
    manager = open_manager(tmp_path, settings=settings)
    logs = [manager.get_or_create(TopicPartition("t", n), TOPIC_ID, settings, NOW) for n in range(10)]
    for n in range(8):
        for log in logs:
            append(log, batch(b"%d" % n))
            assert open_files(tmp_path) <= len(descriptors) <= 6
    for log in logs:
        assert len(log.segments) > 1
        assert values(read_all(log)) == [b"%d" % n for n in range(8)]
        assert open_files(tmp_path) <= 6
    manager.close()
    assert len(descriptors) == open_files(tmp_path) == 0
    manager = open_manager(tmp_path, settings=settings)
    for log in manager.logs():
        assert values(read_all(log)) == [b"%d" % n for n in range(8)]
    crash(manager)


def test_a_range_that_is_sent_keeps_its_file(tmp_path: Path, descriptors: Descriptors) -> None:
    manager = open_manager(tmp_path)
    logs = [manager.get_or_create(TopicPartition("t", n), TOPIC_ID, config(), NOW) for n in range(10)]
    append(logs[0], batch(b"first"))
    held = logs[0].read(0, 1 << 20, up_to=1, min_one_message=True).records
    for log in logs[1:]:
        append(log, batch(b"other"))
    assert not isinstance(held, bytes)
    assert b"first" in held.read()
    assert open_files(tmp_path) == 7
    del held
    assert open_files(tmp_path) == 6
    crash(manager)


def test_the_owner_may_be_gone(descriptors: Descriptors) -> None:
    class Owner:
        def let_go(self) -> None:
            gone.append(self)

    gone: list[Owner] = []
    owners = [Owner() for _ in range(6)]
    for owner in owners:
        descriptors.opened(owner)
    del owners[0], owner
    assert len(descriptors) == 5
    descriptors.opened(kept := Owner())
    assert gone == []
    descriptors.opened(another := Owner())
    assert gone == [owners[0]]
    descriptors.closed(kept)
    descriptors.closed(another)
    assert len(descriptors) == 4


def test_half_of_what_the_process_may_open() -> None:
    import resource

    assert Descriptors().limit == max(64, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
