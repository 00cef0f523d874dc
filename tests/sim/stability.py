"""What a partition's last stable offset may be, by the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.sim.batches import Transaction
from tests.sim.model import PartitionModel


def may_be_stable(model: PartitionModel, offset: int) -> bool:
    """Whether it may be the last stable offset, which stays below the marker of a transaction until replicated.

    A snapshot does not know of such a marker, in Kafka neither: what ended before a restart may count as stable,
    where it lies below the snapshot that was read then.
    """
    transactions = model.transactions()
    if not transactions and not model.reopened:
        return offset == model.high_watermark
    reloaded_end = model.path[model.reloaded_at - 1].header.next_offset if model.reloaded_at else 0
    doubtful = model.doubtful
    allowed = set()
    ends = {found.last_offset + 1 for found in transactions if found.last_offset is not None}
    for forgotten_below in {0, reloaded_end} | {end for end in ends if end <= reloaded_end}:
        undecided = [
            transaction
            for transaction in transactions
            if transaction.last_offset is None or transaction.last_offset >= max(model.high_watermark, forgotten_below)
        ]
        unstable = [max(transaction.first_offset, model.start) for transaction in undecided]
        allowed.add(min([*unstable, model.high_watermark]))
        for first in _began_earlier(model, undecided):
            allowed.add(min([*unstable, model.high_watermark, max(first, model.start)]))
    return offset in allowed or (bool(doubtful) and min(allowed) <= offset <= model.high_watermark)


def _began_earlier(model: PartitionModel, transactions: Sequence[Transaction]) -> Iterator[int]:
    """Where these began before a compaction left nothing of their first batches, and those that are open again."""
    yield from model.reopened.values()
    for (producer_id, marker), ended in model.ended.items():
        for transaction in transactions:
            if transaction.producer_id == producer_id and ended.first_offset <= transaction.first_offset <= marker:
                yield ended.first_offset
