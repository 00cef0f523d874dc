"""Indexes that are missing, torn or wrong when a log is opened after a clean stop: made anew from the batches."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from tests.log.building import NOW, TOPIC_ID, TP, append, batch, config, crash, open_manager, read_all, values

SETTINGS = config(segment_bytes=700, index_interval_bytes=0)


@pytest.fixture
def partition(tmp_path: Path) -> Path:
    """A directory with three segments, stopped cleanly."""
    manager = open_manager(tmp_path, settings=SETTINGS)
    log = manager.get_or_create(TP, TOPIC_ID, SETTINGS, NOW)
    for n in range(20):
        append(log, batch(b"%02d" % n, timestamp=NOW + n))
        if n == 5:
            append(log, batch(b"gone", producer_id=1, producer_epoch=0, base_sequence=0, transactional=True))
            marker = EndTransactionMarker(False, 0)
            data = build_end_transaction_marker(marker, producer_id=1, producer_epoch=0, timestamp=NOW)
            append(log, data, from_client=False)
    assert len(log.segments) == 3
    manager.close()
    return tmp_path / "t-0"


def overwritten(at: int, data: bytes) -> Callable[[Path], object]:
    def damage(path: Path) -> None:
        whole = bytearray(path.read_bytes())
        whole[at : at + len(data) or None] = data
        path.write_bytes(whole)

    return damage


def cut_to(size: int) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(path.read_bytes()[:size])


@pytest.mark.parametrize("slot", [0, 1, 2])
@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        (".index", Path.unlink),
        (".timeindex", Path.unlink),
        (".index", cut_to(11)),
        (".timeindex", cut_to(23)),
        (".index", overwritten(-8, struct.pack(">ii", 3, 1 << 20))),
        (".index", overwritten(-8, struct.pack(">ii", -3, 200))),
        (".timeindex", overwritten(-12, struct.pack(">qi", NOW + 99, -1))),
        (".timeindex", overwritten(-12, struct.pack(">qi", 5, 3))),
    ],
)
def test_an_index_is_made_anew(
    partition: Path, slot: int, suffix: str, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    before = {path.name: path.read_bytes() for path in partition.iterdir()}
    path = sorted(partition.glob(f"*{suffix}"))[slot]
    damage(path)
    assert path.name not in before or not path.exists() or path.read_bytes() != before[path.name]
    manager = open_manager(partition.parent, settings=SETTINGS)
    log = manager.get(TP)
    assert log is not None
    assert [value for value in values(read_all(log)) if value and value.isdigit()] == [b"%02d" % n for n in range(20)]
    assert f"{str(path).removesuffix(suffix)}.log: the indexes are made anew" in caplog.text
    assert caplog.text.count("made anew") == 1
    assert log.offset_for_timestamp(NOW + 12) == (NOW + 12, 14, 0)
    manager.close()
    assert {path.name: path.read_bytes() for path in partition.iterdir()} == before


def test_a_torn_transaction_index_is_made_anew(partition: Path) -> None:
    (path,) = partition.glob("*.txnindex")
    before = path.read_bytes()
    path.write_bytes(before[:-1])
    manager = open_manager(partition.parent, settings=SETTINGS)
    log = manager.get(TP)
    assert log is not None
    assert [entry.first_offset for entry in log.aborted_transactions(0, 22)] == [6]
    assert path.read_bytes() == before
    crash(manager)
