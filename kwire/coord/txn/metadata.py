"""What the log says about one transactional id, and what each step makes of it.

A value that never changes: a step gives a new one, which becomes true when its record is replayed. The steps and the
epochs they leave are those of apache/kafka `TransactionMetadata`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kwire.coord.txn.states import STORED, TRANSITIONS, IllegalTransition, TransactionState
from kwire.ids import TopicPartition
from kwire.named_tuple import NamedTuple
from kwire.wire.messages.transaction_records import PartitionsSchema, TransactionLogValue

NO_PRODUCER_ID: Final = -1
NO_EPOCH: Final = -1
NEVER: Final = -1
MAX_EPOCH: Final = 0x7FFF
NO_TIMEOUT_MS: Final = 0x7FFFFFFF
"""A transaction that somebody else commits in two phases has no time limit (KIP-939)."""

VERSION_WITH_EPOCH_BUMP: Final = 2
"""From `transaction.version` 2 on every end of a transaction raises the producer's epoch (KIP-890)."""


class TransactionMetadata(NamedTuple):
    """One transactional id. Instants in ms since the epoch, -1 for never; ids and epochs -1 for none.

    `version` is the `transaction.version` by whose rules the client takes part: 0, or 2 for clients that let Produce
    add partitions. `next_producer_id` replaces a producer id whose epochs are used up once the transaction is complete.
    """

    transactional_id: str
    producer_id: int
    producer_epoch: int
    timeout_ms: int
    state: TransactionState
    partitions: frozenset[TopicPartition]
    start_ms: int
    last_update_ms: int
    previous_producer_id: int = NO_PRODUCER_ID
    next_producer_id: int = NO_PRODUCER_ID
    version: int = 0

    @property
    def is_epoch_exhausted(self) -> bool:
        """Whether the next epoch is the last: it is kept for fencing and never given to a producer."""
        return self.producer_epoch >= MAX_EPOCH - 1

    def is_overdue(self, now_ms: int) -> bool:
        """Whether the transaction is open for longer than its producer promised."""
        return (
            self.state is TransactionState.ONGOING
            and self.timeout_ms != NO_TIMEOUT_MS
            and self.start_ms + self.timeout_ms < now_ms
        )

    # Steps. Each raises IllegalTransition where the table of states has no such way.

    def begin_anew(
        self, *, producer_id: int | None = None, producer_epoch: int, timeout_ms: int, now_ms: int
    ) -> TransactionMetadata:
        """InitProducerId; `producer_id` is given when the old one is used up."""
        return self._step(
            TransactionState.EMPTY,
            now_ms,
            producer_id=self.producer_id if producer_id is None else producer_id,
            producer_epoch=producer_epoch,
            timeout_ms=timeout_ms,
            partitions=frozenset(),
            start_ms=NEVER,
        )

    def add(self, partitions: Iterable[TopicPartition], version: int, now_ms: int) -> TransactionMetadata:
        """Partitions join; the first ones start the transaction."""
        start_ms = self.start_ms if self.state is TransactionState.ONGOING else now_ms
        joined = self.partitions.union(partitions)
        return self._step(TransactionState.ONGOING, now_ms, partitions=joined, start_ms=start_ms, version=version)

    def prepare(self, *, committed: bool, version: int, next_producer_id: int, now_ms: int) -> TransactionMetadata:
        """The end is decided. Under version 2 the epoch is raised, so that whatever comes late is fenced."""
        is_bumped = version >= VERSION_WITH_EPOCH_BUMP
        return self._step(
            TransactionState.PREPARE_COMMIT if committed else TransactionState.PREPARE_ABORT,
            now_ms,
            producer_epoch=self.producer_epoch + 1 if is_bumped else self.producer_epoch,
            next_producer_id=next_producer_id,
            start_ms=self.start_ms if self.state is TransactionState.ONGOING else now_ms,
            version=version,
        )

    def complete(self, now_ms: int) -> TransactionMetadata:
        """Every marker is written. A used-up producer id gives way to the next one here."""
        is_rotated = self.next_producer_id != NO_PRODUCER_ID
        is_commit = self.state is TransactionState.PREPARE_COMMIT
        return self._step(
            TransactionState.COMPLETE_COMMIT if is_commit else TransactionState.COMPLETE_ABORT,
            now_ms,
            producer_id=self.next_producer_id if is_rotated else self.producer_id,
            producer_epoch=0 if is_rotated else self.producer_epoch,
            next_producer_id=NO_PRODUCER_ID,
            partitions=frozenset(),
        )

    def _step(self, state: TransactionState, now_ms: int, **changes: object) -> TransactionMetadata:
        if state not in TRANSITIONS[self.state]:
            raise IllegalTransition(f"{self.transactional_id}: {self.state.name} -> {state.name}")
        changes.setdefault("producer_id", self.producer_id)
        # A clock that was set back does not make an id look older than it was.
        instant_ms = max(now_ms, self.last_update_ms)
        stepped = self._replace(
            state=state,
            last_update_ms=instant_ms,
            previous_producer_id=self.producer_id,
            **changes,  # type: ignore[arg-type]  # names of fields, checked by _replace
        )
        assert 0 <= stepped.producer_epoch <= MAX_EPOCH
        return stepped

    # The log's form.

    def to_value(self) -> TransactionLogValue:
        """Its record's value; an Empty id has no list of partitions rather than an empty one."""
        topics: dict[str, list[int]] = {}
        for topic, partition in sorted(self.partitions):
            topics.setdefault(topic, []).append(partition)
        rows = [PartitionsSchema(topic=topic, partition_ids=ids) for topic, ids in topics.items()]
        return TransactionLogValue(
            producer_id=self.producer_id,
            previous_producer_id=self.previous_producer_id,
            next_producer_id=self.next_producer_id,
            producer_epoch=self.producer_epoch,
            transaction_timeout_ms=self.timeout_ms,
            transaction_status=int(self.state),
            transaction_partitions=None if self.state is TransactionState.EMPTY else rows,
            transaction_last_update_timestamp_ms=self.last_update_ms,
            transaction_start_timestamp_ms=self.start_ms,
            client_transaction_version=self.version,
        )

    @classmethod
    def from_value(cls, transactional_id: str, value: TransactionLogValue) -> TransactionMetadata:
        """What a record says. ValueError for a state that no coordinator stores."""
        state = STORED.get(value.transaction_status)
        if state is None:
            raise ValueError(f"a state {value.transaction_status} is never stored")
        return cls(
            transactional_id,
            value.producer_id,
            value.producer_epoch,
            value.transaction_timeout_ms,
            state,
            frozenset(
                TopicPartition(row.topic, partition)
                for row in value.transaction_partitions or ()
                for partition in row.partition_ids
            ),
            value.transaction_start_timestamp_ms,
            value.transaction_last_update_timestamp_ms,
            value.previous_producer_id,
            value.next_producer_id,
            value.client_transaction_version,
        )
