"""Data directories for the tests of the offline tools: Kafka's samples, and one with every kind of file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from kwire.ids import TopicPartition
from kwire.log.log import Log
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from kwire.wire.record_batch import set_offset_and_epoch
from tests.archives import unpack
from tests.log.building import NOW, TOPIC_ID, append, batch, config, open_manager

SAMPLES = Path(__file__).parent.parent / "samples"


def kafka_samples(directory: Path) -> Path:
    """What Kafka 3.9.2 left behind: `clean-stop` and `kill-9`."""
    return unpack(SAMPLES / "kafka-3.9.2.tar.gz", directory)


def fingerprint(directory: Path) -> dict[str, tuple[int, int, str]]:
    """Every file's size, modification time and contents: equal fingerprints mean that nothing was touched."""
    return {
        str(path.relative_to(directory)): (
            path.stat().st_size,
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def marker(committed: bool, producer_id: int = 7) -> bytearray:
    """A control batch that ends the producer's transaction."""
    return build_end_transaction_marker(
        EndTransactionMarker(committed, 0), producer_id=producer_id, producer_epoch=0, timestamp=NOW
    )


def append_transaction(
    log: Log, sequence: int, values: Iterable[bytes], *, committed: bool | None, epoch: int = 0
) -> None:
    """A batch of producer 7, and its marker unless the transaction stays open (None)."""
    append(
        log,
        batch(*values, producer_id=7, producer_epoch=0, base_sequence=sequence, transactional=True),  # type: ignore[arg-type]
        epoch=epoch,
    )
    if committed is not None:
        ending = marker(committed)
        set_offset_and_epoch(ending, 0, log.log_end_offset, 0)
        append(log, ending, epoch=epoch, from_client=False)


def kwire_directory(directory: Path, *, open_end: bool = False) -> Path:
    """A cleanly stopped directory of ours: partition t-0 with 50 records in several segments, transactions, epochs.

    `open_end` leaves a transaction open behind them.
    """
    settings = config(segment_bytes=1200, index_interval_bytes=100)
    manager = open_manager(directory, settings=settings)
    log = manager.get_or_create(TopicPartition("t", 0), TOPIC_ID, settings, NOW)
    sequence = 0
    for number in range(10):
        append(log, batch(b"plain" * 8, b"x", timestamp=NOW + number * 10), epoch=number // 4)
        append_transaction(log, sequence, [b"a" * 40, b"b"], committed=number % 2 == 0, epoch=number // 4)
        sequence += 2
    if open_end:
        append_transaction(log, sequence, [b"open"], committed=None, epoch=2)
    log.update_high_watermark(log.log_end_offset)
    manager.checkpoint(NOW)
    manager.close()
    return directory
