"""Batches of a known layout against the plain way, record by record: whole, damaged, and of another layout."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from kwire.wire import record_layouts
from kwire.wire.message_form import MessageForm
from kwire.wire.message_writer import write_messages
from kwire.wire.record_batch import RECORD_BATCH_OVERHEAD
from kwire.wire.record_codec import InvalidRecordError
from kwire.wire.record_layouts import known_layout
from kwire.wire.records import build_batch

T = 1_700_000_000_000
Headers = list[tuple[bytes, bytes | None]]


@pytest.fixture(autouse=True)
def nothing_is_known() -> Iterator[None]:
    record_layouts._layouts.clear()
    yield
    record_layouts._layouts.clear()


def records_of(
    rng: random.Random, count: int, *, key: int | None, value: int | None, headers: Headers, step_ms: int
) -> bytes:
    """Records of one shape, each with its own bytes."""

    def text(size: int | None) -> bytes | None:
        return None if size is None else rng.randbytes(size)

    batch = build_batch([(T + step_ms * n, text(key), text(value), headers) for n in range(count)])
    return bytes(batch[RECORD_BATCH_OVERHEAD:])


def form_of(magic: int = 1, append_time: int | None = None, first_offset: int = 0) -> MessageForm:
    attributes = 8 if magic and append_time is not None else 0
    return MessageForm(
        magic, attributes, base_offset=77, base_timestamp=T, append_time=append_time, first_offset=first_offset
    )


def outcome(data: bytes, count: int, form: MessageForm) -> tuple[bytes | str, int, int]:
    out: list[bytes | memoryview] = []
    try:
        end = write_messages(data, 0, 0, count, form, out)
    except (IndexError, OverflowError, InvalidRecordError) as error:
        return type(error).__name__, 0, 0
    # Messages of magic 0 have no timestamps, and neither do wrappers around them.
    return b"".join(out) + end.to_bytes(4), form.last_offset, form.max_timestamp if form.magic else -1


def one_by_one(data: bytes, count: int, form: MessageForm) -> tuple[bytes | str, int, int]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("find_plain", "find_run", "known_layout"):
            patch.setattr(f"kwire.wire.message_writer.{name}", lambda *arguments: None)
        return outcome(data, count, form)


SHAPES = [
    (None, 100, [], 0),
    (None, 1000, [], 1),
    (None, 0, [], 1),
    (None, None, [], 0),
    (0, 5, [], 3),
    (8, 30, [], 0),
    (200, None, [(b"h", b"x"), (b"", None)], 1),
    (3, 70, [(b"header", b"value")], 40),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [8, 63, 64, 149, 700])
def test_the_third_batch_is_written_as_one_by_one(
    shape: tuple[int | None, int | None, Headers, int], count: int
) -> None:
    key, value, headers, step_ms = shape
    step_ms = min(step_ms, 8000 // count)
    rng = random.Random(count)
    for n in range(4):
        data = records_of(rng, count, key=key, value=value, headers=headers, step_ms=step_ms)
        for wanted in (
            (0, None, 0),
            (1, None, 0),
            (1, T + 9, 0),
            (1, None, 77 + count // 3),
            (0, None, 77 + count + 1),
        ):
            assert outcome(data, count, form_of(*wanted)) == one_by_one(data, count, form_of(*wanted))
        if n and sum(shape_runs(data, count)) == count:
            assert known_layout(len(data), count) is not None


def shape_runs(data: bytes, count: int) -> list[int]:
    """How many records each run has; too few where some of them are in none."""
    from kwire.wire.record_runs import find_run

    pos = index = 0
    found = []
    while index < count and (run := find_run(data, pos, index, count)) is not None:
        found.append(run.count)
        pos, index = run.end, index + run.count
    return found


def test_a_layout_is_learnt_when_it_is_seen_again_and_given_up_when_it_is_wrong() -> None:
    rng = random.Random(5)

    def seen(*, key: int, value: int) -> bool:
        data = records_of(rng, 20, key=key, value=value, headers=[], step_ms=0)
        assert outcome(data, 20, form_of()) == one_by_one(data, 20, form_of())
        return known_layout(len(data), 20) is not None

    assert [seen(key=10, value=20) for _ in range(3)] == [False, True, True]
    assert not seen(key=20, value=10)
    assert [seen(key=20, value=10) for _ in range(2)] == [True, True]


@pytest.mark.parametrize("seed", range(24))
def test_damaged_batches_are_written_or_refused_as_one_by_one(seed: int) -> None:
    rng = random.Random(seed)
    key, value, headers, step_ms = SHAPES[seed % len(SHAPES)]
    count = rng.choice([12, 64, 90])
    whole = [records_of(rng, count, key=key, value=value, headers=headers, step_ms=min(step_ms, 5)) for _ in range(3)]
    for data in whole:
        outcome(data, count, form_of())
    for _ in range(40):
        damaged = bytearray(whole[0])
        for _ in range(rng.choice([1, 1, 3])):
            # Lengths and deltas are what matters, so most of the damage is done to the beginnings of records.
            stride = len(damaged) // count
            at = rng.randrange(count) * stride + rng.randrange(-2, min(stride, 9))
            damaged[at % len(damaged)] = rng.choice([0, 1, 2, 127, 128, 255, rng.randrange(256)])
        size = len(damaged) - rng.choice([0, 0, 0, 1, 5])
        outcome(whole[1], count, form_of())
        found = outcome(bytes(damaged[:size]), count, form_of())
        assert found == one_by_one(bytes(damaged[:size]), count, form_of())


def test_timestamps_that_wrap_are_those_of_java() -> None:
    data = records_of(random.Random(1), 20, key=None, value=9, headers=[], step_ms=1)
    for _ in range(4):
        wrapping = [
            MessageForm(1, 0, base_offset=0, base_timestamp=(1 << 63) - 3, append_time=None, first_offset=0)
            for _ in range(2)
        ]
        assert outcome(data, 20, wrapping[0]) == one_by_one(data, 20, wrapping[1])


def test_layouts_are_forgotten_before_they_are_too_many() -> None:
    for count in range(8, 200):
        data = records_of(random.Random(1), count, key=None, value=9, headers=[], step_ms=0)
        for _ in range(2):
            outcome(data, count, form_of())
    assert 0 < len(record_layouts._layouts) <= 64
