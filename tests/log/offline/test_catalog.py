"""What a directory holds, read without verifying: offsets, epochs, groups, transactions."""

from __future__ import annotations

from pathlib import Path

import pytest

from kwire.ids import TopicPartition, uuid_text
from kwire.log.offline.catalog import read_directory, topic_id_of, topics_of
from kwire.log.offline.coordinator_state import read_groups, read_transactions
from kwire.log.offset_index import OffsetIndex
from kwire.wire.codec import encode_prefixed
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from kwire.wire.messages.group_records import OffsetCommitKey, OffsetCommitValue
from kwire.wire.record_batch import set_offset_and_epoch
from kwire.wire.records import build_batch
from tests.log.building import NOW
from tests.log.offline.directories import fingerprint, kafka_samples, kwire_directory


def test_kafkas_directory(tmp_path: Path) -> None:
    directory = kafka_samples(tmp_path) / "clean-stop"
    before = fingerprint(directory)
    found = read_directory(str(directory))
    assert (found.broker_id, found.cluster_id, found.is_quorum) == (3, "25t3LOi2TPu8DxUcoebj8A", False)
    rows = {
        str(stored.partition): (stored.start_offset, stored.end_offset, stored.segment_count)
        for stored in found.partitions
    }
    assert rows == {
        "__consumer_offsets-0": (0, 10, 1),
        "__transaction_state-0": (0, 30, 1),
        "compacted-0": (0, 200, 4),
        "lat-0": (0, 2, 1),
        "mini2-0": (0, 31, 1),
        "ret-0": (90, 105, 1),
        "roll-0": (0, 60, 6),
        "txn2-0": (0, 14, 2),
    }
    by_topic = topics_of(found.partitions)
    assert uuid_text(topic_id_of(by_topic["compacted"])) == "rWgBNTM6TA6a5Y5TpEV5eA"
    assert [stored.is_compacted for stored in by_topic["compacted"]] == [True]
    assert not by_topic["roll"][0].is_compacted
    groups = read_groups([str(directory / "__consumer_offsets-0")])
    assert {name: (group.kind, group.generation) for name, group in groups.items()} == {
        "g-txn": ("classic", 2),
        "g1": ("classic", 2),
        "g2": ("classic", 2),
    }
    assert groups["g-txn"].offsets[TopicPartition("mini", 0)].offset == 2
    transactions = read_transactions([str(directory / "__transaction_state-0")])
    assert transactions
    assert not any(transaction.is_in_doubt for transaction in transactions.values())
    assert fingerprint(directory) == before


def test_a_directory_that_was_killed_has_an_open_transaction(tmp_path: Path) -> None:
    found = read_directory(str(kafka_samples(tmp_path) / "kill-9"))
    (stored,) = found.partitions
    assert (stored.end_offset, stored.open_transactions) == (13, {12: 1001})
    assert found.broker_id == -1


def test_our_directory(tmp_path: Path) -> None:
    found = read_directory(str(kwire_directory(tmp_path, open_end=True)))
    (stored,) = found.partitions
    assert (stored.start_offset, stored.end_offset, stored.high_watermark) == (0, 51, 51)
    assert stored.epochs == [(0, 0), (1, 20), (2, 40)]
    assert stored.open_transactions == {50: 7}
    assert stored.max_producer_id == 7


def offset_commit(partition: int, offset: int | None, base: int, **fields: int) -> bytearray:
    key = encode_prefixed(OffsetCommitKey(group="g", topic="t", partition=partition), 0)
    value = None
    if offset is not None:
        value = encode_prefixed(OffsetCommitValue(offset=offset, metadata="", commit_timestamp=NOW), 3)
    built = build_batch([(NOW, key, value, ())], **fields)  # type: ignore[arg-type]
    set_offset_and_epoch(built, 0, base, 0)
    return built


def ending(committed: bool, base: int, producer_id: int) -> bytearray:
    return build_end_transaction_marker(
        EndTransactionMarker(committed, 0), producer_id=producer_id, producer_epoch=0, timestamp=NOW, base_offset=base
    )


@pytest.mark.parametrize("position", [-1, 1, 1 << 30])
def test_an_index_that_is_wrong_hides_nothing(tmp_path: Path, position: int) -> None:
    directory = kwire_directory(tmp_path / "data")
    (before,) = read_directory(str(directory)).partitions
    last = max((directory / "t-0").glob("*.index"))
    last.write_bytes(last.read_bytes() + OffsetIndex.ENTRY.pack(1 << 20, position))
    assert read_directory(str(directory)).partitions == [before]


def test_offsets_of_a_transaction_count_once_it_is_committed(tmp_path: Path) -> None:
    transactional = {"producer_epoch": 0, "transactional": True}
    log = b"".join(
        (
            offset_commit(0, 5, 0),
            offset_commit(1, 6, 1),
            offset_commit(0, 50, 2, producer_id=1, **transactional),
            offset_commit(1, 60, 3, producer_id=2, **transactional),
            offset_commit(2, 70, 4, producer_id=3, **transactional),
            ending(True, 5, 1),
            ending(False, 6, 2),
            offset_commit(3, 1, 7),
            offset_commit(3, None, 8),
        )
    )
    (tmp_path / f"{0:020d}.log").write_bytes(log + b"\0" * 40)
    (group,) = read_groups([str(tmp_path)]).values()
    assert {partition.partition: committed.offset for partition, committed in group.offsets.items()} == {0: 50, 1: 6}
    damaged = bytearray(log)
    damaged[80] ^= 1
    (tmp_path / f"{0:020d}.log").write_bytes(damaged)
    (group,) = read_groups([str(tmp_path)]).values()
    assert group.offsets[TopicPartition("t", 1)].offset == 6
