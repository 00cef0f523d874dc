from __future__ import annotations

import pytest

from kwire.wire.control import (
    ABORT,
    COMMIT,
    CONTROL_TYPES,
    EndTransactionMarker,
    build_control_batch,
    build_end_transaction_marker,
    control_type,
    read_end_transaction_marker,
)
from kwire.wire.record_batch import verify
from kwire.wire.records import InvalidRecordError, Record, read_records

T = 1_700_000_000_000


def a_record(key: bytes | None, value: bytes | None) -> Record:
    return Record(0, T, key, value, (), -1)


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("epoch", [0, 7, 2**31 - 1])
def test_a_marker_is_read_back(committed: bool, epoch: int) -> None:
    marker = EndTransactionMarker(committed, epoch)
    batch = build_end_transaction_marker(
        marker, producer_id=9, producer_epoch=2, timestamp=T, base_offset=40, partition_leader_epoch=3
    )
    header = verify(batch)
    assert header.is_control
    assert header.is_transactional
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (9, 2, -1)
    assert (header.base_offset, header.last_offset, header.partition_leader_epoch) == (40, 40, 3)
    (record,) = read_records(batch)
    assert read_end_transaction_marker(record) == marker
    assert control_type(record) == (COMMIT if committed else ABORT)
    assert record.timestamp == T


def test_the_bytes_of_a_marker_are_kafkas() -> None:
    batch = build_end_transaction_marker(
        EndTransactionMarker(True, 12), producer_id=0, producer_epoch=9, timestamp=0x18BCFF1EE2F, base_offset=82871
    )
    assert batch.hex() == (
        "00000000000143b700000042ffffffff029292404a0030000000000000018bcff1ee2f0000018bcff1ee2f00000000000000000009"
        "ffffffff000000012000000008000000010c00000000000c00"
    )


def test_other_types_are_no_transaction_markers() -> None:
    for number in range(2, len(CONTROL_TYPES) + 1):
        (record,) = read_records(build_control_batch(number, b"any", timestamp=T))
        assert control_type(record) == number
        assert read_end_transaction_marker(record) is None


def test_later_versions_may_add_fields() -> None:
    record = a_record(bytes.fromhex("00010001ffff"), bytes.fromhex("000100000005ffff"))
    assert read_end_transaction_marker(record) == EndTransactionMarker(True, 5)


@pytest.mark.parametrize("key", [None, b"", b"\0\0\0", b"\xff\xff\0\1"])
def test_a_key_that_says_no_type(key: bytes | None) -> None:
    with pytest.raises(InvalidRecordError):
        control_type(a_record(key, b""))


@pytest.mark.parametrize("value", [None, b"", bytes(5), b"\xff\xff" + bytes(4)])
def test_a_value_that_is_no_marker(value: bytes | None) -> None:
    with pytest.raises(InvalidRecordError):
        read_end_transaction_marker(a_record(b"\0\0\0\1", value))
