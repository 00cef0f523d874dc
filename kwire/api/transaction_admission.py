"""Whether a producer may write into partitions within its transaction (KIP-890): the coordinator knows.

Since `transaction.version` 2 a first write adds the partition by itself; older clients must have added it before, which
is verified. What the coordinator says is translated into what producers understand at this place, as in apache/kafka
`AddPartitionsToTxnManager` and `ReplicaManager.maybeSendPartitionsToTransactionCoordinator`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from kwire.coord.txn.beginning import ProducerIdentity
from kwire.errors import ErrorCode
from kwire.ids import TopicPartition

if TYPE_CHECKING:
    from kwire.api.context import Services
    from kwire.coord.answers import Answer
    from kwire.replica.partition import Partition

TRANSACTION_VERSION: Final = 2
"""The rules of clients that let their writes add partitions."""

Verdicts = dict[TopicPartition, ErrorCode]
"""By partition; NONE lets the write through."""

R = TypeVar("R")
Q = TypeVar("Q")

_ASK_AGAIN: Final = frozenset(
    {
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.NETWORK_EXCEPTION,
    }
)
"""Clients do not expect these from a write: they are told NOT_ENOUGH_REPLICAS, which every producer retries."""


def takes_part(partition: Partition, producer: ProducerIdentity) -> bool:
    """Whether the partition itself knows that the producer's transaction is open there: nobody needs to be asked."""
    entry = partition.log.producers.entries.get(producer.producer_id)
    return entry is not None and entry.txn_first_offset is not None and entry.epoch == producer.epoch


def admit(
    services: Services,
    transactional_id: str,
    producer: ProducerIdentity,
    partitions: Sequence[TopicPartition],
    *,
    adds: bool,
    knows_abortable: bool,
) -> Answer[Verdicts]:
    """Add the partitions to the producer's transaction, or verify that they were added.

    `knows_abortable`: the client has heard of TRANSACTION_ABORTABLE; others are told INVALID_TXN_STATE.
    """

    def translated(verdicts: Verdicts) -> Verdicts:
        return {
            partition: _translated(code, adds=adds, knows_abortable=knows_abortable)
            for partition, code in verdicts.items()
        }

    transactions = services.transactions
    if adds:
        added = transactions.add_partitions(transactional_id, producer, partitions, TRANSACTION_VERSION)
        return then(added, lambda code: translated(dict.fromkeys(partitions, code)))
    if not services.config.bool("transaction.partition.verification.enable"):
        return {}
    return then(transactions.verify_partitions(transactional_id, producer, partitions), translated)


def _translated(code: ErrorCode, *, adds: bool, knows_abortable: bool) -> ErrorCode:
    if code is ErrorCode.PRODUCER_FENCED:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    if code is ErrorCode.TRANSACTION_ABORTABLE and not knows_abortable:
        return ErrorCode.INVALID_TXN_STATE
    if code in _ASK_AGAIN or (code is ErrorCode.CONCURRENT_TRANSACTIONS and not adds):
        return ErrorCode.NOT_ENOUGH_REPLICAS
    return code


def then(answer: Answer[Q], act: Callable[[Q], Answer[R]]) -> Answer[R]:
    """`act` on an answer: at once if it is there, otherwise when it comes."""
    if not isinstance(answer, asyncio.Future):
        return act(answer)

    async def later(future: asyncio.Future[Q]) -> R:
        result = act(await future)
        return await result if isinstance(result, asyncio.Future) else result

    return asyncio.ensure_future(later(answer))


def fenced(code: ErrorCode, version: int, first_version: int) -> ErrorCode:
    """PRODUCER_FENCED for those who know it (KIP-588); older versions of a request call it INVALID_PRODUCER_EPOCH."""
    if code == ErrorCode.PRODUCER_FENCED and version < first_version:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    return code
