"""What a partition remembers of its idempotent and transactional producers (KIP-98, KIP-360).

Per producer id: the epoch, the last five batches (sequence and offset ranges), the open transaction's first offset, the
coordinator epoch of its last marker. From these come duplicates (answered with the offsets of the first time), gaps in
the sequence, fenced epochs, and the last stable offset. The same rules run for a leader's append (`origin` a client), a
follower's copy and a rebuild from the log; only the first refuses sequences. Source: Kafka's `ProducerStateManager` and
`ProducerAppendInfo`.

All state is derived from the log: `producer_snapshot` keeps it from being derived from the beginning.
"""

from __future__ import annotations

from collections.abc import Iterable

from kwire.errors import ErrorCode, KafkaError
from kwire.named_tuple import NamedTuple
from kwire.wire.record_batch import NO_PRODUCER_EPOCH, NO_SEQUENCE, BatchHeader

REMEMBERED_BATCHES = 5
"""A client may have five requests in flight, so five batches may come again."""
MAX_SEQUENCE = 0x7FFFFFFF
NO_COORDINATOR_EPOCH = -1


class BatchMetadata(NamedTuple):
    """One remembered batch."""

    last_sequence: int
    last_offset: int
    offset_delta: int
    timestamp: int

    @property
    def first_offset(self) -> int:
        return self.last_offset - self.offset_delta

    @property
    def first_sequence(self) -> int:
        return (self.last_sequence - self.offset_delta) & MAX_SEQUENCE


class Marker(NamedTuple):
    """What the one record of a control batch says."""

    is_commit: bool
    coordinator_epoch: int


class CompletedTxn(NamedTuple):
    """A transaction that a marker ended; `last_offset` is the marker's."""

    producer_id: int
    first_offset: int
    last_offset: int
    is_aborted: bool


class ProducerState:
    """One producer's state; the five newest batches, oldest first."""

    __slots__ = ("batches", "coordinator_epoch", "epoch", "last_timestamp", "producer_id", "txn_first_offset")

    def __init__(self, producer_id: int, epoch: int = NO_PRODUCER_EPOCH) -> None:
        self.producer_id = producer_id
        self.epoch = epoch
        self.batches: list[BatchMetadata] = []
        self.last_timestamp = -1
        self.coordinator_epoch = NO_COORDINATOR_EPOCH
        self.txn_first_offset: int | None = None

    @property
    def last_sequence(self) -> int:
        return self.batches[-1].last_sequence if self.batches else NO_SEQUENCE

    def duplicate_of(self, header: BatchHeader) -> BatchMetadata | None:
        """The remembered batch with the same epoch and sequences."""
        if header.producer_epoch == self.epoch:
            last_sequence = header.last_sequence
            for batch in self.batches:
                if batch.last_sequence == last_sequence and batch.first_sequence == header.base_sequence:
                    return batch
        return None

    def check_epoch(self, header: BatchHeader) -> None:
        """A producer with an older epoch was fenced by its successor: INVALID_PRODUCER_EPOCH."""
        if header.producer_epoch < self.epoch:
            raise KafkaError(
                ErrorCode.INVALID_PRODUCER_EPOCH,
                f"epoch {header.producer_epoch} of producer {self.producer_id} is older than {self.epoch}",
            )

    def check_sequence(self, header: BatchHeader) -> None:
        """The first sequence must follow the last one, or be 0 with a new epoch; any is taken without state."""
        first = header.base_sequence
        if self.epoch == NO_PRODUCER_EPOCH:
            return
        last = self.last_sequence
        if header.producer_epoch != self.epoch:
            if first != 0:
                raise KafkaError(
                    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                    f"sequence {first} of producer {self.producer_id} cannot begin epoch {header.producer_epoch}",
                )
        elif first != last + 1 and not (first == 0 and last == MAX_SEQUENCE):
            raise KafkaError(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"sequence {first} of producer {self.producer_id} does not follow {last}",
            )

    def check_transaction(self, header: BatchHeader) -> None:
        """Within its transaction a producer writes nothing else: INVALID_TXN_STATE."""
        if self.txn_first_offset is not None and not header.is_transactional:
            raise KafkaError(
                ErrorCode.INVALID_TXN_STATE,
                f"producer {self.producer_id} has a transaction open and wrote outside of it",
            )

    def check_coordinator_epoch(self, marker: Marker) -> None:
        """A marker of an older coordinator is a zombie's: TRANSACTION_COORDINATOR_FENCED."""
        if marker.coordinator_epoch < self.coordinator_epoch:
            raise KafkaError(
                ErrorCode.TRANSACTION_COORDINATOR_FENCED,
                f"coordinator epoch {marker.coordinator_epoch} is older than {self.coordinator_epoch}",
            )

    def take_epoch(self, epoch: int) -> None:
        """Adopt a new epoch; what was remembered of the old one says nothing about the new one's sequences."""
        if epoch != self.epoch:
            self.epoch = epoch
            self.batches.clear()

    def add_batch(self, header: BatchHeader) -> None:
        """Remember a written batch, whose header carries its final offsets."""
        self.take_epoch(header.producer_epoch)
        self.remember(
            BatchMetadata(header.last_sequence, header.last_offset, header.last_offset_delta, header.max_timestamp)
        )
        if header.is_transactional and self.txn_first_offset is None:
            self.txn_first_offset = header.base_offset

    def remember(self, batch: BatchMetadata) -> None:
        """The newest batch; the oldest gives way to it."""
        batches = self.batches
        if len(batches) == REMEMBERED_BATCHES:
            del batches[0]
        batches.append(batch)
        self.last_timestamp = batch.timestamp

    def add_marker(self, header: BatchHeader, marker: Marker) -> CompletedTxn | None:
        """End the transaction; None when nothing was written in it."""
        self.take_epoch(header.producer_epoch)
        first, self.txn_first_offset = self.txn_first_offset, None
        self.coordinator_epoch = marker.coordinator_epoch
        self.last_timestamp = header.max_timestamp
        if first is None:
            return None
        return CompletedTxn(self.producer_id, first, header.last_offset, not marker.is_commit)


