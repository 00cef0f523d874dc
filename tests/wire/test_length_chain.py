"""Counting records by their lengths: the quick way agrees with the plain one."""

from __future__ import annotations

import random

import pytest

from kwire.wire.length_chain import holds_records
from kwire.wire.record_codec import varint


def section(bodies: list[int]) -> bytes:
    return b"".join(varint(size) + b"\0" * size for size in bodies)


def plainly(data: bytes, count: int) -> bool:
    pos = 0
    for _ in range(count):
        value = shift = 0
        while True:
            if pos >= len(data) or shift > 28:
                return False
            byte = data[pos]
            pos += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        if value & 1 or value < 12:
            return False
        pos += value >> 1
    return pos == len(data)


@pytest.mark.parametrize(
    "sizes", [[6], [6, 6], [90] * 1000, [90] * 500 + [91] * 500, [5000] * 40, [63, 64, 63, 64] * 90]
)
def test_a_section_holds_its_records_and_no_other_number(sizes: list[int]) -> None:
    data = memoryview(section(sizes))
    assert holds_records(data, len(sizes))
    for count in (len(sizes) - 1, len(sizes) + 1, 0, -1, 2 * len(sizes)):
        assert not holds_records(data, count)
    assert not holds_records(data[:-1], len(sizes))
    assert not holds_records(memoryview(bytes(data) + b"\0"), len(sizes))


def test_nothing_holds_nothing() -> None:
    assert holds_records(memoryview(b""), 0)
    assert not holds_records(memoryview(b""), 1)


@pytest.mark.parametrize("seed", range(60))
def test_it_agrees_with_the_plain_walk_on_mutated_runs(seed: int) -> None:
    choice = random.Random(seed)
    sizes: list[int] = []
    for _ in range(choice.randrange(1, 12)):
        size = choice.choice([6, 7, 63, 64, 100, 700, 9000])
        sizes += [size] * choice.choice([1, 2, 3, 17, 130, 400])
    for _ in range(30):
        data = bytearray(section(sizes))
        for _ in range(choice.randrange(3)):
            data[choice.randrange(len(data))] = choice.randrange(256)
        count = len(sizes) + choice.choice([0, 0, 0, 1, -1])
        assert holds_records(memoryview(data), count) == plainly(bytes(data), count)
