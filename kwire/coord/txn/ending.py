"""How an EndTxn request meets a transactional id: what follows, or why nothing may.

Under `transaction.version` 2 a producer's epoch is raised at each end, so the epoch of a request tells which end it
means: the current one (*now*), or the one before, whose answer got lost (*again*). What follows then:

| | abort now | abort again | commit now | commit again |
|---|---|---|---|---|
| Ongoing | PrepareAbort | PRODUCER_FENCED | PrepareCommit | PRODUCER_FENCED |
| Empty | PrepareAbort | PRODUCER_FENCED | INVALID_TXN_STATE | PRODUCER_FENCED |
| CompleteAbort | PrepareAbort | done | INVALID_TXN_STATE | INVALID_TXN_STATE |
| CompleteCommit | PrepareAbort | INVALID_TXN_STATE | INVALID_TXN_STATE | done |
| PrepareAbort | PRODUCER_FENCED | CONCURRENT_TRANSACTIONS | PRODUCER_FENCED | INVALID_TXN_STATE |
| PrepareCommit | PRODUCER_FENCED | INVALID_TXN_STATE | PRODUCER_FENCED | CONCURRENT_TRANSACTIONS |

Older clients keep their epoch from one transaction to the next. They are done in Complete* when that is what they ask
for, told CONCURRENT_TRANSACTIONS in Prepare*, and INVALID_TXN_STATE when it is the other end, or in Empty.

Source: KIP-890; apache/kafka `TransactionCoordinator.endTransaction` and `endTransactionWithTV1`.
"""

from __future__ import annotations

from kwire.coord.txn.metadata import MAX_EPOCH, TransactionMetadata
from kwire.coord.txn.states import TransactionState
from kwire.errors import ErrorCode, KafkaError

_COMPLETE = {TransactionState.COMPLETE_COMMIT: True, TransactionState.COMPLETE_ABORT: False}
_PREPARE = {TransactionState.PREPARE_COMMIT: True, TransactionState.PREPARE_ABORT: False}
"""State -> whether it belongs to a commit."""


def must_prepare(
    txn: TransactionMetadata, producer_id: int, producer_epoch: int, *, committed: bool, bumps_epoch: bool
) -> bool:
    """Whether the end has to be prepared now; False when it is reached already. Raises KafkaError (see above)."""
    if bumps_epoch:
        return _must_prepare_now(txn, producer_id, producer_epoch, committed)
    if txn.producer_id != producer_id:
        raise KafkaError(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
    if txn.producer_epoch != producer_epoch:
        raise KafkaError(ErrorCode.PRODUCER_FENCED)
    if txn.state is TransactionState.ONGOING:
        return True
    _check_under_way(txn, committed)
    if _COMPLETE.get(txn.state) is committed:
        return False
    raise KafkaError(ErrorCode.INVALID_TXN_STATE)


def _must_prepare_now(txn: TransactionMetadata, producer_id: int, producer_epoch: int, committed: bool) -> bool:
    # The last end used the producer id up: the answer that got lost named a new one.
    is_again_by_old_id = (
        txn.previous_producer_id == producer_id and producer_epoch == MAX_EPOCH - 1 and txn.producer_epoch == 0
    )
    is_again = txn.producer_epoch == producer_epoch + 1 or is_again_by_old_id
    if txn.producer_id != producer_id and not is_again_by_old_id:
        raise KafkaError(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
    if txn.state in _PREPARE:
        if not is_again:
            raise KafkaError(ErrorCode.PRODUCER_FENCED)
        _check_under_way(txn, committed)
    if txn.state in _COMPLETE and is_again:
        if _COMPLETE[txn.state] is committed:
            return False
        raise KafkaError(ErrorCode.INVALID_TXN_STATE)
    if txn.producer_epoch != producer_epoch:
        raise KafkaError(ErrorCode.PRODUCER_FENCED)
    if txn.state is TransactionState.ONGOING or not committed:
        return True
    raise KafkaError(ErrorCode.INVALID_TXN_STATE)


def _check_under_way(txn: TransactionMetadata, committed: bool) -> None:
    """While the markers of an end are being written only that end may be asked for again."""
    under_way = _PREPARE.get(txn.state)
    if under_way is not None:
        raise KafkaError(ErrorCode.CONCURRENT_TRANSACTIONS if under_way is committed else ErrorCode.INVALID_TXN_STATE)
