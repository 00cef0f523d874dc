"""Which transactions compaction is amidst while it walks a log: whose data is aborted, whose marker is still needed.

A marker may go once nothing of its transaction is left in the log, and then only when its delete horizon has passed. An
aborted transaction whose marker stays keeps its entry in the transaction index. Source: Kafka's
`CleanedTransactionMetadata`.
"""

from __future__ import annotations

from collections.abc import Iterable

from kwire.log.txn_index import AbortedTransaction
from kwire.wire.control import read_end_transaction_marker
from kwire.wire.record_batch import BatchHeader
from kwire.wire.records import Record


class CleanedTransactions:
    """State of one walk; batches are shown to it in the order of the log."""

    __slots__ = ("_aborted", "_committing", "_observed", "_ongoing", "retained")

    def __init__(self, aborted: Iterable[AbortedTransaction]) -> None:
        """`aborted` are all that overlap the offsets walked."""
        self._aborted = sorted(aborted, key=lambda entry: entry.first_offset, reverse=True)
        self._ongoing: dict[int, AbortedTransaction] = {}
        self._observed: set[int] = set()
        """Producers of ongoing aborted transactions of which a batch was seen."""
        self._committing: set[int] = set()
        self.retained: list[AbortedTransaction] = []
        """Entries for the transaction index of the segment that is being written."""

    def is_aborted(self, header: BatchHeader) -> bool:
        """Take note of a data batch; whether it belongs to an aborted transaction."""
        self._begin_up_to(header.last_offset)
        if not header.is_transactional:
            return False
        if header.producer_id in self._ongoing:
            self._observed.add(header.producer_id)
            return True
        self._committing.add(header.producer_id)
        return False

    def can_discard(self, header: BatchHeader, records: list[Record]) -> bool:
        """Take note of a control batch; whether nothing is left of the transaction that it ends."""
        self._begin_up_to(header.last_offset)
        if not records:
            # It was emptied by an earlier compaction.
            return True
        marker = read_end_transaction_marker(records[0])
        producer_id = header.producer_id
        if marker is None:
            return False
        if marker.committed:
            was_seen = producer_id in self._committing
            self._committing.discard(producer_id)
            return not was_seen
        entry = self._ongoing.pop(producer_id, None)
        if entry is None or producer_id not in self._observed:
            return True
        self._observed.remove(producer_id)
        self.retained.append(entry)
        return False

    def _begin_up_to(self, offset: int) -> None:
        while self._aborted and self._aborted[-1].first_offset <= offset:
            entry = self._aborted.pop()
            self._ongoing.setdefault(entry.producer_id, entry)
