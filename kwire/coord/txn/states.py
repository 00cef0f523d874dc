"""The states of a transactional id, and every way from one to another.

| state | what it says |
|---|---|
| Empty | an id with a producer, nothing written since its last InitProducerId |
| Ongoing | partitions take part; nobody knows yet how it ends |
| PrepareCommit, PrepareAbort | decided: from here on only forward, markers are being written |
| CompleteCommit, CompleteAbort | every partition has its marker |
| Dead | the id is being forgotten; never stored, a tombstone is |
| PrepareEpochFence | Kafka's name for "about to abort under a raised epoch"; one step here, so nobody is ever in it |

Numbers and names are those of the log and of ListTransactions (apache/kafka `TransactionState`).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class TransactionState(IntEnum):
    """A transactional id's state; the value is the number in the log."""

    EMPTY = 0
    ONGOING = 1
    PREPARE_COMMIT = 2
    PREPARE_ABORT = 3
    COMPLETE_COMMIT = 4
    COMPLETE_ABORT = 5
    DEAD = 6
    PREPARE_EPOCH_FENCE = 7


NAMES: Final[dict[TransactionState, str]] = {
    state: "".join(word.capitalize() for word in state.name.split("_")) for state in TransactionState
}
"""What clients see: `PrepareCommit` and so on."""

STORED: Final[dict[int, TransactionState]] = {
    int(state): state
    for state in TransactionState
    if state not in (TransactionState.DEAD, TransactionState.PREPARE_EPOCH_FENCE)
}
"""By its number in the log; the two left out never come there."""

STATE_OF_NAME: Final = {name: state for state, name in NAMES.items()}


class IllegalTransition(AssertionError):
    """A bug: a transaction was told to go where the table below does not lead."""


_AT_REST = (TransactionState.EMPTY, TransactionState.COMPLETE_COMMIT, TransactionState.COMPLETE_ABORT)

_FROM_REST = frozenset(
    {
        # A producer begins anew (InitProducerId).
        TransactionState.EMPTY,
        # The first partition of a transaction.
        TransactionState.ONGOING,
        # A transaction without partitions is aborted, for the raised epoch that this brings (KIP-890).
        TransactionState.PREPARE_ABORT,
        # Nobody used the id for a long time.
        TransactionState.DEAD,
    }
)

TRANSITIONS: Final[dict[TransactionState, frozenset[TransactionState]]] = {
    TransactionState.EMPTY: _FROM_REST,
    # More partitions; or the end, by the producer, by a successor that fences it, or by its time-out.
    TransactionState.ONGOING: frozenset(
        {TransactionState.ONGOING, TransactionState.PREPARE_COMMIT, TransactionState.PREPARE_ABORT}
    ),
    # The last marker is written.
    TransactionState.PREPARE_COMMIT: frozenset({TransactionState.COMPLETE_COMMIT}),
    TransactionState.PREPARE_ABORT: frozenset({TransactionState.COMPLETE_ABORT}),
    TransactionState.COMPLETE_COMMIT: _FROM_REST,
    TransactionState.COMPLETE_ABORT: _FROM_REST,
    TransactionState.DEAD: frozenset(),
    TransactionState.PREPARE_EPOCH_FENCE: frozenset(),
}
"""From each state, the states that may follow. What is not listed raises `IllegalTransition`."""

AT_REST: Final = frozenset(_AT_REST)
"""No transaction is open or being ended."""

COMPLETE: Final = frozenset({TransactionState.COMPLETE_COMMIT, TransactionState.COMPLETE_ABORT})
"""The last transaction is over and nothing has begun since."""

PREPARED: Final = frozenset({TransactionState.PREPARE_COMMIT, TransactionState.PREPARE_ABORT})
"""Decided, but a marker may be missing."""
