"""The transaction coordinator as the API handlers see it: a request in, a response out, or a future of one.

No method raises for what a client did: errors are in the response. API versions stay above; what they change here is an
argument.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from kwire.clock import Clock
from kwire.coord.answers import Answer, OnDemand, when_all
from kwire.coord.coordinator_log import CoordinatorLog
from kwire.coord.partitioning import partition_for, partitions_of
from kwire.coord.runtime import LOAD_SLICE_BYTES, CoordinatorRuntime
from kwire.coord.txn.beginning import ProducerIdentity
from kwire.coord.txn.config import TransactionConfig
from kwire.coord.txn.inspection import described, listed, not_described, read_filter
from kwire.coord.txn.markers import MarkerOrder, MarkerWriter
from kwire.coord.txn.shard import TransactionShard
from kwire.errors import ErrorCode
from kwire.ids import TopicPartition
from kwire.wire.messages.describe_transactions import TransactionState as DescribedTransaction
from kwire.wire.messages.end_txn import EndTxnRequest, EndTxnResponse
from kwire.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from kwire.wire.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse

logger = logging.getLogger("kwire.coord")

TRANSACTION_STATE_TOPIC = "__transaction_state"

Verdicts = dict[TopicPartition, ErrorCode]
"""What is said about each partition that was asked about."""


class ProducerIds(Protocol):
    """Where fresh producer ids come from."""

    async def reserve(self) -> None:
        """See to it that `take` has an id at hand."""

    def take(self) -> int:
        """An id that no producer had before; COORDINATOR_LOAD_IN_PROGRESS when none is at hand: ids are sent for."""
        ...


class TransactionCoordinator:
    """The transactional ids whose partition of `__transaction_state` this broker leads.

    `partition_count()` is that topic's number of partitions as the metadata has it, 0 while it does not exist;
    `ensure_internal_topic()` creates it if need be and returns when its partitions are led. A marker that `markers` can
    write at once is written before the end of the transaction is answered.
    """

    def __init__(
        self,
        config: TransactionConfig,
        log: CoordinatorLog,
        clock: Clock,
        *,
        partition_count: Callable[[], int],
        ensure_internal_topic: Callable[[], Awaitable[None]],
        producer_ids: ProducerIds,
        markers: MarkerWriter,
        load_slice_bytes: int = LOAD_SLICE_BYTES,
    ) -> None:
        self._config = config
        self._partition_count = partition_count
        self._ensure_internal_topic = OnDemand(ensure_internal_topic)
        self._producer_ids = producer_ids
        self._markers = markers
        self._runtime: CoordinatorRuntime[TransactionShard] = CoordinatorRuntime(
            TRANSACTION_STATE_TOPIC,
            lambda: TransactionShard(config, producer_ids.take),
            log,
            clock,
            load_slice_bytes=load_slice_bytes,
            on_order=self._write_markers,
        )

    # Where transactional ids live

    @property
    def topic_exists(self) -> bool:
        """Whether `__transaction_state` has been created."""
        return self._partition_count() > 0

    async def ensure_topic(self) -> None:
        """Create `__transaction_state` unless it exists; whoever asks meanwhile waits for the same creation."""
        if not self.topic_exists:
            await self._ensure_internal_topic()

    def partition_for(self, transactional_id: str) -> int:
        """The partition that coordinates this id; -1 while there are none."""
        count = self._partition_count()
        return partition_for(transactional_id, count) if count else -1

    def on_elected(self, partition: int, leader_epoch: int) -> None:
        """This broker leads the partition from now on."""
        self._runtime.on_elected(partition, leader_epoch)

    def on_resigned(self, partition: int) -> None:
        """This broker leads the partition no more."""
        self._runtime.on_resigned(partition)

    def stop(self) -> None:
        """Tell everybody who waits to look for another coordinator. The log holds everything that counts."""
        self._runtime.stop()

    # Producers

    async def init_producer_id(self, request: InitProducerIdRequest) -> InitProducerIdResponse:
        """InitProducerId with a transactional id.

        INVALID_REQUEST (empty id), TRANSACTIONAL_ID_AUTHORIZATION_FAILED (two-phase commit is not enabled),
        UNSUPPORTED_VERSION (a prepared transaction is to be kept), INVALID_TRANSACTION_TIMEOUT, and what
        `TransactionShard.init_producer_id` names.
        """
        refusal = self._refusal(request)
        if refusal is not ErrorCode.NONE:
            return init_refused(refusal)
        await self._producer_ids.reserve()
        response = await _settled(self._init(request))
        if response.error_code == ErrorCode.CONCURRENT_TRANSACTIONS:
            # What was open is aborted by that. Its markers are written if they are local, and the id is free.
            await self._producer_ids.reserve()
            response = await _settled(self._init(request))
        return response

    def _refusal(self, request: InitProducerIdRequest) -> ErrorCode:
        if not request.transactional_id:
            return ErrorCode.INVALID_REQUEST
        if request.enable2_pc and not self._config.two_phase_commit:
            return ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        if request.keep_prepared_txn:
            return ErrorCode.UNSUPPORTED_VERSION
        if not request.enable2_pc and not 0 < request.transaction_timeout_ms <= self._config.max_timeout_ms:
            return ErrorCode.INVALID_TRANSACTION_TIMEOUT
        return ErrorCode.NONE

    def _init(self, request: InitProducerIdRequest) -> Answer[InitProducerIdResponse]:
        return self._runtime.perform(
            self.partition_for(request.transactional_id or ""),
            lambda shard, key, now_ms: shard.init_producer_id(request, key, now_ms),
            init_refused,
        )

    def add_partitions(
        self, transactional_id: str, producer: ProducerIdentity, partitions: Iterable[TopicPartition], version: int
    ) -> Answer[ErrorCode]:
        """AddPartitionsToTxn, AddOffsetsToTxn and what Produce adds by itself: NONE, INVALID_REQUEST (empty id), and
        what `TransactionShard.add_partitions` names.
        """
        if not transactional_id:
            return ErrorCode.INVALID_REQUEST
        joining = frozenset(partitions)
        return self._runtime.perform(
            self.partition_for(transactional_id),
            lambda shard, key, now_ms: shard.add_partitions(transactional_id, producer, joining, version, key, now_ms),
            _itself,
        )

    def verify_partitions(
        self, transactional_id: str, producer: ProducerIdentity, partitions: Iterable[TopicPartition]
    ) -> Answer[Verdicts]:
        """Whether partitions take part in the producer's open transaction; see `TransactionShard`."""
        asked = list(partitions)
        if not transactional_id:
            return dict.fromkeys(asked, ErrorCode.INVALID_REQUEST)
        return self._runtime.read(
            self.partition_for(transactional_id),
            lambda shard, now_ms: shard.verify_partitions(transactional_id, producer, asked),
            lambda code: dict.fromkeys(asked, code),
        )

    def end(self, request: EndTxnRequest, *, bumps_epoch: bool) -> Answer[EndTxnResponse]:
        """EndTxn: INVALID_REQUEST (empty id), and what `ending.must_prepare` names.

        COORDINATOR_LOAD_IN_PROGRESS when a producer id is used up and no other is at hand (`reserve`).
        """
        if not request.transactional_id:
            return end_refused(ErrorCode.INVALID_REQUEST)
        return self._runtime.perform(
            self.partition_for(request.transactional_id),
            lambda shard, key, now_ms: shard.end(request, key, now_ms, bumps_epoch=bumps_epoch),
            end_refused,
        )

    def _write_markers(self, partition: int, leader_epoch: int, order: MarkerOrder) -> None:
        outcomes: Sequence[ErrorCode]
        try:
            outcomes = self._markers.write(order, leader_epoch)
        except Exception:  # The decision stands, whatever this is: the markers are tried again.
            logger.exception("markers of %s were not written", order.transactional_id)
            outcomes = [ErrorCode.UNKNOWN_SERVER_ERROR] * len(order.partitions)
        self._runtime.act(partition, lambda shard, now_ms: shard.on_markers(order, outcomes, now_ms))

    def write_markers(self, order: MarkerOrder, coordinator_epoch: int) -> Sequence[ErrorCode]:
        """WriteTxnMarkers, by another broker's coordinator or by an operator's hand (KIP-664): see `MarkerWriter`."""
        return self._markers.write(order, coordinator_epoch)

    # Looking on

    def describe(self, transactional_ids: Iterable[str]) -> Answer[list[DescribedTransaction]]:
        """DescribeTransactions: each id once; INVALID_REQUEST for an empty one, TRANSACTIONAL_ID_NOT_FOUND."""

        def ask(partition: int, ids: list[str]) -> Answer[list[DescribedTransaction]]:
            return self._runtime.read(
                partition,
                lambda shard, now_ms: [described(name, shard.transactions.get(name)) for name in ids],
                lambda code: [not_described(name, code) for name in ids],
            )

        names = list(transactional_ids)
        empty = [not_described("", ErrorCode.INVALID_REQUEST)] if "" in names else []
        grouped = partitions_of((name for name in names if name), self.partition_for)
        answers = [ask(partition, ids) for partition, ids in grouped.items()]
        return when_all(answers, lambda parts: empty + [txn for part in parts for txn in part])

    def list_transactions(
        self, request: ListTransactionsRequest, matches_id: Callable[[str], bool]
    ) -> Answer[ListTransactionsResponse]:
        """ListTransactions of every partition led here; one that is still loading fails the whole."""
        wanted, unknown = read_filter(request, matches_id)

        def respond(code: ErrorCode) -> ListTransactionsResponse:
            return ListTransactionsResponse(
                throttle_time_ms=0, error_code=code, unknown_state_filters=unknown, transaction_states=[]
            )

        def ask(shard: TransactionShard, now_ms: int) -> ListTransactionsResponse:
            response = respond(ErrorCode.NONE)
            response.transaction_states = listed(shard.transactions.values(), wanted, now_ms)
            return response

        def finish(parts: list[ListTransactionsResponse]) -> ListTransactionsResponse:
            whole = respond(ErrorCode.NONE)
            for part in parts:
                if part.error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
                    return part
                whole.transaction_states += part.transaction_states
            return whole

        return when_all(
            [self._runtime.read(partition, ask, respond) for partition in self._runtime.partitions()], finish
        )


async def _settled(answer: Answer[InitProducerIdResponse]) -> InitProducerIdResponse:
    return answer if isinstance(answer, InitProducerIdResponse) else await answer


def _itself(code: ErrorCode) -> ErrorCode:
    return code


def init_refused(code: ErrorCode) -> InitProducerIdResponse:
    """No id, epoch -1."""
    return InitProducerIdResponse(error_code=code, producer_id=-1, producer_epoch=-1, throttle_time_ms=0)


def end_refused(code: ErrorCode) -> EndTxnResponse:
    """An EndTxn that was not carried out."""
    return EndTxnResponse(error_code=code, throttle_time_ms=0)
