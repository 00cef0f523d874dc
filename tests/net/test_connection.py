"""Requests and responses over real loopback sockets: order, back-pressure, bad peers, failing handlers."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
import tempfile
from collections.abc import Iterator

import pytest

from kwire.net.connection import REQUESTS_PER_TURN, Connection
from kwire.net.endpoint import Reply
from kwire.net.framing import SCRATCH_BYTES
from kwire.net.limits import ConnectionLimits
from kwire.wire.parts import FileRange, PieceStream
from tests.net.loopback import Answers, Client, LoopFactory, both_loops, framed, run, serving, until

pytestmark = both_loops


def test_a_request_is_answered(loop_factory: LoopFactory) -> None:
    async def main() -> None:
        async with serving(Answers()) as listener:
            client = await Client.connect(listener)
            for size in (4, 4096, 5000, 65_532, 65_533, 1_048_576, 5_000_000):
                body = b"echo" + os.urandom(size - 4)
                assert await client.ask(body) == body
            await client.close()

    run(loop_factory, main())


def test_single_bytes_make_requests_too(loop_factory: LoopFactory) -> None:
    async def main() -> None:
        async with serving(Answers()) as listener:
            client = await Client.connect(listener)
            sock = client.writer.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in framed(b"echo1", b"echo2"):
                client.writer.write(bytes([byte]))
                await asyncio.sleep(0)
            assert [await client.receive(), await client.receive()] == [b"echo1", b"echo2"]
            assert listener.counters.bytes_in == 18
            await client.close()

    run(loop_factory, main())


def test_pipelined_requests_are_answered_in_order_and_fairly(loop_factory: LoopFactory) -> None:
    order: list[bytes] = []

    def handler(frame: memoryview, connection: Connection) -> Reply:
        order.append(bytes(frame[:1]))
        return [bytes(frame)]

    async def main() -> None:
        async with serving(handler) as listener:
            greedy, modest = await Client.connect(listener), await Client.connect(listener)
            bodies = [b"g%d" % number for number in range(REQUESTS_PER_TURN * 20)]
            greedy.send(*bodies)
            modest.send(b"m")
            assert [await greedy.receive() for _ in bodies] == bodies
            assert await modest.receive() == b"m"
            assert order.index(b"m") <= 2 * REQUESTS_PER_TURN
            await greedy.close()
            await modest.close()

    run(loop_factory, main())


def test_one_request_in_work_per_connection(loop_factory: LoopFactory) -> None:
    answers = Answers()

    async def main() -> None:
        async with serving(answers) as listener:
            client, other = await Client.connect(listener), await Client.connect(listener)
            client.send(b"later1", b"echo2", b"later3", b"echo4")
            await answers.count(1)
            assert await other.ask(b"echo") == b"echo"
            assert [bytes(frame) for frame in answers.frames] == [b"later1", b"echo"]
            answers.pending[0].set_result([b"one"])
            assert [await client.receive(), await client.receive()] == [b"one", b"echo2"]
            await answers.count(4)
            answers.pending[1].set_result(None)
            assert await client.receive() == b"echo4"
            await client.close()
            await other.close()

    run(loop_factory, main())


@pytest.mark.parametrize("size", [100, 10_000, 200_000])
def test_the_frame_of_a_request_in_work_holds_while_more_arrives(loop_factory: LoopFactory, size: int) -> None:
    answers = Answers()
    body = b"later" + os.urandom(size)

    async def main() -> None:
        async with serving(answers) as listener:
            client, other = await Client.connect(listener), await Client.connect(listener)
            client.send(body, *[b"echo" + bytes(9000)] * 30)
            await answers.count(1)
            for _ in range(5):
                await other.ask(b"echo" + bytes(50_000))
            assert bytes(answers.frames[0]) == body
            answers.pending[0].set_result([b"done"])
            assert await client.receive() == b"done"
            for _ in range(30):
                assert await client.receive() == b"echo" + bytes(9000)
            await client.close()
            await other.close()

    run(loop_factory, main())


def test_receive_buffers_come_back_from_requests_in_work(loop_factory: LoopFactory) -> None:
    answers = Answers()

    async def main() -> None:
        async with serving(answers) as listener:
            client = await Client.connect(listener)
            for number in range(20):
                client.send(b"later" + bytes(10_000))
                await answers.count(number + 1)
                answers.pending[number].set_result([b"done"])
                assert await client.receive() == b"done"
            assert listener._endpoint.scratches.created_count <= 2
            await client.close()

    run(loop_factory, main())


def test_a_coroutine_is_awaited(loop_factory: LoopFactory) -> None:
    async def handler(frame: memoryview, connection: Connection) -> Reply:
        await asyncio.sleep(0)
        return [b"<", bytes(frame), b">"]

    async def main() -> None:
        async with serving(handler) as listener:
            client = await Client.connect(listener)
            client.send(b"1", b"2")
            assert [await client.receive(), await client.receive()] == [b"<1>", b"<2>"]
            await client.close()

    run(loop_factory, main())


def test_reading_stops_while_a_request_is_in_work_and_the_buffer_is_full(loop_factory: LoopFactory) -> None:
    answers = Answers()

    async def main() -> None:
        async with serving(answers) as listener:
            client = await Client.connect(listener)
            client.send(b"later", *[b"echo" + bytes(20_000)] * 400)
            await answers.count(1)
            for _ in range(50):
                await asyncio.sleep(0)
            assert listener.counters.bytes_in <= 2 * SCRATCH_BYTES
            answers.pending[0].set_result([b"done"])
            assert await client.receive() == b"done"
            for _ in range(400):
                assert await client.receive() == b"echo" + bytes(20_000)
            await client.close()

    run(loop_factory, main())


def test_a_slow_reader_gets_it_all_and_costs_a_chunk(loop_factory: LoopFactory) -> None:
    content = os.urandom(24 * 1024 * 1024)
    answers = Answers()

    async def main() -> None:
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.flush()
            answers.replies[b"file"] = [b"head", FileRange(file.fileno(), 0, len(content)), b"tail"]
            async with serving(answers, limits=ConnectionLimits(socket_send_buffer_bytes=65_536)) as listener:
                with socket.create_connection(("127.0.0.1", listener.port)) as slow:
                    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
                    slow.sendall(framed(b"file", b"echo"))
                    slow.setblocking(False)
                    other = await Client.connect(listener)
                    await answers.count(1)
                    for _ in range(20):
                        assert await other.ask(b"echo") == b"echo"
                    assert listener.counters.bytes_out < 8 * 1024 * 1024
                    assert len(answers.frames) == 21
                    loop = asyncio.get_running_loop()
                    received = bytearray()
                    expected = framed(b"head" + content + b"tail", b"echo")
                    while len(received) < len(expected):
                        received += await loop.sock_recv(slow, 1 << 20)
                    assert received == expected
                    await other.close()

    run(loop_factory, main())


def test_a_client_that_never_reads_its_answers_is_not_served_further(loop_factory: LoopFactory) -> None:
    answers = Answers()

    async def main() -> None:
        async with serving(answers, limits=ConnectionLimits(socket_send_buffer_bytes=65_536)) as listener:
            client = await Client.connect(listener)
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport as well
            body = b"echo" + bytes(30_000)
            client.send(*[body] * 1000)
            served = -1
            while served != len(answers.frames):
                served = len(answers.frames)
                for _ in range(100):
                    await asyncio.sleep(0)
            assert served < 1000
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
            for _ in range(1000):
                assert await client.receive() == body
            await client.close()

    run(loop_factory, main())


@pytest.mark.parametrize(
    ("garbage", "line"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "looks like an HTTP request; the Kafka port speaks Kafka's protocol"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "looks like a TLS handshake"),
        (b"\x00\x00\x00\x00", "frame length 0 is not positive"),
        (b"\xff\xff\xff\xfe", "frame length -2 is not positive"),
        (struct.pack(">i", 104_857_601), "exceeds socket.request.max.bytes=104857600"),
        (b"\x7f\xfe\xfd\xfc\xfb\xfa" * 30_000, "exceeds socket.request.max.bytes"),
    ],
)
def test_garbage_closes_its_connection_with_one_line(
    loop_factory: LoopFactory, garbage: bytes, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving(Answers()) as listener:
            good, bad = await Client.connect(listener), await Client.connect(listener)
            bad.writer.write(garbage)
            assert await bad.is_closed_by_peer()
            assert await good.ask(b"echo") == b"echo"
            assert listener.counters.frames_rejected == 1
            await good.close()
            await bad.close()

    with caplog.at_level(logging.INFO):
        run(loop_factory, main())
    assert [line in record.message for record in caplog.records] == [True]
    assert "127.0.0.1:" in caplog.records[0].message


def test_requests_before_the_garbage_are_answered(loop_factory: LoopFactory) -> None:
    async def main() -> None:
        async with serving(Answers()) as listener:
            client = await Client.connect(listener)
            client.writer.write(framed(b"echo1", b"echo2") + b"\xff\xff\xff\xff")
            assert [await client.receive(), await client.receive()] == [b"echo1", b"echo2"]
            assert await client.is_closed_by_peer()
            await client.close()

    run(loop_factory, main())


@pytest.mark.parametrize("how", ["at once", "later", "no reply at all"])
def test_an_exception_ends_one_connection_and_leaves_a_traceback(
    loop_factory: LoopFactory, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    answers = Answers()
    answers.replies[b"wrong"] = "not a reply"  # type: ignore[assignment]  # the mistake under test

    async def main() -> None:
        async with serving(answers) as listener:
            good, bad = await Client.connect(listener), await Client.connect(listener)
            bad.send(b"echo", {"at once": b"raise", "later": b"later", "no reply at all": b"wrong"}[how], b"echo")
            await answers.count(2)
            if how == "later":
                answers.pending[0].set_exception(RuntimeError("the handler's own fault"))
            assert await bad.receive() == b"echo"
            assert await bad.is_closed_by_peer()
            assert await good.ask(b"echo") == b"echo"
            assert listener.counters.request_errors == 1
            await good.close()
            await bad.close()

    run(loop_factory, main())
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_close_is_a_reply(loop_factory: LoopFactory) -> None:
    async def main() -> None:
        async with serving(Answers()) as listener:
            client = await Client.connect(listener)
            client.send(b"echo", b"close", b"echo")
            assert await client.receive() == b"echo"
            assert await client.is_closed_by_peer()
            await client.close()

    run(loop_factory, main())


def test_a_disk_error_cuts_that_response_off(loop_factory: LoopFactory, caplog: pytest.LogCaptureFixture) -> None:
    answers = Answers()

    async def main() -> None:
        with tempfile.TemporaryFile() as file:
            file.write(bytes(1000))
            file.flush()
            answers.replies[b"short"] = [FileRange(file.fileno(), 0, 2000)]
            async with serving(answers) as listener:
                good, bad = await Client.connect(listener), await Client.connect(listener)
                bad.send(b"short")
                with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                    await bad.receive()
                assert await good.ask(b"echo") == b"echo"
                assert listener.counters.response_errors == 1
                await good.close()
                await bad.close()

    run(loop_factory, main())
    assert "cannot be completed" in caplog.text


def test_a_client_that_leaves_while_its_request_is_in_work(loop_factory: LoopFactory) -> None:
    answers = Answers()
    gone: list[str] = []

    async def main() -> None:
        async with serving(answers) as listener:
            client = await Client.connect(listener)
            client.send(b"later")
            await answers.count(1)
            connection = answers.connections[0]
            connection.on_close(lambda: gone.append("first"))
            unwanted = lambda: gone.append("unwanted")  # noqa: E731
            connection.on_close(unwanted)
            connection.forget_on_close(unwanted)
            await client.close()
            await until(lambda: listener.connection_count == 0)
            assert gone == ["first"]
            assert answers.pending[0].cancelled()
            connection.on_close(lambda: gone.append("late"))
            await until(lambda: len(gone) == 2)
            assert listener.counters.responses == 0

    run(loop_factory, main())


def test_requests_left_behind_by_a_closing_client_are_still_handled(loop_factory: LoopFactory) -> None:
    answers = Answers()

    async def main() -> None:
        async with serving(answers) as listener:
            client = await Client.connect(listener)
            client.send(b"later", *[b"none"] * 100)
            client.writer.write_eof()
            await answers.count(1)
            for _ in range(20):
                await asyncio.sleep(0)
            answers.pending[0].set_result([b"done"])
            assert await client.receive() == b"done"
            assert await client.is_closed_by_peer()
            assert len(answers.frames) == 101
            await client.close()

    run(loop_factory, main())


def test_handlers_see_both_ends_and_their_own_state(loop_factory: LoopFactory) -> None:
    def handler(frame: memoryview, connection: Connection) -> Reply:
        seen = connection.state["seen"] = int(str(connection.state.get("seen", 0))) + 1
        ends = f"{connection.peer_host}:{connection.peer_port} {connection.local_host}:{connection.local_port}"
        return [f"{ends} {connection.listener_name} {connection.security_protocol} {seen}".encode()]

    async def main() -> None:
        async with serving(handler, host="localhost") as listener:
            for host in ("127.0.0.1", "::1"):
                client = await Client.connect(listener, host)
                own_port = client.writer.get_extra_info("sockname")[1]
                for seen in (1, 2):
                    answer = f"{host}:{own_port} {host}:{listener.port} PLAINTEXT PLAINTEXT {seen}"
                    assert (await client.ask(b"?")).decode() == answer
                await client.close()

    run(loop_factory, main())


def test_others_are_served_while_bytes_are_made(loop_factory: LoopFactory) -> None:
    made: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(40):
            made.append(number)
            yield bytes([number]) * 100_000 if number % 2 else b""

    answers = Answers()
    answers.replies[b"made"] = [b"head", PieceStream(20 * 100_000, pieces()), b"tail"]

    async def main() -> None:
        async with serving(answers) as listener:
            client, other = await Client.connect(listener), await Client.connect(listener)
            client.send(b"made", b"echo")
            await answers.count(1)
            progress = []
            while len(made) < 40:
                assert await other.ask(b"echo") == b"echo"
                progress.append(len(made))
            assert len(set(progress)) > 3
            expected = b"".join(bytes([number]) * 100_000 for number in range(1, 40, 2))
            assert await client.receive() == b"head" + expected + b"tail"
            assert await client.receive() == b"echo"
            await client.close()
            await other.close()

    run(loop_factory, main())


def test_bytes_stop_being_made_when_their_client_leaves_or_does_not_read(loop_factory: LoopFactory) -> None:
    made: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(1000):
            made.append(number)
            yield bytes(100_000)

    answers = Answers()
    answers.replies[b"made"] = [PieceStream(1000 * 100_000, pieces())]

    async def main() -> None:
        async with serving(answers, limits=ConnectionLimits(socket_send_buffer_bytes=65_536)) as listener:
            client = await Client.connect(listener)
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport as well
            client.send(b"made")
            await answers.count(1)
            before = -1
            while before != len(made):
                before = len(made)
                for _ in range(100):
                    await asyncio.sleep(0)
            assert len(made) < 200
            client.writer.transport.abort()
            await until(lambda: listener.counters.connections_closed == 1)
            assert len(made) < 200

    run(loop_factory, main())
