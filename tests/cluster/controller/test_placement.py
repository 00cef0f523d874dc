"""Properties of placement; the exact places are in tests/scripts/controller_placement.txt."""

from __future__ import annotations

from collections import Counter

import pytest

from kwire.cluster.controller.placement import place_replicas
from kwire.errors import ErrorCode, KafkaError


@pytest.mark.parametrize("broker_count", range(1, 8))
@pytest.mark.parametrize("rack_count", [0, 1, 2, 3])
def test_replicas_differ_and_leaders_are_spread(broker_count: int, rack_count: int) -> None:
    racks = {broker: f"r{broker % rack_count}" if rack_count else None for broker in range(10, 10 + broker_count)}
    for factor in range(1, broker_count + 1):
        for start in range(broker_count):
            placed = place_replicas(racks, 2 * broker_count, factor, start_index=start, shift=start)
            assert all(len(set(replicas)) == factor for replicas in placed)
            leaders = Counter(replicas[0] for replicas in placed)
            assert leaders == dict.fromkeys(racks, 2)
            if rack_count > 1:
                used = min(factor, len(set(racks.values())))
                assert all(len({racks[broker] for broker in replicas}) == used for replicas in placed)


def test_too_few_brokers() -> None:
    for racks in ({}, {1: None}, {1: "a", 2: "b"}):
        with pytest.raises(KafkaError) as refused:
            place_replicas(racks, 1, len(racks) + 1, start_index=0, shift=0)
        assert refused.value.code is ErrorCode.INVALID_REPLICATION_FACTOR
