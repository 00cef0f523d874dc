"""What ListTransactions and DescribeTransactions say about transactional ids (KIP-664, KIP-994, KIP-1152)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from kwire.coord.txn.metadata import TransactionMetadata
from kwire.coord.txn.states import NAMES, STATE_OF_NAME, TransactionState
from kwire.errors import ErrorCode
from kwire.wire.messages.describe_transactions import TopicData
from kwire.wire.messages.describe_transactions import TransactionState as DescribedTransaction
from kwire.wire.messages.list_transactions import ListTransactionsRequest
from kwire.wire.messages.list_transactions import TransactionState as ListedTransaction


class TransactionFilter(NamedTuple):
    """Which transactions a listing wants; an empty set wants all, `longer_than_ms` -1 those of any age."""

    states: frozenset[TransactionState]
    has_states: bool
    producer_ids: frozenset[int]
    longer_than_ms: int
    matches_id: Callable[[str], bool]

    def wants(self, txn: TransactionMetadata, now_ms: int) -> bool:
        """Whether it is listed."""
        return (
            (not self.has_states or txn.state in self.states)
            and (not self.producer_ids or txn.producer_id in self.producer_ids)
            and (self.longer_than_ms < 0 or now_ms - txn.start_ms > self.longer_than_ms)
            and self.matches_id(txn.transactional_id)
        )


def read_filter(
    request: ListTransactionsRequest, matches_id: Callable[[str], bool]
) -> tuple[TransactionFilter, list[str]]:
    """The request's filter, and the names of states in it that nobody knows."""
    known = frozenset(STATE_OF_NAME[name] for name in request.state_filters if name in STATE_OF_NAME)
    unknown = [name for name in request.state_filters if name not in STATE_OF_NAME]
    wanted = TransactionFilter(
        known,
        bool(request.state_filters),
        frozenset(request.producer_id_filters),
        request.duration_filter,
        matches_id,
    )
    return wanted, unknown


def listed(
    transactions: Iterable[TransactionMetadata], wanted: TransactionFilter, now_ms: int
) -> list[ListedTransaction]:
    """The transactions that a listing wants."""
    return [
        ListedTransaction(
            transactional_id=txn.transactional_id, producer_id=txn.producer_id, transaction_state=NAMES[txn.state]
        )
        for txn in transactions
        if wanted.wants(txn, now_ms)
    ]


def described(transactional_id: str, txn: TransactionMetadata | None) -> DescribedTransaction:
    """One transaction; TRANSACTIONAL_ID_NOT_FOUND for an id that nobody used, or that is forgotten."""
    if txn is None:
        return not_described(transactional_id, ErrorCode.TRANSACTIONAL_ID_NOT_FOUND)
    topics: dict[str, list[int]] = {}
    for topic, partition in sorted(txn.partitions):
        topics.setdefault(topic, []).append(partition)
    return DescribedTransaction(
        error_code=ErrorCode.NONE,
        transactional_id=transactional_id,
        transaction_state=NAMES[txn.state],
        transaction_timeout_ms=txn.timeout_ms,
        transaction_start_time_ms=txn.start_ms,
        producer_id=txn.producer_id,
        producer_epoch=txn.producer_epoch,
        topics=[TopicData(topic=topic, partitions=ids) for topic, ids in topics.items()],
    )


def not_described(transactional_id: str, code: ErrorCode) -> DescribedTransaction:
    """The answer for an id with `code`."""
    return DescribedTransaction(
        error_code=code,
        transactional_id=transactional_id,
        transaction_state="",
        transaction_timeout_ms=0,
        transaction_start_time_ms=0,
        producer_id=0,
        producer_epoch=0,
        topics=[],
    )
