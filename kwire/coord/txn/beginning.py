"""How an InitProducerId request meets a transactional id: the producer id and epoch that it gets, or why none.

A producer that brings its own id and epoch (KIP-360) goes on after an error; one without takes the id over from
whoever had it. Source: apache/kafka `TransactionCoordinator.prepareInitProducerIdTransit`,
`TransactionMetadata.prepareIncrementProducerEpoch` and `prepareProducerIdRotation`.
"""

from __future__ import annotations

from collections.abc import Callable

from kwire.coord.txn.metadata import (
    MAX_EPOCH,
    NO_EPOCH,
    NO_PRODUCER_ID,
    VERSION_WITH_EPOCH_BUMP,
    TransactionMetadata,
)
from kwire.coord.txn.states import COMPLETE
from kwire.errors import ErrorCode, KafkaError
from kwire.named_tuple import NamedTuple


class ProducerIdentity(NamedTuple):
    """A producer id and one of its epochs."""

    producer_id: int
    epoch: int


NOBODY = ProducerIdentity(NO_PRODUCER_ID, NO_EPOCH)


class Succession(NamedTuple):
    """A producer raised its epoch itself: whoever repeats the request with the old epoch gets the same answer."""

    old_epoch: int
    given: ProducerIdentity


def check_expected(txn: TransactionMetadata, expected: ProducerIdentity) -> None:
    """PRODUCER_FENCED for a producer that is neither the current one nor the one whose epochs were just used up."""
    if expected == NOBODY or expected.producer_id == txn.producer_id:
        return
    if expected.producer_id == txn.previous_producer_id and expected.epoch >= MAX_EPOCH - 1:
        return
    raise KafkaError(ErrorCode.PRODUCER_FENCED)


def successor(
    txn: TransactionMetadata, expected: ProducerIdentity, last: Succession | None, take_producer_id: Callable[[], int]
) -> ProducerIdentity:
    """Who the producer of an id at rest is from now on; unchanged when this is a retry of the last request.

    `last` is what the last InitProducerId did, if that is still known (Kafka does not keep it over a restart either).
    A used-up producer id gives way to a new one. Raises PRODUCER_FENCED for an epoch that is over.
    """
    current = ProducerIdentity(txn.producer_id, txn.producer_epoch)
    if expected == NOBODY or expected.epoch == txn.producer_epoch:
        if txn.is_epoch_exhausted:
            return ProducerIdentity(take_producer_id(), 0)
        return ProducerIdentity(txn.producer_id, txn.producer_epoch + 1)
    if expected.epoch == _epoch_before_the_end(txn) or last == Succession(expected.epoch, current):
        return current
    raise KafkaError(ErrorCode.PRODUCER_FENCED)


def _epoch_before_the_end(txn: TransactionMetadata) -> int | None:
    """The epoch in which a producer asked for the end that raised it; None if that is not what happened last."""
    if txn.state not in COMPLETE or txn.version < VERSION_WITH_EPOCH_BUMP:
        return None
    return MAX_EPOCH - 1 if txn.previous_producer_id != txn.producer_id else txn.producer_epoch - 1
