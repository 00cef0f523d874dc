"""Which partition of an internal topic coordinates a group (or transactional) id: Java's string hash, modulo count."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

_INT_BITS = 1 << 32
_INT_MIN = -(1 << 31)

REMEMBERED_IDS = 8192
"""Hashes kept; a broker serves the same groups over and over."""


@lru_cache(maxsize=REMEMBERED_IDS)
def java_hash(text: str) -> int:
    """`String.hashCode()`: over UTF-16 code units, wrapping at 32 bits, signed."""
    value = 0
    if text.isascii():
        for unit in text.encode():
            value = 31 * value + unit
    else:
        data = text.encode("utf-16-be", "surrogatepass")
        for high, low in zip(data[::2], data[1::2], strict=True):
            value = 31 * value + (high << 8 | low)
    value %= _INT_BITS
    return value - _INT_BITS if value >= -_INT_MIN else value


def partition_for(id_text: str, partition_count: int) -> int:
    """The partition among `partition_count` (at least 1) that coordinates this id (apache/kafka `Utils.abs`)."""
    hashed = java_hash(id_text)
    return 0 if hashed == _INT_MIN else abs(hashed) % partition_count


def partitions_of(ids: Iterable[str], partition_for: Callable[[str], int]) -> dict[int, list[str]]:
    """Ids by the partition that coordinates them, each id once, in the order given."""
    grouped: dict[int, list[str]] = {}
    for group_id in dict.fromkeys(ids):
        grouped.setdefault(partition_for(group_id), []).append(group_id)
    return grouped
