"""A follower's log where the leader's has gaps wider than the 2^31 offsets that one segment spans."""

from __future__ import annotations

from pathlib import Path

import pytest

from kwire.log.log import Log
from kwire.wire.records import build_batch
from tests.log.building import NOW, TOPIC_ID, TP, append, batch, config, crash, new_log, open_manager, read_all

FAR = 1 << 31


def far(base_offset: int) -> bytes:
    return bytes(build_batch([(NOW, b"k", b"v", ())], base_offset=base_offset))


def offsets(log: Log) -> list[int]:
    return [record.offset for record in read_all(log)]


@pytest.mark.parametrize("first", [FAR - 1, FAR, 5 * FAR])
def test_the_first_batch_may_lie_anywhere(tmp_path: Path, first: int) -> None:
    log = new_log(tmp_path)
    log.append_as_follower(far(first), now_ms=NOW)
    assert (offsets(log), log.log_end_offset) == ([first], first + 1)


def test_a_gap_begins_a_segment_behind_it(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    append(log, batch(b"v"))
    log.append_as_follower(far(3 * FAR), now_ms=NOW)
    assert [segment.base_offset for segment in log.segments] == [0, 1, 3 * FAR]
    assert offsets(log) == [0, 3 * FAR]


def test_one_fetch_may_bring_a_gap(tmp_path: Path) -> None:
    log = new_log(tmp_path)
    info = log.append_as_follower(far(3) + far(2 * FAR) + far(2 * FAR + 1) + far(9)[:40], now_ms=NOW)
    assert (info.first_offset, info.last_offset) == (3, 2 * FAR + 1)
    assert offsets(log) == [3, 2 * FAR, 2 * FAR + 1]


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("policy", ["compact", "delete"])
def test_a_restart_finds_it(tmp_path: Path, clean: bool, policy: str) -> None:
    settings = config(cleanup_policy=[policy])
    manager = open_manager(tmp_path, settings=settings)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    log.append_as_follower(far(3) + far(2 * FAR), now_ms=NOW)
    manager.close(clean=clean)
    manager = open_manager(tmp_path, settings=settings)
    log = manager.get_or_create(TP, TOPIC_ID, settings, NOW)
    assert (offsets(log), log.log_end_offset) == ([3, 2 * FAR], 2 * FAR + 1)
    crash(manager)
