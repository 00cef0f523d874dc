"""The pure core of one partition of `__transaction_state`: its transactional ids.

Every method takes the instant and returns what to do (`Decision`) or what is known; the runtime does the rest. `replay`
is the only writer of what the log holds, live and while loading. An end is two records: the decision (Prepare*), after
which there is no way back, and, once every partition has its marker, the completion (Complete*). Between the two stands
a `MarkerOrder`; its outcome comes back through `on_markers`.

What is soft, lost with the process and harmless: which markers of a prepared transaction are written (all of them are
written again), and what the last InitProducerId did (its retry over a restart is fenced).

Invariants, held by the random walks of the tests:
- nothing leaves Prepare* but to the Complete* of the same end, and none is in it without a marker order or a timer;
- a producer id's epoch never falls, and no producer was ever given the epoch of its successor;
- a producer that was fenced stays fenced: its id and epoch are never current again;
- partitions are exactly those of the open or prepared transaction; at rest there are none;
- each partition of a completed transaction got a marker with the end that its producer was told;
- an Ongoing transaction has a deadline at which it is looked at;
- a fresh core that is fed the log, compacted or not, knows what the live one knows;
- left alone, what was decided is carried out, and what is open is aborted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from kwire.coord.decision import Decision, ReplyKey
from kwire.coord.formats import TRANSACTION_FORMATS, RecordFormat
from kwire.coord.records import CoordinatorRecord
from kwire.coord.timers import Timers
from kwire.coord.txn.beginning import NOBODY, ProducerIdentity, Succession, check_expected, successor
from kwire.coord.txn.config import TransactionConfig
from kwire.coord.txn.ending import must_prepare
from kwire.coord.txn.markers import RETRY_MS, SETTLED, MarkerOrder
from kwire.coord.txn.metadata import (
    NEVER,
    NO_PRODUCER_ID,
    NO_TIMEOUT_MS,
    VERSION_WITH_EPOCH_BUMP,
    TransactionMetadata,
)
from kwire.coord.txn.states import AT_REST, PREPARED, TransactionState
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.wire.messages.end_txn import EndTxnRequest, EndTxnResponse
from kwire.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from kwire.wire.messages.transaction_records import TransactionLogKey, TransactionLogValue

logger = logging.getLogger("kwire.coord")

TimerKey = tuple[str, str]
OVERDUE: TimerKey = ("overdue", "")
EXPIRY: TimerKey = ("expiry", "")
MARKERS = "markers"

SERVER_VERSION = VERSION_WITH_EPOCH_BUMP
"""The `transaction.version` of this broker: the rules for ends that no client asked for."""


class TransactionShard:
    """All transactional ids that hash to one partition."""

    __slots__ = ("_config", "_ongoing", "_successions", "_take_producer_id", "_unmarked", "timers", "transactions")

    formats: Mapping[int, RecordFormat] = TRANSACTION_FORMATS

    def __init__(self, config: TransactionConfig, take_producer_id: Callable[[], int]) -> None:
        """`take_producer_id` gives an id that nobody had before, or raises KafkaError and has some sent for."""
        self._config = config
        self._take_producer_id = take_producer_id
        self.timers: Timers[TimerKey] = Timers()
        self.transactions: dict[str, TransactionMetadata] = {}
        self._ongoing: set[str] = set()
        self._unmarked: dict[str, set[TopicPartition]] = {}
        self._successions: dict[str, Succession] = {}

    # Requests

    def init_producer_id(self, request: InitProducerIdRequest, key: ReplyKey, now_ms: int) -> Decision:
        """A producer takes a transactional id, or goes on after an error (KIP-360).

        An open transaction is aborted first, and the answer is CONCURRENT_TRANSACTIONS: the producer asks again.
        Raises that too while an end is under way, and PRODUCER_FENCED.
        """
        transactional_id = request.transactional_id or ""
        timeout_ms = NO_TIMEOUT_MS if request.enable2_pc else request.transaction_timeout_ms
        expected = ProducerIdentity(request.producer_id, request.producer_epoch)
        out = Decision()
        txn = self.transactions.get(transactional_id)
        if txn is None:
            begun = TransactionMetadata(
                transactional_id,
                self._take_producer_id(),
                0,
                timeout_ms,
                TransactionState.EMPTY,
                frozenset(),
                NEVER,
                now_ms,
            )
        else:
            check_expected(txn, expected)
            if txn.state in PREPARED:
                raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
            if txn.state is TransactionState.ONGOING:
                self._abort(txn, out, now_ms)
                out.reply(key, _identity(NOBODY, ErrorCode.CONCURRENT_TRANSACTIONS))
                return out
            last = self._successions.get(transactional_id)
            given = successor(txn, expected, last, self._take_producer_id)
            if expected == NOBODY:
                self._successions.pop(transactional_id, None)
            else:
                self._successions[transactional_id] = Succession(expected.epoch, given)
            begun = txn.begin_anew(
                producer_id=given.producer_id, producer_epoch=given.epoch, timeout_ms=timeout_ms, now_ms=now_ms
            )
        _store(begun, out)
        out.reply(key, _identity(ProducerIdentity(begun.producer_id, begun.producer_epoch), ErrorCode.NONE))
        return out

    def add_partitions(
        self,
        transactional_id: str,
        producer: ProducerIdentity,
        partitions: frozenset[TopicPartition],
        version: int,
        key: ReplyKey,
        now_ms: int,
    ) -> Decision:
        """Let partitions take part in the producer's transaction, which begins with the first ones; replies a code.

        Raises INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED; CONCURRENT_TRANSACTIONS while the last end is under way.
        """
        txn = self._of_producer(transactional_id, producer)
        out = Decision()
        if txn.state is not TransactionState.ONGOING or not partitions <= txn.partitions:
            _store(txn.add(partitions, version, now_ms), out)
        out.reply(key, ErrorCode.NONE)
        return out

    def verify_partitions(
        self, transactional_id: str, producer: ProducerIdentity, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, ErrorCode]:
        """Whether each partition takes part (KIP-890): TRANSACTION_ABORTABLE for those that do not.

        Raises as `add_partitions`.
        """
        txn = self._of_producer(transactional_id, producer)
        return {
            partition: ErrorCode.NONE if partition in txn.partitions else ErrorCode.TRANSACTION_ABORTABLE
            for partition in partitions
        }

    def end(self, request: EndTxnRequest, key: ReplyKey, now_ms: int, *, bumps_epoch: bool) -> Decision:
        """Commit or abort; `bumps_epoch` by the rules of `transaction.version` 2. Raises as `ending.must_prepare`."""
        txn = self.transactions.get(request.transactional_id)
        if txn is None:
            raise KafkaError(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
        out = Decision()
        ended = txn
        if must_prepare(
            txn, request.producer_id, request.producer_epoch, committed=request.committed, bumps_epoch=bumps_epoch
        ):
            version = SERVER_VERSION if bumps_epoch else 0
            ended = self._end(txn, request.committed, version, out, now_ms)
        out.reply(
            key,
            EndTxnResponse(
                error_code=ErrorCode.NONE,
                throttle_time_ms=0,
                producer_id=ended.producer_id,
                producer_epoch=ended.producer_epoch,
            ),
        )
        return out

    def _of_producer(self, transactional_id: str, producer: ProducerIdentity) -> TransactionMetadata:
        txn = self.transactions.get(transactional_id)
        if txn is None or txn.producer_id != producer.producer_id:
            raise KafkaError(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
        if txn.producer_epoch != producer.epoch:
            raise KafkaError(ErrorCode.PRODUCER_FENCED)
        if txn.state in PREPARED:
            raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS)
        return txn

    # Ends

    def _abort(self, txn: TransactionMetadata, out: Decision, now_ms: int) -> None:
        """Abort what a producer left open, under a raised epoch: it is fenced (KIP-890)."""
        self._end(txn, False, SERVER_VERSION, out, now_ms)

    def _end(
        self, txn: TransactionMetadata, committed: bool, version: int, out: Decision, now_ms: int
    ) -> TransactionMetadata:
        """Decide the end; what the id will be when it is complete."""
        is_used_up = version >= VERSION_WITH_EPOCH_BUMP and txn.is_epoch_exhausted
        prepared = txn.prepare(
            committed=committed,
            version=version,
            next_producer_id=self._take_producer_id() if is_used_up else NO_PRODUCER_ID,
            now_ms=now_ms,
        )
        completed = prepared.complete(now_ms)
        _store(prepared, out)
        if prepared.partitions:
            out.orders.append(_marker_order(prepared, prepared.partitions))
        else:
            _store(completed, out)
        return completed

    def on_markers(self, order: MarkerOrder, outcomes: Sequence[ErrorCode], now_ms: int) -> Decision:
        """Some partitions have their marker: complete the transaction, or try the others again a little later."""
        out = Decision()
        txn = self.transactions.get(order.transactional_id)
        if txn is None or txn.state not in PREPARED or _marker_order(txn, order.partitions) != order:
            return out
        left = self._unmarked.setdefault(order.transactional_id, set(txn.partitions))
        left.difference_update(
            partition for partition, outcome in zip(order.partitions, outcomes, strict=True) if outcome in SETTLED
        )
        if left:
            self.timers.schedule((MARKERS, order.transactional_id), now_ms + RETRY_MS)
        else:
            _store(txn.complete(now_ms), out)
        return out

    def _try_markers(self, transactional_id: str, out: Decision, now_ms: int) -> None:
        txn = self.transactions.get(transactional_id)
        if txn is None or txn.state not in PREPARED:
            return
        left = self._unmarked.get(transactional_id, txn.partitions)
        if left:
            out.orders.append(_marker_order(txn, left))
        else:
            _store(txn.complete(now_ms), out)

    # The runtime's side

    def replay(self, record: CoordinatorRecord, producer_id: int, now_ms: int) -> None:
        """Make one record of the log true."""
        key, value = record
        assert isinstance(key, TransactionLogKey)
        transactional_id = key.transactional_id
        if value is None:
            self.transactions.pop(transactional_id, None)
            self._forget(transactional_id)
            return
        assert isinstance(value, TransactionLogValue)
        txn = self.transactions[transactional_id] = TransactionMetadata.from_value(transactional_id, value)
        if txn.state is TransactionState.ONGOING:
            self._ongoing.add(transactional_id)
            self._see_to(OVERDUE, self._config.abort_interval_ms, now_ms)
            return
        self._ongoing.discard(transactional_id)
        self._unmarked.pop(transactional_id, None)
        if txn.state in AT_REST:
            self.timers.cancel((MARKERS, transactional_id))
            self._see_to(EXPIRY, self._config.expiration_interval_ms, now_ms)

    def _forget(self, transactional_id: str) -> None:
        self._ongoing.discard(transactional_id)
        self._unmarked.pop(transactional_id, None)
        self._successions.pop(transactional_id, None)
        self.timers.cancel((MARKERS, transactional_id))

    def _see_to(self, key: TimerKey, interval_ms: int, now_ms: int) -> None:
        if key not in self.timers:
            self.timers.schedule(key, now_ms + interval_ms)

    def replay_marker(self, producer_id: int, committed: bool) -> None:
        """Transactions are not kept in a transaction: there are no markers in this topic."""

    def on_refused(self, decision: Decision, code: ErrorCode, now_ms: int) -> Decision:
        """The log did not take the records. A completion is tried again; everything else is as it was."""
        for key, _ in decision.records:
            txn = self.transactions.get(key.transactional_id)
            if txn is not None and txn.state in PREPARED:
                self.timers.schedule((MARKERS, key.transactional_id), now_ms + RETRY_MS)
        return Decision()

    def on_loaded(self, now_ms: int) -> Decision:
        """The log is read to its end: whatever was decided is carried out."""
        out = Decision(atomic=False)
        for transactional_id in self.transactions:
            self._try_markers(transactional_id, out, now_ms)
        return out

    def on_unloaded(self, now_ms: int) -> Decision:
        """Another broker leads the partition, and nobody waits here."""
        return Decision()

    def on_timer(self, key: TimerKey, now_ms: int) -> Decision:
        """A deadline of `timers` has come."""
        out = Decision(atomic=False)
        if key == OVERDUE:
            self._abort_overdue(out, now_ms)
        elif key == EXPIRY:
            self._expire(out, now_ms)
        else:
            self._try_markers(key[1], out, now_ms)
        return out

    def _abort_overdue(self, out: Decision, now_ms: int) -> None:
        """One transaction's trouble must not keep others open; all that stay are looked at again."""
        if self._ongoing:
            self.timers.schedule(OVERDUE, now_ms + self._config.abort_interval_ms)
        for transactional_id in sorted(self._ongoing):
            aborted = Decision()
            try:
                txn = self.transactions[transactional_id]
                if txn.is_overdue(now_ms):
                    self._abort(txn, aborted, now_ms)
            except KafkaError:
                continue  # There is no fresh producer id at hand; one is on its way.
            except Exception:
                logger.exception("the overdue transaction of %s cannot be aborted", transactional_id)
                continue
            out.records += aborted.records
            out.orders += aborted.orders

    def _expire(self, out: Decision, now_ms: int) -> None:
        """Tombstones for ids that nobody used for `transactional.id.expiration.ms`."""
        if self.transactions:
            self.timers.schedule(EXPIRY, now_ms + self._config.expiration_interval_ms)
        deadline_ms = now_ms - self._config.id_expiration_ms
        for transactional_id, txn in self.transactions.items():
            if txn.state in AT_REST and txn.last_update_ms <= deadline_ms:
                out.record(TransactionLogKey(transactional_id=transactional_id), None)


def _store(txn: TransactionMetadata, out: Decision) -> None:
    out.record(TransactionLogKey(transactional_id=txn.transactional_id), txn.to_value())


def _marker_order(txn: TransactionMetadata, partitions: Iterable[TopicPartition]) -> MarkerOrder:
    return MarkerOrder(
        txn.transactional_id,
        txn.producer_id,
        txn.producer_epoch,
        txn.state is TransactionState.PREPARE_COMMIT,
        txn.version,
        tuple(sorted(partitions)),
    )


def _identity(producer: ProducerIdentity, code: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(
        error_code=code, producer_id=producer.producer_id, producer_epoch=producer.epoch, throttle_time_ms=0
    )
