"""What goes to the transport, in which pieces, and that it stops when the transport has enough."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Callable, Iterator

import pytest

from kwire.net.limits import NetworkCounters
from kwire.net.response_writer import (
    CHUNK_BYTES,
    CHUNK_BYTES_WHEN_SCARCE,
    HELD_BYTES_LIMIT,
    SMALL_BYTES,
    IncompleteResponseError,
    ResponseWriter,
)
from kwire.wire.parts import FileRange, PieceStream


class RecordingSink:
    """Keeps what is written; tells its writer to pause after `room` writes."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.room = 10**9
        self.closing = False
        self.writer: ResponseWriter | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))
        self.room -= 1
        if self.room <= 0 and self.writer is not None:
            self.writer.is_paused = True

    def is_closing(self) -> bool:
        return self.closing


@pytest.fixture
def sink() -> RecordingSink:
    return RecordingSink()


@pytest.fixture
def writer(sink: RecordingSink) -> ResponseWriter:
    sink.writer = ResponseWriter(sink, NetworkCounters())
    return sink.writer


@pytest.fixture
def file() -> Iterator[tuple[int, bytes]]:
    content = os.urandom(3 * CHUNK_BYTES)
    with tempfile.TemporaryFile() as opened:
        opened.write(content)
        opened.flush()
        yield opened.fileno(), content


def framed(body: bytes) -> bytes:
    return struct.pack(">i", len(body)) + body


def test_small_responses_of_a_turn_leave_in_one_write(sink: RecordingSink, writer: ResponseWriter) -> None:
    writer.send([b"one"])
    writer.send([b"t", memoryview(b"wo")])
    writer.send([])
    assert sink.written == []
    writer.flush()
    assert sink.written == [framed(b"one") + framed(b"two") + framed(b"")]
    writer.flush()
    assert len(sink.written) == 1


def test_a_big_part_is_written_alone_behind_all_that_came_before(sink: RecordingSink, writer: ResponseWriter) -> None:
    big = bytes(SMALL_BYTES + 1)
    writer.send([b"first"])
    writer.send([b"head", b"er", big, b"tail"])
    writer.flush()
    assert sink.written == [framed(b"first") + struct.pack(">i", 10 + len(big)) + b"header", big, b"tail"]


def test_a_file_range_is_read_in_chunks(sink: RecordingSink, writer: ResponseWriter, file: tuple[int, bytes]) -> None:
    fd, content = file
    writer.send([b"h", FileRange(fd, 5, len(content) - 5)])
    assert b"".join(sink.written) == framed(b"h" + content[5:])
    assert max(map(len, sink.written)) == CHUNK_BYTES


def test_nothing_is_read_while_the_transport_has_enough(
    sink: RecordingSink, writer: ResponseWriter, file: tuple[int, bytes]
) -> None:
    fd, content = file
    sink.room = 2
    writer.send([FileRange(fd, 0, len(content)), b"end"])
    assert writer.is_blocked
    assert sum(map(len, sink.written)) == 4 + CHUNK_BYTES
    writer.drain()
    assert sum(map(len, sink.written)) == 4 + CHUNK_BYTES
    sink.room = 1
    writer.resumed()
    writer.drain()
    assert sum(map(len, sink.written)) == 4 + 2 * CHUNK_BYTES
    sink.room = 10
    writer.resumed()
    writer.drain()
    assert not writer.is_blocked
    assert b"".join(sink.written) == framed(content + b"end")


