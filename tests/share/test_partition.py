"""A share partition's state from the persister: what it takes, and what it refuses to believe."""

from __future__ import annotations

import pytest

from kwire.share.acquiring import Acquired, RecordBatch, without
from kwire.share.partition import InvalidState, Limits, SharePartition
from kwire.wire.messages.read_share_group_state import StateBatch


def loaded(*batches: tuple[int, int, int, int], start: int = 0) -> SharePartition:
    partition = SharePartition(lambda: Limits(5, 100, 30_000, True))
    partition.load(
        start,
        1,
        [
            StateBatch(first_offset=first, last_offset=last, delivery_state=state, delivery_count=count)
            for first, last, state, count in batches
        ],
    )
    return partition


@pytest.mark.parametrize(
    "batches",
    [
        [(4, 6, 0, 1)],  # Below the start.
        [(5, 9, 0, 1), (9, 9, 2, 1)],  # They overlap.
        [(8, 9, 0, 1), (5, 6, 0, 1)],  # Out of order.
        [(5, 5, 3, 1)],  # No state.
        [(7, 6, 0, 1)],  # No offsets.
    ],
)
def test_states_that_cannot_be(batches: list[tuple[int, int, int, int]]) -> None:
    with pytest.raises(InvalidState):
        loaded(*batches, start=5)


def test_the_start_is_moved_past_what_is_done() -> None:
    partition = loaded((0, 4, 2, 1), (5, 6, 0, 1), (7, 7, 4, 2))
    assert (partition.start_offset, partition.end_offset, partition.complete_count) == (5, 7, 1)
    assert partition.next_fetch_offset() == 5
    assert loaded((0, 4, 2, 1)).start_offset == 5


def test_a_gap_is_read_first() -> None:
    partition = loaded((3, 4, 2, 1), (8, 8, 0, 1))
    assert (partition.start_offset, partition.gap_start, partition.next_fetch_offset()) == (0, 0, 0)
    partition.move_gap(3)
    assert (partition.gap_start, partition.next_fetch_offset()) == (5, 5)
    partition.move_gap(8)
    assert (partition.gap_start, partition.next_fetch_offset()) == (None, 8)


def test_what_is_left_of_acquired_offsets() -> None:
    acquired = [Acquired(0, 9, 1), Acquired(10, 14, 2)]
    removed = [RecordBatch(0, 1), RecordBatch(5, 6), RecordBatch(9, 11), RecordBatch(14, 20)]
    assert without(acquired, removed) == [(2, 4, 1), (7, 8, 1), (12, 13, 2)]
    assert without(acquired, []) == acquired
