"""Frames out of a byte stream: every cut of it, what is refused and why, and what memory a peer can pin."""

from __future__ import annotations

import random
import struct

import pytest

from kwire.net.framing import (
    FIRST_BYTES,
    SCRATCH_BYTES,
    SMALL_BYTES,
    FrameError,
    FrameReader,
    ScratchPool,
    guess_protocol,
)


def framed(body: bytes) -> bytes:
    return struct.pack(">i", len(body)) + body


def feed(reader: FrameReader, data: bytes) -> list[bytes]:
    """Receive `data` the way a transport does and return the frames it completes."""
    frames = []
    while data:
        buffer = reader.buffer()
        taken = min(len(buffer), len(data))
        buffer[:taken] = data[:taken]
        data = data[taken:]
        reader.received(taken)
        while (frame := reader.next_frame()) is not None:
            frames.append(bytes(frame))
    return frames


def reader_of(pool: ScratchPool | None = None, max_bytes: int = 104_857_600) -> FrameReader:
    return FrameReader(pool or ScratchPool(), max_bytes)


BODIES = [
    b"a",
    b"b" * SMALL_BYTES,
    b"c" * (SMALL_BYTES + 1),
    b"d" * (SCRATCH_BYTES - 4),
    b"e" * (SCRATCH_BYTES - 3),
    b"f" * FIRST_BYTES,
    b"g" * (FIRST_BYTES + 1),
    b"h" * (5 * FIRST_BYTES // 2),
    b"i" * 17,
]


@pytest.mark.parametrize("step", [3, 4, 5, 1000, SMALL_BYTES + 4, SCRATCH_BYTES - 1, SCRATCH_BYTES, 10**9])
def test_frames_come_out_whole_however_the_stream_is_cut(step: int) -> None:
    bodies = BODIES if step > 100 else [BODIES[0], BODIES[2], BODIES[8]]
    stream = b"".join(map(framed, bodies))
    reader = reader_of()
    frames = [frame for at in range(0, len(stream), step) for frame in feed(reader, stream[at : at + step])]
    assert frames == bodies


def test_one_byte_at_a_time() -> None:
    reader = reader_of()
    stream = framed(b"one") + framed(b"two" * 100)
    assert [frame for at in range(len(stream)) for frame in feed(reader, stream[at : at + 1])] == [b"one", b"two" * 100]


def test_random_sizes_and_cuts() -> None:
    chance = random.Random(7)
    bodies = [chance.randbytes(chance.choice([1, 50, 4000, 5000, 30_000, 70_000, 200_000])) for _ in range(200)]
    stream = b"".join(map(framed, bodies))
    reader = reader_of()
    frames: list[bytes] = []
    at = 0
    while at < len(stream):
        step = chance.choice([1, 7, 900, 20_000, 100_000])
        frames += feed(reader, stream[at : at + step])
        at += step
    assert frames == bodies


def test_a_frame_may_be_written_to() -> None:
    for size in (10, SMALL_BYTES + 10, SCRATCH_BYTES + 10):
        reader = reader_of()
        data = framed(b"x" * size)
        while data:
            buffer = reader.buffer()
            taken = min(len(buffer), len(data))
            buffer[:taken] = data[:taken]
            data = data[taken:]
            reader.received(taken)
            frame = reader.next_frame()
        assert frame is not None
        frame[:3] = b"abc"
        assert bytes(frame[:4]) == b"abcx"


@pytest.mark.parametrize("size", [0, -1, -(2**31), 1001, 2**31 - 1])
def test_a_length_out_of_bounds_is_refused_before_anything_follows(size: int) -> None:
    reader = reader_of(max_bytes=1000)
    buffer = reader.buffer()
    buffer[:4] = struct.pack(">i", size)
    reader.received(4)
    assert reader.has_frame
    with pytest.raises(FrameError, match=r"socket\.request\.max\.bytes=1000|not positive"):
        reader.next_frame()


def test_the_limit_itself_is_allowed() -> None:
    assert feed(reader_of(max_bytes=1000), framed(b"x" * 1000)) == [b"x" * 1000]


def test_good_frames_before_a_bad_one_are_given_out_first() -> None:
    reader = reader_of()
    data = framed(b"good") + b"\xff\xff\xff\xff"
    reader.buffer()[: len(data)] = data
    reader.received(len(data))
    frame = reader.next_frame()
    assert frame is not None
    assert bytes(frame) == b"good"
    with pytest.raises(FrameError, match="after 1 good requests"):
        reader.next_frame()


@pytest.mark.parametrize(
    ("head", "guess"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "an HTTP request"),
        (b"POST /topics HTTP/1.1\r\n", "an HTTP request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "an HTTP/2 connection"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "a TLS handshake"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "an SSH client"),
        (b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", "a PROXY protocol header"),
        (b"\r\n\r\n\x00\r\nQUIT\n\x21\x11", "a PROXY protocol header"),
        (b"ruok", "a ZooKeeper command"),
        (b"*1\r\n$4\r\nPING\r\n", "a Redis client"),
        (b"\x10\x1a\x00\x04MQTT\x04", "an MQTT client"),
        (b"hello kafka\n", "text ('hello kafka\\n')"),
    ],
)
def test_what_garbage_probably_is(head: bytes, guess: str) -> None:
    assert (guess_protocol(head) or "").startswith(guess)


def test_the_complaint_names_the_guess() -> None:
    reader = reader_of()
    reader.buffer()[:18] = b"GET / HTTP/1.1\r\n\r\n"
    reader.received(18)
    with pytest.raises(FrameError, match="looks like an HTTP request; the Kafka port speaks Kafka's protocol"):
        reader.next_frame()


def test_binary_garbage_is_not_guessed_at() -> None:
    assert guess_protocol(b"\x7f\xfe\x00\x01\x80\x99") is None


def test_idle_readers_share_one_scratch() -> None:
    pool = ScratchPool()
    readers = [reader_of(pool) for _ in range(1000)]
    for reader in readers:
        assert feed(reader, framed(b"hello") + b"\x00\x00") == [b"hello"]
    assert pool.created_count == 1
    for reader in readers:
        assert feed(reader, b"\x00\x03abc") == [b"abc"]


def test_an_announced_frame_costs_nothing_until_it_is_sent() -> None:
    pool = ScratchPool()
    readers = [reader_of(pool) for _ in range(100)]
    for reader in readers:
        assert feed(reader, struct.pack(">i", 100_000_000) + b"x" * 1000) == []
        assert reader.allocated_bytes <= 1004
    assert pool.created_count == 1


def test_what_a_frame_pins_follows_what_was_sent() -> None:
    reader = reader_of()
    sent = len(struct.pack(">i", 50_000_000))
    feed(reader, struct.pack(">i", 50_000_000))
    while sent < 20_000_000:
        feed(reader, bytes(30_000))
        sent += 30_000
        assert reader.allocated_bytes <= max(17 * sent, FIRST_BYTES)
        if sent > FIRST_BYTES:
            assert reader.allocated_bytes <= 2 * sent


def test_a_frame_of_one_mebibyte_is_received_into_its_own_buffer_at_once() -> None:
    reader = reader_of()
    feed(reader, framed(b"x" * 1_048_576)[:SCRATCH_BYTES])
    assert len(reader.buffer()) == 1_048_576 - (SCRATCH_BYTES - 4)


def test_a_detached_frame_keeps_its_bytes_while_the_next_arrive() -> None:
    pool = ScratchPool()
    reader = reader_of(pool)
    data = framed(b"a" * 10_000) + framed(b"b" * 10_000)
    reader.buffer()[: len(data)] = data
    reader.received(len(data))
    frame = reader.next_frame()
    assert frame is not None
    scratch = reader.detach()
    assert scratch is not None
    assert feed(reader, framed(b"c" * 10_000)) == [b"b" * 10_000, b"c" * 10_000]
    assert bytes(frame) == b"a" * 10_000
    pool.give_back(scratch)


@pytest.mark.parametrize("size", [100, SCRATCH_BYTES + 100])
def test_a_frame_of_its_own_needs_no_detaching(size: int) -> None:
    reader = reader_of()
    data = framed(b"x" * size)
    while data:
        buffer = reader.buffer()
        taken = min(len(buffer), len(data))
        buffer[:taken] = data[:taken]
        data = data[taken:]
        reader.received(taken)
        frame = reader.next_frame()
    assert frame is not None
    assert reader.detach() is None


def test_full_means_that_nothing_more_may_be_received() -> None:
    reader = reader_of()
    data = framed(b"x" * 5000) * 20
    buffer = reader.buffer()
    buffer[:] = data[: len(buffer)]
    reader.received(len(buffer))
    assert reader.is_full
    assert reader.next_frame() is not None
    assert not reader.is_full
    assert len(reader.buffer()) == 5004


def test_closing_gives_the_scratch_back() -> None:
    pool = ScratchPool()
    reader = reader_of(pool)
    reader.buffer()
    reader.close()
    reader_of(pool).buffer()
    assert pool.created_count == 1
