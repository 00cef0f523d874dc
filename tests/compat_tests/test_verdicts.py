"""What the proofs of compat_tests call a failure, on made-up outcomes."""

from __future__ import annotations

import subprocess
from collections import Counter
from typing import Any

import pytest

from compat_tests.disk import dumps
from compat_tests.durability import exactly_once
from compat_tests.migration.__main__ import PARTITIONS, judge

RECORD = "| offset: 0 CreateTime: 1 keySize: 2 valueSize: 2 sequence: -1 headerKeys: [] key: "


def said(*lines: str) -> dumps.Dump:
    """A dump of Kafka's tool."""
    dump = dumps.Dump()
    dumps.read_kafka(subprocess.CompletedProcess([], 0, "\n".join(lines), ""), dump)
    return dump


def test_a_type_of_record_that_is_not_there_is_missed() -> None:
    dump = said(
        RECORD + '{"type":"3","data":{}} payload: {"version":"0","data":{}}',
        RECORD + '{"type":"5","data":{}} payload: <DELETE>',
    )
    assert not dump.complaints
    assert list(dumps.missing_types(dump, {3}, {5})) == []
    assert list(dumps.missing_types(dump, {3, 5}, {3})) == ["no record of type 5", "no tombstone of type 3"]


@pytest.mark.parametrize(
    "key", ["Unknown record type 99 at offset 0, skipping.", "Error at offset 0, skipping. Could not read record"]
)
def test_a_record_that_a_decoder_cannot_read_is_a_complaint(key: str) -> None:
    assert said(RECORD + key).complaints == [key]


class _Load:
    """Twenty records of each partition are acknowledged."""

    def acknowledged(self, partition: int) -> dict[int, int]:
        return {100 * partition + number: number for number in range(20)}


@pytest.mark.parametrize(
    ("change", "verdict"),
    [({}, "lost=0 doubled=0"), ({(0, 3): -1}, "lost=1 doubled=0"), ({(1, 19): 2}, "lost=0 doubled=2")],
)
def test_a_group_has_to_read_each_record_once(change: dict[tuple[int, int], int], verdict: str) -> None:
    seen = Counter({(partition, offset): 1 for partition in range(PARTITIONS) for offset in range(20)})
    seen.update(change)
    load: Any = _Load()
    text, holds = judge(load, +seen)
    assert text.endswith(verdict)
    assert holds is (not change)


def test_what_exactly_once_means() -> None:
    good = exactly_once.judge({1, 2}, Counter({1: 1, 2: 1, 3: 1}), Counter({1: 1, 2: 1, 3: 1}))
    assert {name: count for name, count in good.items() if name not in ("acked", "input", "copied")} == {
        "lost": 0,
        "doubled_input": 0,
        "not_copied": 0,
        "duplicated": 0,
    }
    bad = exactly_once.judge({1, 4}, Counter({1: 2, 2: 1}), Counter({1: 2, 5: 1}))
    assert bad == {
        "acked": 2,
        "input": 3,
        "copied": 3,
        "lost": 1,
        "doubled_input": 1,
        "not_copied": 1,
        "duplicated": 1,
    }