class ProducerStateManager:
    """The producers of one partition and the transactions that hold the last stable offset back."""

    __slots__ = ("_ongoing", "entries", "map_end_offset", "unreplicated")

    def __init__(self) -> None:
        self.entries: dict[int, ProducerState] = {}
        self.map_end_offset = 0
        """The state covers the log below this offset."""
        self._ongoing: dict[int, int] = {}
        """First offset -> producer id, ascending, since transactions begin at the end of the log."""
        self.unreplicated: dict[int, CompletedTxn] = {}
        """By first offset: ended, but the marker is not below the high watermark yet."""

    # Before a write.

    def expecting(self, producer_id: int, producer_epoch: int, base_sequence: int, delta: int) -> ProducerState | None:
        """The producer, if a batch up to the sequence `base_sequence + delta`, outside of a transaction, is what it was
        expected to send next: nothing can be wrong with that.
        """
        entry = self.entries.get(producer_id)
        if (
            entry is not None
            and producer_epoch == entry.epoch
            and entry.batches
            and entry.batches[-1].last_sequence + 1 == base_sequence <= MAX_SEQUENCE - delta
            and entry.txn_first_offset is None
        ):
            return entry
        return None

    def duplicate_of(self, header: BatchHeader) -> BatchMetadata | None:
        """The batch as it was written before, if it is one of its producer's last five."""
        entry = self.entries.get(header.producer_id)
        return None if entry is None else entry.duplicate_of(header)

    def check(self, header: BatchHeader, marker: Marker | None = None, *, from_client: bool) -> None:
        """Refuse what the leader must not write; KafkaError with 45, 47, 48 or 52."""
        entry = self.entries.get(header.producer_id)
        if entry is not None:
            _check(entry, header, marker, from_client)

    # After a write, and when state is rebuilt.

    def update(self, header: BatchHeader, marker: Marker | None = None) -> CompletedTxn | None:
        """Take note of a written batch, whose header carries its final offsets; a transaction that it ends is returned.

        The caller writes the transaction index if it was aborted, then calls `complete`.
        """
        producer_id = header.producer_id
        entry = self.entries.get(producer_id)
        if entry is None:
            entry = self.entries[producer_id] = ProducerState(producer_id)
        if header.is_control:
            return entry.add_marker(header, marker) if marker is not None else None
        was_open = entry.txn_first_offset
        entry.add_batch(header)
        if was_open is None and entry.txn_first_offset is not None:
            self._ongoing[entry.txn_first_offset] = producer_id
        return None

    def last_stable_offset_after(self, completed: CompletedTxn) -> int:
        """The last stable offset once `completed` is applied: another open transaction's start, or marker + 1."""
        for first_offset, producer_id in self._ongoing.items():
            if producer_id != completed.producer_id:
                return first_offset
        return completed.last_offset + 1

    def complete(self, completed: CompletedTxn) -> None:
        """The transaction stays unstable until its marker is below the high watermark."""
        self._ongoing.pop(completed.first_offset, None)
        self.unreplicated[completed.first_offset] = completed

    def on_high_watermark(self, high_watermark: int) -> None:
        """Forget ended transactions whose marker every in-sync replica has."""
        if self.unreplicated:
            self.unreplicated = {
                first: txn for first, txn in self.unreplicated.items() if txn.last_offset >= high_watermark
            }

    @property
    def first_unstable_offset(self) -> int | None:
        """Start of the oldest transaction that is open or not yet replicated; None when there is none."""
        first = next(iter(self._ongoing), None)
        if self.unreplicated:
            unreplicated = min(self.unreplicated)
            first = unreplicated if first is None else min(first, unreplicated)
        return first

    # Lifetime.

    def remove_expired(self, now_ms: int, expiration_ms: int) -> int:
        """Forget producers without a transaction that were idle for `producer.id.expiration.ms`; how many."""
        expired = [
            producer_id
            for producer_id, entry in self.entries.items()
            if entry.txn_first_offset is None and now_ms - entry.last_timestamp >= expiration_ms
        ]
        for producer_id in expired:
            del self.entries[producer_id]
        return len(expired)

    def on_log_start_offset(self, log_start_offset: int) -> None:
        """Forget ended transactions that lie before the new start of the log."""
        self.unreplicated = {
            first: txn for first, txn in self.unreplicated.items() if txn.last_offset >= log_start_offset
        }
        self.map_end_offset = max(self.map_end_offset, log_start_offset)

    def reload(self, entries: Iterable[ProducerState], map_end_offset: int) -> None:
        """Start over from a snapshot's entries."""
        self.entries = {entry.producer_id: entry for entry in entries}
        self.map_end_offset = map_end_offset
        open_txns = [
            (e.txn_first_offset, e.producer_id) for e in self.entries.values() if e.txn_first_offset is not None
        ]
        self._ongoing = dict(sorted(open_txns))
        self.unreplicated = {}


def _check(entry: ProducerState, header: BatchHeader, marker: Marker | None, from_client: bool) -> None:
    entry.check_epoch(header)
    if marker is not None:
        entry.check_coordinator_epoch(marker)
        return
    if from_client:
        entry.check_sequence(header)
    entry.check_transaction(header)
