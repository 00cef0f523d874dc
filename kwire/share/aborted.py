"""Which batches of a piece of log belong to aborted transactions: a share group under read_committed gets none of them.

(apache/kafka `SharePartition.fetchAbortedTransactionRecordBatches`.)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from kwire.share.acquiring import RecordBatch
from kwire.wire.control import read_end_transaction_marker
from kwire.wire.record_batch import BatchHeader, Buffer
from kwire.wire.records import read_records


class AbortedTransaction(Protocol):
    """A producer's transaction, and the offset of its first record."""

    @property
    def producer_id(self) -> int: ...

    @property
    def first_offset(self) -> int: ...


def aborted_batches(
    data: Buffer, headers: Iterable[tuple[int, BatchHeader]], aborted: Iterable[AbortedTransaction]
) -> list[RecordBatch]:
    """The batches among those at `headers` (position in `data`, header) whose transaction was aborted, in order."""
    pending = sorted(aborted, key=lambda transaction: transaction.first_offset, reverse=True)
    producers: set[int] = set()
    found = []
    for position, header in headers:
        if not header.has_producer:
            continue
        while pending and pending[-1].first_offset <= header.last_offset:
            producers.add(pending.pop().producer_id)
        if header.is_control:
            markers = (read_end_transaction_marker(record) for record in read_records(data, position))
            if any(marker is not None and not marker.committed for marker in markers):
                producers.discard(header.producer_id)
        elif header.is_transactional and header.producer_id in producers:
            found.append(RecordBatch(header.base_offset, header.last_offset))
    return found
