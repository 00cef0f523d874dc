"""The records of `__consumer_offsets`: Kafka 3.9's bytes, and what a loader makes of batches it did not write."""

from __future__ import annotations

import pytest

from kwire.coord.formats import GROUP_FORMATS, value_version
from kwire.coord.records import CoordinatorRecord, LoadedBatch, decode_batches, encode_records
from kwire.wire.codec import WireError
from kwire.wire.control import EndTransactionMarker, build_control_batch, build_end_transaction_marker
from kwire.wire.messages.group_records import (
    GroupMetadataKey,
    GroupMetadataValue,
    MemberMetadata,
    OffsetCommitKey,
    OffsetCommitValue,
)
from kwire.wire.record_batch import set_offset_and_epoch
from kwire.wire.records import build_batch, read_records

NOW_MS = 0x1A1FD697F6B


def offset_record(offset: int = 2, expire_timestamp: int = -1) -> CoordinatorRecord:
    return CoordinatorRecord(
        OffsetCommitKey(group="g-txn", topic="mini", partition=0),
        OffsetCommitValue(
            offset=offset, metadata="", commit_timestamp=NOW_MS, leader_epoch=-1, expire_timestamp=expire_timestamp
        ),
    )


def test_a_committed_offset_has_kafkas_bytes() -> None:
    (record,) = read_records(encode_records([offset_record()], NOW_MS))
    assert record.key == bytes.fromhex("0001 0005672d74786e 00046d696e69 00000000")
    assert record.value == bytes.fromhex("0003 0000000000000002 ffffffff 0000 000001a1fd697f6b")
    assert record.timestamp == NOW_MS


def test_an_empty_group_has_kafkas_bytes() -> None:
    value = GroupMetadataValue(
        protocol_type="consumer",
        generation=2,
        protocol=None,
        leader=None,
        current_state_timestamp=0x1A1FD697F9F,
        members=[],
    )
    (record,) = read_records(encode_records([CoordinatorRecord(GroupMetadataKey(group="g-txn"), value)], NOW_MS))
    assert record.key == bytes.fromhex("0002 0005672d74786e")
    assert record.value == bytes.fromhex("0003 0008636f6e73756d6572 00000002 ffff ffff 000001a1fd697f9f 00000000")


def test_a_tombstone_is_null() -> None:
    (record,) = read_records(encode_records([CoordinatorRecord(GroupMetadataKey(group="g"), None)], NOW_MS))
    assert record.value is None


def test_a_commit_with_its_own_expiry_needs_version_1() -> None:
    record = offset_record(expire_timestamp=NOW_MS + 5)
    assert value_version(record.value) == 1
    (batch,) = decode_batches(encode_records([record], NOW_MS), GROUP_FORMATS)
    assert batch.records == [record]


def test_records_come_back_as_they_went() -> None:
    member = MemberMetadata(
        member_id="m",
        group_instance_id="i",
        client_id="c",
        client_host="/127.0.0.1",
        rebalance_timeout=7,
        session_timeout=8,
        subscription=b"s",
        assignment=b"a",
    )
    group = GroupMetadataValue(
        protocol_type="consumer",
        generation=3,
        protocol="range",
        leader="m",
        current_state_timestamp=9,
        members=[member],
    )
    records = [
        offset_record(),
        CoordinatorRecord(GroupMetadataKey(group="g"), group),
        CoordinatorRecord(OffsetCommitKey(group="g", topic="t", partition=7), None),
    ]
    assert list(decode_batches(encode_records(records, NOW_MS), GROUP_FORMATS)) == [LoadedBatch(3, -1, records, None)]


def test_a_partial_batch_at_the_end_is_left_out() -> None:
    first, second = encode_records([offset_record()], NOW_MS), encode_records([offset_record(3)], NOW_MS)
    set_offset_and_epoch(second, 0, 1, 0)
    data = bytes(first + second[:-1])
    assert [batch.next_offset for batch in decode_batches(data, GROUP_FORMATS)] == [1]


def test_a_corrupt_batch_is_an_error() -> None:
    data = encode_records([offset_record()], NOW_MS)
    data[-1] ^= 1
    with pytest.raises(WireError):
        list(decode_batches(data, GROUP_FORMATS))


def test_a_transaction_and_its_marker() -> None:
    (plain,) = read_records(encode_records([offset_record()], NOW_MS))
    batch = build_batch(
        [(NOW_MS, plain.key, plain.value, [])],
        producer_id=77,
        producer_epoch=0,
        base_sequence=0,
        transactional=True,
    )
    (loaded,) = decode_batches(batch, GROUP_FORMATS)
    assert (loaded.producer_id, loaded.committed, len(loaded.records)) == (77, None, 1)


@pytest.mark.parametrize("committed", [True, False])
def test_markers(committed: bool) -> None:
    marker = EndTransactionMarker(committed, 0)
    batch = build_end_transaction_marker(marker, producer_id=77, producer_epoch=0, timestamp=NOW_MS)
    (loaded,) = decode_batches(batch, GROUP_FORMATS)
    assert (loaded.producer_id, loaded.committed, loaded.records) == (77, committed, [])


def test_other_control_records_mean_nothing_here() -> None:
    batch = build_control_batch(2, b"", timestamp=NOW_MS)
    assert list(decode_batches(batch, GROUP_FORMATS)) == [LoadedBatch(1, -1, [], None)]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, b""),
        (b"", b""),
        (b"\x00", b""),
        (b"\x00\x7f\x00\x01g", b"\x00\x00"),  # A record of a newer kind of group.
        (b"\x00\x02\x00\x01g", b"\x00\x63"),  # A value of a version that is not known.
        (b"\x00\x02\x00\x01g", b""),
        (b"\x00\x02\x00\x01g", b"\xff\xff"),
    ],
)
def test_what_is_not_known_is_skipped(key: bytes | None, value: bytes) -> None:
    batch = build_batch([(NOW_MS, key, value, [])])
    assert list(decode_batches(batch, GROUP_FORMATS)) == [LoadedBatch(1, -1, [], None, skipped_count=1)]


def test_a_value_that_breaks_off_is_an_error() -> None:
    batch = build_batch([(NOW_MS, b"\x00\x02\x00\x01g", b"\x00\x03\x00\x08cons", [])])
    with pytest.raises(WireError):
        list(decode_batches(batch, GROUP_FORMATS))


def test_only_values_have_versions() -> None:
    with pytest.raises(TypeError):
        value_version(GroupMetadataKey(group="g"))
