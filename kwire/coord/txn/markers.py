"""Markers: what a prepared transaction still has to write into its partitions, as an order and its outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from kwire.errors import ErrorCode
from kwire.ids import TopicPartition

RETRY_MS: Final = 100
"""How soon a marker that could not be written is tried again."""


class MarkerOrder(NamedTuple):
    """End the producer's transaction in each of `partitions`, under the rules of transaction version `version`."""

    transactional_id: str
    producer_id: int
    producer_epoch: int
    committed: bool
    version: int
    partitions: tuple[TopicPartition, ...]


class MarkerWriter(Protocol):
    """Writes markers into partitions. `coordinator_epoch` fences coordinators that do not lead any more."""

    def write(self, order: MarkerOrder, coordinator_epoch: int) -> Sequence[ErrorCode]:
        """What came of each of the order's partitions, in their order."""
        ...


SETTLED: Final = frozenset(
    {
        ErrorCode.NONE,
        # The partition's topic is deleted.
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        # It has this very marker (written before a crash), or one of a later epoch: the transaction is over there.
        ErrorCode.INVALID_PRODUCER_EPOCH,
        # A coordinator of a later epoch has taken over and sees to it.
        ErrorCode.TRANSACTION_COORDINATOR_FENCED,
    }
)
"""Outcomes after which a partition wants nothing more of this transaction. After any other the next try follows."""
