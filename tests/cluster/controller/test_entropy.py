"""Randomness of a real broker."""

from __future__ import annotations

from kwire.cluster.controller.entropy import SystemEntropy
from kwire.ids import uuid_text


def test_topic_ids_differ_and_never_look_like_an_option() -> None:
    entropy = SystemEntropy()
    ids = {entropy.topic_id() for _ in range(2000)}
    assert len(ids) == 2000
    assert all(len(raw) == 16 and raw[6] >> 4 == 4 and raw[8] >> 6 == 2 for raw in ids)
    assert not any(uuid_text(raw).startswith("-") for raw in ids)


def test_numbers_below_a_bound() -> None:
    entropy = SystemEntropy()
    assert {entropy.below(3) for _ in range(200)} == {0, 1, 2}
    assert entropy.below(1) == 0
