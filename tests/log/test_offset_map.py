"""The map of newest offsets, against a dict."""

from __future__ import annotations

import random

import pytest

from kwire.log.offset_map import SLOT_BYTES, OffsetMap


def test_the_newest_offset_of_each_key_is_found() -> None:
    source = random.Random(3)
    offset_map = OffsetMap(4096 * SLOT_BYTES, 0.9)
    offset_map.clear(10_000, 1 << 30)
    model: dict[bytes, int] = {}
    offset = 10_000
    for _ in range(200):
        keys = [b"key-%d" % source.randrange(3000) for _ in range(40)]
        offsets = [offset := offset + source.randrange(1, 4) for _ in keys]
        assert offset_map.put_all(keys, offsets) == len(keys)
        model.update(zip(keys, offsets, strict=True))
    assert offset_map.size == len(model)
    assert offset_map.get_all(list(model)) == list(model.values())
    assert offset_map.get_all([b"key-3000", b""]) == [-1, -1]
    assert 0.5 < offset_map.utilization < 0.9


def test_an_empty_key_is_a_key() -> None:
    offset_map = OffsetMap(1024, 0.9)
    offset_map.clear(0, 10)
    assert offset_map.get_all([b""]) == [-1]
    offset_map.put_all([b"", b"a", b""], [0, 1, 2])
    assert offset_map.get_all([b"", b"a"]) == [2, 1]
    assert offset_map.size == 2


@pytest.mark.parametrize("load_factor", [0.5, 0.9, 1.0])
def test_a_full_map_takes_no_key_more_and_forgets_none(load_factor: float) -> None:
    offset_map = OffsetMap(64 * SLOT_BYTES, load_factor)
    offset_map.clear(0, 1 << 30)
    room = min(int(64 * load_factor), 63)
    assert offset_map.capacity == room
    keys = [b"%d" % n for n in range(100)]
    assert offset_map.put_all(keys, range(100)) == room
    assert offset_map.put_all(keys[:1], [100]) == 0
    assert offset_map.get_all(keys) == [*range(room), *[-1] * (100 - room)]


def test_keys_that_come_again_take_no_room() -> None:
    offset_map = OffsetMap(4 * SLOT_BYTES, 0.9)
    offset_map.clear(0, 1 << 30)
    assert offset_map.put_all([b"a", b"b", b"a", b"b", b"a"], [0, 1, 2, 3, 4]) == 5
    assert offset_map.get_all([b"a", b"b"]) == [4, 3]


def test_it_is_no_larger_than_what_is_expected_or_allowed() -> None:
    offset_map = OffsetMap(1 << 20, 0.9)
    offset_map.clear(0, 100)
    assert 100 <= offset_map.capacity < 512
    offset_map.clear(0, 1 << 40)
    assert offset_map.capacity == int((1 << 16) * 0.9)
    assert OffsetMap((1 << 20) - 1, 0.9)._most_slots == 1 << 15


def test_offsets_too_far_apart_fill_it() -> None:
    offset_map = OffsetMap(1024, 0.9)
    offset_map.clear(5, 10)
    far = 5 + (1 << 32)
    assert offset_map.put_all([b"a", b"b"], [5, far]) == 1
    assert offset_map.put_all([b"b"], [far - 2]) == 1
    assert offset_map.get_all([b"a", b"b"]) == [5, far - 2]


@pytest.mark.parametrize(("memory", "load_factor"), [(0, 0.9), (15, 0.9), (31, 0.9), (32, 0.4)])
def test_a_map_for_no_key_is_refused(memory: int, load_factor: float) -> None:
    with pytest.raises(ValueError, match=r"log\.cleaner\.dedupe\.buffer\.size"):
        OffsetMap(memory, load_factor)


def test_forgetting() -> None:
    offset_map = OffsetMap(1024, 0.9)
    offset_map.clear(0, 10)
    offset_map.put_all([b"a"], [3])
    offset_map.latest_offset = 3
    offset_map.clear(7, 10)
    assert (offset_map.size, offset_map.latest_offset, offset_map.get_all([b"a"])) == (0, 6, [-1])
