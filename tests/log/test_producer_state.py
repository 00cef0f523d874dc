"""Producer state and its snapshots, beside what whole logs show in test_log."""

from __future__ import annotations

import pytest

from kwire.errors import ErrorCode, KafkaError
from kwire.log.producer_snapshot import CorruptSnapshotError, decode_snapshot, encode_snapshot
from kwire.log.producer_state import Marker, ProducerState, ProducerStateManager
from kwire.wire.record_batch import BatchHeader, read_header
from tests.log.building import NOW, batch


def header(
    offset: int, sequence: int, *, count: int = 1, epoch: int = 0, producer: int = 9, txn: bool = False
) -> BatchHeader:
    records = batch(
        *[b"v"] * count,
        base_offset=offset,
        base_sequence=sequence,
        producer_epoch=epoch,
        producer_id=producer,
        transactional=txn,
    )
    return read_header(records)


def marker(offset: int, *, epoch: int = 0, producer: int = 9) -> BatchHeader:
    return header(offset, -1, epoch=epoch, producer=producer, txn=True)._replace(attributes=0x30)


def test_an_empty_snapshot_is_kafkas() -> None:
    assert encode_snapshot({}) == bytes.fromhex("0001 48674bc7 00000000")
    assert decode_snapshot(encode_snapshot({})) == []


def test_a_snapshot_keeps_the_last_batch_and_the_open_transaction() -> None:
    manager = ProducerStateManager()
    for n in range(7):
        manager.update(header(10 + n, n, txn=n >= 3))
    manager.update(header(20, 5, producer=4, epoch=2, count=3))
    loaded = {entry.producer_id: entry for entry in decode_snapshot(encode_snapshot(manager.entries))}
    assert [batch.last_sequence for batch in manager.entries[9].batches] == [2, 3, 4, 5, 6]
    assert [batch.last_sequence for batch in loaded[9].batches] == [6]
    assert loaded[9].txn_first_offset == 13
    assert loaded[4].batches[0].first_offset == 20
    assert (loaded[4].epoch, loaded[4].batches[0].first_sequence, loaded[4].last_timestamp) == (2, 5, NOW)
    other = ProducerStateManager()
    other.reload(loaded.values(), 23)
    assert (other.first_unstable_offset, other.map_end_offset) == (13, 23)


@pytest.mark.parametrize("cut", range(1, 57))
def test_a_torn_snapshot_is_refused(cut: int) -> None:
    manager = ProducerStateManager()
    manager.update(header(0, 0))
    data = encode_snapshot(manager.entries)
    with pytest.raises(CorruptSnapshotError):
        decode_snapshot(data[: len(data) - cut])


def test_damaged_snapshots_are_refused() -> None:
    data = bytearray(encode_snapshot({9: ProducerState(9)}))
    for at in range(len(data)):
        data[at] ^= 0x40
        with pytest.raises(CorruptSnapshotError):
            decode_snapshot(bytes(data))
        data[at] ^= 0x40


def test_a_marker_with_a_new_epoch_forgets_sequences_but_not_the_producer() -> None:
    manager = ProducerStateManager()
    manager.update(header(0, 0, txn=True))
    completed = manager.update(marker(1, epoch=1), Marker(False, 3))
    assert completed == (9, 0, 1, True)
    manager.complete(completed)
    assert manager.entries[9].batches == []
    with pytest.raises(KafkaError) as error:
        manager.check(header(2, 5, epoch=1), from_client=True)
    assert error.value.code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    manager.check(header(2, 0, epoch=1), from_client=True)
    assert manager.update(marker(3, epoch=1), Marker(True, 3)) is None


def test_followers_take_any_sequence() -> None:
    manager = ProducerStateManager()
    manager.update(header(0, 0))
    manager.check(header(1, 7), from_client=False)


def test_an_open_transaction_keeps_a_producer_from_expiring() -> None:
    manager = ProducerStateManager()
    manager.update(header(0, 0, txn=True))
    manager.update(header(1, 0, producer=4))
    assert manager.remove_expired(NOW + 100, 100) == 1
    assert list(manager.entries) == [9]


def test_the_first_unstable_offset_is_the_oldest_undecided() -> None:
    manager = ProducerStateManager()
    for offset, producer in ((0, 1), (1, 2), (2, 3)):
        manager.update(header(offset, 0, producer=producer, txn=True))
    assert manager.first_unstable_offset == 0
    for offset, producer, stable in ((3, 2, 0), (4, 1, 2)):
        completed = manager.update(marker(offset, producer=producer), Marker(False, 0))
        assert completed is not None
        assert manager.last_stable_offset_after(completed) == stable
        manager.complete(completed)
    assert manager.first_unstable_offset == 0
    manager.on_high_watermark(5)
    assert manager.first_unstable_offset == 2
    manager.on_log_start_offset(9)
    assert manager.map_end_offset == 9
