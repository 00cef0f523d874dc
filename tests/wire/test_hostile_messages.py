"""Bytes from an enemy. The whole of it, with every vector: `python -m tests.golden.check --hostile FILE...`."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from kwire.wire.codec import DecodeError, decode, warm
from kwire.wire.model import model_of
from kwire.wire.primitives import uvarint
from tests.golden.check import read_vectors
from tests.golden.hostile import LENGTHS_THAT_LIE, decode_hostile, mutations, truncations
from tests.golden.messages_check import body, message_classes

VECTORS = read_vectors(Path(__file__).parent.parent / "golden" / "messages.jsonl.gz")
Case = tuple[type[Any], int, bytes]


def cases(vectors: list[dict[str, Any]]) -> Iterator[Case]:
    for vector in vectors:
        yield message_classes()[vector["name"]], vector["version"], body(vector)


def newest() -> Iterator[tuple[type[Any], int]]:
    for cls in message_classes().values():
        yield cls, model_of(cls).valid[1]


def test_truncation_at_every_byte() -> None:
    refused = 0
    for cls, version, data in cases(VECTORS[::19]):
        refused += sum(not decode_hostile(cls, version, cut) for cut in truncations(data))
    assert refused > 5_000


def test_random_mutations() -> None:
    outcomes = {True: 0, False: 0}
    for cls, version, data in cases(VECTORS[::2]):
        for damaged in mutations(data, (cls.__name__, version, data), 3):
            outcomes[decode_hostile(cls, version, damaged)] += 1
    assert min(outcomes.values()) > 500


def allocated(cls: type[Any], version: int, data: bytes) -> int:
    """The peak of memory that decoding took, in bytes."""
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    with suppress(DecodeError):
        decode(cls, version, data)
    return tracemalloc.get_traced_memory()[1] - before


@pytest.fixture
def traced() -> Iterator[None]:
    for cls, version in newest():
        warm(cls, [version])
    tracemalloc.start(1)
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
def test_lengths_that_lie_allocate_nothing() -> None:
    last = [vector for vector in VECTORS if vector["kind"] in ("full", "nulls")][::3]
    for cls, version, data in cases(
        [v for v in last if v["version"] == model_of(message_classes()[v["name"]]).valid[1]]
    ):
        for at in range(0, len(data), 7):
            for lie in LENGTHS_THAT_LIE[:4]:
                damaged = data[:at] + lie + data[at + len(lie) :]
                assert allocated(cls, version, damaged) < 20_000 + 60 * len(damaged)


FILLS = [b"\0", b"\1\0", b"\0\1", b"\1", b"\2", b"\x01\x02", b"\x02\x01", b"\x7f", b"\x00\x00\x00\x01", b"\x02\x00\x00"]


def fills(size: int) -> Iterator[Case]:
    """Frames of `size` bytes that hold as many of the smallest elements as the message allows."""
    for cls, version in newest():
        for fill in FILLS:
            for count in (size // 8, size // 2 - 8):
                for head in (b"", count.to_bytes(4), uvarint(count), b"\0" + uvarint(count), b"\1" + uvarint(count)):
                    yield cls, version, (head + fill * size)[:size]


@pytest.mark.usefixtures("traced")
def test_dense_frames_allocate_a_bounded_multiple() -> None:
    for cls, version, data in fills(3000):
        assert allocated(cls, version, data) < 20_000 + 60 * len(data)


def work(cls: type[Any], version: int, data: bytes) -> int:
    """How many calls decoding makes: what takes time here is calls, of Python or of C."""
    count = 0

    def profile(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        if event.endswith("call"):
            count += 1

    sys.setprofile(profile)
    try:
        decode_hostile(cls, version, data)
    finally:
        sys.setprofile(None)
    return count


def test_work_grows_no_faster_than_the_frame() -> None:
    for cls, version in newest():
        warm(cls, [version])
    for (cls, version, small), (_, _, large) in zip(fills(100), fills(800), strict=True):
        # Decoded twice and encoded twice by `decode_hostile`; at most a handful of calls a byte each time.
        assert work(cls, version, small) < 600 + 16 * len(small)
        assert work(cls, version, large) < 600 + 16 * len(large)
