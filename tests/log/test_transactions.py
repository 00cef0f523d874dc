"""Transactions as the log alone sees them, by hand-made control batches: fences, stable offsets, the aborted ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from kwire.errors import ErrorCode, KafkaError
from kwire.log.log import Log
from kwire.log.manager import LogManager
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from tests.log.building import NOW, TOPIC_ID, TP, append, batch, config, crash, open_manager

SETTINGS = config(segment_bytes=400, index_interval_bytes=0)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return opened(tmp_path)[1]


def opened(root: Path) -> tuple[LogManager, Log]:
    manager = open_manager(root, settings=SETTINGS)
    return manager, manager.get_or_create(TP, TOPIC_ID, SETTINGS, NOW)


def write(log: Log, producer: int, sequence: int, *, epoch: int = 0, transactional: bool = True) -> int:
    data = batch(
        b"%d" % sequence,
        producer_id=producer,
        producer_epoch=epoch,
        base_sequence=sequence,
        transactional=transactional,
    )
    return append(log, data).first_offset


def end(log: Log, producer: int, *, commit: bool = False, epoch: int = 0, coordinator_epoch: int = 0) -> int:
    marker = EndTransactionMarker(commit, coordinator_epoch)
    data = build_end_transaction_marker(marker, producer_id=producer, producer_epoch=epoch, timestamp=NOW)
    offset = append(log, data, from_client=False).first_offset
    log.update_high_watermark(log.log_end_offset)
    return offset


def aborted(log: Log, first: int = 0, last: int = 1 << 40) -> list[tuple[int, int, int, int]]:
    return [tuple(entry) for entry in log.aborted_transactions(first, last)]  # type: ignore[misc]  # of four


def refusal(error: pytest.ExceptionInfo[KafkaError]) -> ErrorCode:
    return ErrorCode(error.value.code)


def test_a_coordinator_of_old_is_a_zombie(log: Log) -> None:
    write(log, 1, 0)
    end(log, 1, coordinator_epoch=5)
    write(log, 1, 1)
    with pytest.raises(KafkaError) as error:
        end(log, 1, coordinator_epoch=4)
    assert refusal(error) == ErrorCode.TRANSACTION_COORDINATOR_FENCED
    assert log.log_end_offset == 3
    assert end(log, 1, coordinator_epoch=5) == 3


def test_a_marker_with_a_newer_epoch_fences_the_producer(log: Log) -> None:
    write(log, 1, 0)
    end(log, 1, epoch=1)
    for sequence in (0, 1):
        with pytest.raises(KafkaError) as error:
            write(log, 1, sequence)
        assert refusal(error) == ErrorCode.INVALID_PRODUCER_EPOCH
    with pytest.raises(KafkaError) as error:
        end(log, 1)
    assert refusal(error) == ErrorCode.INVALID_PRODUCER_EPOCH
    with pytest.raises(KafkaError) as error:
        write(log, 1, 1, epoch=1)
    assert refusal(error) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert write(log, 1, 0, epoch=1) == 2


def test_the_epoch_is_looked_at_before_the_sequence_and_the_sequence_before_the_transaction(log: Log) -> None:
    write(log, 1, 0, epoch=3)
    with pytest.raises(KafkaError) as error:
        write(log, 1, 9, epoch=2, transactional=False)
    assert refusal(error) == ErrorCode.INVALID_PRODUCER_EPOCH
    with pytest.raises(KafkaError) as error:
        write(log, 1, 9, epoch=3, transactional=False)
    assert refusal(error) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    with pytest.raises(KafkaError) as error:
        write(log, 1, 1, epoch=3, transactional=False)
    assert refusal(error) == ErrorCode.INVALID_TXN_STATE


def test_a_marker_that_ends_nothing_leaves_no_trace(log: Log) -> None:
    end(log, 1)
    end(log, 1, coordinator_epoch=2)
    assert aborted(log) == []
    assert log.last_stable_offset == log.high_watermark == 2
    assert not log.segments.active.txn_index.entries()


def test_the_index_holds_the_stable_offset_after_the_abort(log: Log) -> None:
    write(log, 1, 0)
    write(log, 2, 0)
    write(log, 3, 0)
    end(log, 2)
    end(log, 1)
    end(log, 3, commit=True)
    write(log, 2, 1)
    end(log, 2)
    assert aborted(log) == [(2, 1, 3, 0), (1, 0, 4, 2), (2, 6, 7, 8)]
    assert aborted(log, 5) == [(2, 6, 7, 8)]
    assert aborted(log, 0, 1) == [(1, 0, 4, 2)]
    assert aborted(log, 4, 5) == [(1, 0, 4, 2)]


def test_a_transaction_over_many_segments(log: Log) -> None:
    """Its entry lies with its marker; a reader at its start looks there, and not further than it has to."""
    for sequence in range(20):
        write(log, 1, sequence)
    assert len(log.segments) == 4
    end(log, 1)
    for sequence in range(20):
        write(log, 2, sequence)
    end(log, 2)
    assert [len(segment.txn_index.entries()) for segment in log.segments].count(1) == 2
    assert aborted(log, 0, 3) == [(1, 0, 20, 21)]
    assert aborted(log, 21) == [(2, 21, 41, 42)]
    found = log.read(3, 100, up_to=log.last_stable_offset, min_one_message=True)
    assert [tuple(entry) for entry in log.aborted_in(3, found)] == [(1, 0, 20, 21)]


def test_a_start_amid_an_open_transaction_bounds_the_stable_offset(log: Log) -> None:
    for sequence in range(3):
        write(log, 1, sequence)
    log.update_high_watermark(3)
    assert log.last_stable_offset == 0
    log.delete_records(2)
    assert log.last_stable_offset == log.log_start_offset == 2


def test_truncation_opens_a_transaction_again(log: Log) -> None:
    write(log, 1, 0)
    marker = end(log, 1)
    write(log, 2, 0)
    end(log, 2)
    assert len(aborted(log)) == 2
    log.truncate_to(marker, NOW)
    assert aborted(log) == []
    assert log.last_stable_offset == 0
    assert log.producers.entries.keys() == {1}
    end(log, 1, commit=True)
    assert (aborted(log), log.last_stable_offset) == ([], 2)


def test_truncation_forgets_no_transaction_that_the_log_starts_amid(log: Log) -> None:
    for sequence in range(3):
        write(log, 1, sequence)
    log.update_high_watermark(3)
    log.delete_records(1)
    marker = end(log, 1)
    log.truncate_to(marker, NOW)
    assert log.last_stable_offset == 1
    log.delete_records(3)
    end(log, 1)
    log.truncate_to(3, NOW)
    # Kafka replays from the start of the log alone, and would take the producer for a new one here.
    assert log.producers.entries.keys() == {1}
    assert log.last_stable_offset == 3


@pytest.mark.parametrize("clean", [True, False])
def test_a_restart_knows_what_was_known(tmp_path: Path, clean: bool) -> None:
    manager, log = opened(tmp_path)
    for sequence in range(6):
        write(log, 1, sequence)
        write(log, 2, sequence)
    end(log, 1, epoch=1, coordinator_epoch=7)
    write(log, 3, 0, transactional=False)
    write(log, 1, 0, epoch=1)
    log.update_high_watermark(log.log_end_offset)

    def known(log: Log) -> list[tuple[object, ...]]:
        producers = [
            (each.producer_id, each.epoch, each.last_sequence, each.coordinator_epoch, each.txn_first_offset)
            for each in log.producers.entries.values()
        ]
        return [*sorted(producers, key=str), (log.last_stable_offset, log.producers.first_unstable_offset)]

    before, entries = known(log), aborted(log)
    assert before[-1] == (1, 1)
    manager.checkpoint(NOW)
    manager.close(clean=clean)
    manager, log = opened(tmp_path)
    assert aborted(log) == entries == [(1, 0, 12, 1)]
    assert known(log) == before
    with pytest.raises(KafkaError) as error:
        end(log, 1, epoch=1, coordinator_epoch=6)
    assert refusal(error) == ErrorCode.TRANSACTION_COORDINATOR_FENCED
    crash(manager)
