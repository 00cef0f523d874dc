"""How batches are combined: offset by offset, what was delivered more often holds."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from kwire.coord.share.state import ShareKey, StateBatch, combined


def one_by_one(batches: list[StateBatch], start: int) -> dict[int, tuple[int, int]]:
    """Of each offset the largest (deliveries, state): the rule, said plainly."""
    found: dict[int, tuple[int, int]] = {}
    for first, last, state, deliveries in batches:
        for offset in range(max(first, start), last + 1):
            found[offset] = max(found.get(offset, (-1, -1)), (deliveries, state))
    return found


@pytest.mark.parametrize("seed", range(200))
def test_as_if_one_by_one(seed: int) -> None:
    rng = random.Random(seed)
    batches = []
    for _ in range(rng.randint(0, 8)):
        first = rng.randint(0, 20)
        batches.append(StateBatch(first, first + rng.randint(0, 8), rng.choice([0, 2, 4]), rng.randint(0, 3)))
    start = rng.choice([-1, 0, 7])
    result = combined(batches, start)
    spread = {
        offset: (deliveries, state) for first, last, state, deliveries in result for offset in range(first, last + 1)
    }
    assert spread == one_by_one(batches, start)
    for left, right in pairwise(result):
        assert left.last < right.first
        assert left.last + 1 < right.first or left[2:] != right[2:]


def test_a_key_as_clients_ask_for_it() -> None:
    assert ShareKey("g", bytes(16), 3).text == "g:AAAAAAAAAAAAAAAAAAAAAA:3"