def test_chunks_are_small_while_slow_peers_hold_much(sink: RecordingSink, file: tuple[int, bytes]) -> None:
    fd, content = file
    counters = NetworkCounters()
    slow = [RecordingSink() for _ in range(HELD_BYTES_LIMIT // CHUNK_BYTES)]
    for one in slow:
        one.room = 2
        one.writer = ResponseWriter(one, counters)
        one.writer.send([FileRange(fd, 0, len(content))])
        assert one.writer.is_blocked
    assert counters.bytes_held >= HELD_BYTES_LIMIT
    ResponseWriter(sink, counters).send([FileRange(fd, 0, len(content))])
    assert max(map(len, sink.written)) == CHUNK_BYTES_WHEN_SCARCE
    assert b"".join(sink.written) == framed(content)
    for one in slow[:2]:
        assert one.writer is not None
        one.writer.discard()
    sink.written.clear()
    ResponseWriter(sink, counters).send([FileRange(fd, 0, len(content))])
    assert max(map(len, sink.written)) == CHUNK_BYTES
    for one in slow[2:]:
        assert one.writer is not None
        one.writer.resumed()
    assert counters.bytes_held == 0


def test_big_bytes_leave_in_chunks_too(sink: RecordingSink, writer: ResponseWriter) -> None:
    big = os.urandom(2 * CHUNK_BYTES + 10)
    sink.room = 2
    writer.send([bytearray(big)])
    assert sum(map(len, sink.written)) == 4 + CHUNK_BYTES
    sink.room = 10
    writer.resumed()
    writer.drain()
    assert b"".join(sink.written) == framed(big)


def test_a_file_that_ends_early_is_told(sink: RecordingSink, writer: ResponseWriter, file: tuple[int, bytes]) -> None:
    fd, content = file
    with pytest.raises(IncompleteResponseError, match="before the range"):
        writer.send([FileRange(fd, len(content) - 10, 20)])


def test_nothing_is_written_to_a_closing_transport(sink: RecordingSink, writer: ResponseWriter) -> None:
    sink.closing = True
    writer.send([bytes(SMALL_BYTES + 1)])
    assert sink.written == []
    writer.discard()
    assert not writer.is_blocked


def test_bytes_and_responses_are_counted(sink: RecordingSink) -> None:
    counters = NetworkCounters()
    writer = ResponseWriter(sink, counters)
    writer.send([b"12345"])
    writer.flush()
    writer.send([bytes(SMALL_BYTES + 1)])
    assert counters.responses == 2
    assert counters.bytes_out == sum(map(len, sink.written))


def test_made_bytes_leave_a_piece_at_a_turn(sink: RecordingSink) -> None:
    turns: list[int] = []
    made: list[bytes] = []

    def pieces() -> Iterator[bytes]:
        for piece in (b"a" * 20_000, b"", b"b" * 30_000, b"c" * 10):
            made.append(piece)
            yield piece

    writer = ResponseWriter(sink, NetworkCounters(), lambda: turns.append(len(made)))
    writer.send([b"head", PieceStream(50_010, pieces())])
    assert (writer.is_paused, turns, sum(map(len, sink.written))) == (True, [1], 8 + 20_000)
    while writer.is_blocked:
        writer.resumed()
        writer.drain()
    assert turns == [1, 2, 3]
    assert b"".join(sink.written) == framed(b"head" + b"a" * 20_000 + b"b" * 30_000 + b"c" * 10)
    assert not writer.is_paused


def test_a_piece_that_takes_a_thread_is_waited_for(sink: RecordingSink) -> None:
    turns: list[None] = []
    waiting: list[Callable[[], object]] = []
    writer = ResponseWriter(sink, NetworkCounters(), lambda: turns.append(None))
    writer.send([PieceStream(60_000, iter((b"a" * 30_000, b"b" * 30_000)), waiting.append)])
    assert (writer.is_paused, len(turns), len(waiting)) == (True, 0, 1)
    waiting[0]()
    assert len(turns) == 1
    writer.resumed()
    writer.drain()
    assert not writer.is_blocked


def test_nothing_is_made_while_the_transport_has_enough(sink: RecordingSink) -> None:
    made: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(4):
            made.append(number)
            yield bytes(100_000)

    turns: list[None] = []
    sink.writer = writer = ResponseWriter(sink, NetworkCounters(), lambda: turns.append(None))
    sink.room = 2
    writer.send([b"", PieceStream(400_000, pieces())])
    # The length and the first piece filled the transport: it will say when it takes more.
    assert (made, turns, writer.is_paused) == ([0], [], True)


@pytest.mark.parametrize("pieces", [[b"x" * 30_000], [b"x" * 70_000]])
def test_made_bytes_of_another_size_are_told(sink: RecordingSink, pieces: list[bytes]) -> None:
    writer = ResponseWriter(sink, NetworkCounters())

    def send_all() -> None:
        writer.send([PieceStream(60_000, iter(pieces))])
        writer.resumed()
        writer.drain()

    with pytest.raises(IncompleteResponseError):
        send_all()
