"""Binding, limits on connections, idle ones, running out of descriptors, and the orderly stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket

import pytest

from kwire.clock import ManualClock
from kwire.net.limits import ConnectionLimits, ConnectionQuotas
from kwire.net.listener import Listener
from tests.net.loopback import Answers, Client, LoopFactory, both_loops, run, serving, until

pytestmark = both_loops


@pytest.mark.parametrize("host", ["", "localhost"])
def test_both_families_share_one_free_port(loop_factory: LoopFactory, host: str) -> None:
    async def main() -> None:
        async with serving(Answers(), host=host) as listener:
            assert listener.port != 0
            assert {port for _, port in listener.addresses} == {listener.port}
            for loopback in ("127.0.0.1", "::1", "localhost"):
                client = await Client.connect(listener, loopback)
                assert await client.ask(b"echo") == b"echo"
                await client.close()

    run(loop_factory, main())


def test_a_machine_without_ipv6_is_served_by_ipv4(loop_factory: LoopFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    bind_one = Listener._bind_one

    def no_ipv6(self: Listener, family: int, host: str, port: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return bind_one(self, family, host, port)

    monkeypatch.setattr(Listener, "_bind_one", no_ipv6)

    async def main() -> None:
        async with serving(Answers(), host="localhost") as listener:
            assert [host for host, _ in listener.addresses] == ["127.0.0.1"]

    run(loop_factory, main())


def test_another_port_is_chosen_when_the_second_family_has_it_taken(
    loop_factory: LoopFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    bind_one = Listener._bind_one
    refusals = [OSError(errno.EADDRINUSE, "Address already in use")]

    def taken_once(self: Listener, family: int, host: str, port: int) -> socket.socket:
        if family == socket.AF_INET6 and refusals:
            raise refusals.pop()
        return bind_one(self, family, host, port)

    monkeypatch.setattr(Listener, "_bind_one", taken_once)

    async def main() -> None:
        async with serving(Answers(), host="localhost") as listener:
            assert len(listener.addresses) == 2

    run(loop_factory, main())
    assert refusals == []


def test_a_taken_port_is_named(loop_factory: LoopFactory) -> None:
    async def main() -> None:
        async with serving(Answers()) as listener:
            second = Listener("INTERNAL", "127.0.0.1", listener.port, Answers())
            with pytest.raises(
                OSError, match=rf"listener INTERNAL cannot listen on 127.0.0.1:{listener.port}: Addr"
            ) as e:
                await second.start()
            assert e.value.errno == errno.EADDRINUSE

    run(loop_factory, main())


def test_an_unknown_host_is_named(loop_factory: LoopFactory) -> None:
    async def main() -> None:
        with pytest.raises(OSError, match=r"listener PLAINTEXT: cannot resolve 'no such host'"):
            await Listener("PLAINTEXT", "no such host", 0, Answers()).start()

    run(loop_factory, main())


def test_sockets_are_set_up_for_small_answers_and_dead_peers(loop_factory: LoopFactory) -> None:
    answers = Answers()
    limits = ConnectionLimits(socket_send_buffer_bytes=50_000, socket_receive_buffer_bytes=60_000)

    async def main() -> None:
        async with serving(answers, limits=limits) as listener:
            client = await Client.connect(listener)
            await client.ask(b"echo")
            sock = answers.connections[0]._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 100_000  # Linux doubles it.
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 120_000
            await client.close()

    run(loop_factory, main())


def test_beyond_max_connections_is_refused_until_one_leaves(
    loop_factory: LoopFactory, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving(Answers(), limits=ConnectionLimits(max_connections=2), clock=ManualClock()) as listener:
            first, second = await Client.connect(listener), await Client.connect(listener)
            assert await first.ask(b"echo") == await second.ask(b"echo") == b"echo"
            for _ in range(3):
                refused = await Client.connect(listener)
                assert await refused.is_closed_by_peer()
                await refused.close()
            assert listener.counters.connections_refused == 3
            await first.close()
            await until(lambda: listener.connection_count == 1)
            third = await Client.connect(listener)
            assert await third.ask(b"echo") == b"echo"
            await second.close()
            await third.close()

    run(loop_factory, main())
    assert [record.message.partition(": ")[2] for record in caplog.records] == ["max.connections=2 is reached"]


def test_the_limit_per_address_counts_over_all_listeners(loop_factory: LoopFactory) -> None:
    async def main() -> None:
        limits = ConnectionLimits(max_connections_per_ip=1, max_connections_per_ip_overrides={"::1": 2})
        quotas = ConnectionQuotas(limits)
        async with (
            serving(Answers(), quotas=quotas, host="localhost") as one,
            serving(Answers(), quotas=quotas, host="localhost") as two,
        ):
            first = await Client.connect(one)
            assert await first.ask(b"echo") == b"echo"
            refused = await Client.connect(two)
            assert await refused.is_closed_by_peer()
            others = [await Client.connect(one, "::1"), await Client.connect(two, "::1")]
            assert [await other.ask(b"echo") for other in others] == [b"echo", b"echo"]
            for client in (first, refused, *others):
                await client.close()
            await until(lambda: quotas.open_count == 0)

    run(loop_factory, main())


def test_idle_connections_are_closed_and_busy_ones_are_not(loop_factory: LoopFactory) -> None:
    clock = ManualClock()
    answers = Answers()

    async def main() -> None:
        async with serving(answers, limits=ConnectionLimits(connections_max_idle_ms=1000_000), clock=clock) as listener:
            idle, lively, waiting = [await Client.connect(listener) for _ in range(3)]
            for client in (idle, lively):
                assert await client.ask(b"echo") == b"echo"
            waiting.send(b"later")
            await answers.count(3)
            assert listener.close_idle(clock.monotonic()) == 0
            clock.advance(999_999)
            assert listener.close_idle(clock.monotonic()) == 0
            assert await lively.ask(b"echo") == b"echo"
            clock.advance(1)
            assert listener.close_idle(clock.monotonic()) == 1
            assert await idle.is_closed_by_peer()
            assert await lively.ask(b"echo") == b"echo"
            answers.pending[0].set_result([b"done"])
            assert await waiting.receive() == b"done"
            assert listener.counters.connections_idle_closed == 1
            for client in (idle, lively, waiting):
                await client.close()

    run(loop_factory, main())


def test_a_silent_newcomer_is_idle_too(loop_factory: LoopFactory) -> None:
    clock = ManualClock()

    async def main() -> None:
        async with serving(Answers(), limits=ConnectionLimits(connections_max_idle_ms=60_000), clock=clock) as listener:
            silent = await Client.connect(listener)
            await until(lambda: listener.connection_count == 1)
            clock.advance(60_000)
            assert listener.close_idle(clock.monotonic()) == 1
            assert await silent.is_closed_by_peer()
            await silent.close()

    run(loop_factory, main())


def test_idle_connections_stay_when_the_limit_is_off(loop_factory: LoopFactory) -> None:
    clock = ManualClock()

    async def main() -> None:
        async with serving(Answers(), limits=ConnectionLimits(connections_max_idle_ms=-1), clock=clock) as listener:
            client = await Client.connect(listener)
            await until(lambda: listener.connection_count == 1)
            clock.advance(10**12)
            assert listener.close_idle(clock.monotonic()) == 0
            await client.close()

    run(loop_factory, main())


def test_running_out_of_descriptors_only_delays_accepting(
    loop_factory: LoopFactory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accept = socket.socket.accept
    failures = [OSError(errno.EMFILE, "Too many open files"), OSError(errno.ENFILE, "File table overflow")]

    def exhausted(self: socket.socket) -> tuple[socket.socket, object]:
        if failures:
            raise failures.pop()
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", exhausted)
    monkeypatch.setattr("kwire.net.listener.ACCEPT_RETRY_S", 0)

    async def main() -> None:
        async with serving(Answers(), clock=ManualClock()) as listener:
            client = await Client.connect(listener)
            assert await client.ask(b"echo") == b"echo"
            assert listener.counters.accept_errors == 2
            await client.close()

    run(loop_factory, main())
    assert len([record for record in caplog.records if "cannot accept" in record.message]) == 1


def test_stop_answers_the_request_in_work_and_no_other(loop_factory: LoopFactory) -> None:
    answers = Answers()

    async def main() -> None:
        listener = Listener("PLAINTEXT", "127.0.0.1", 0, answers)
        await listener.start()
        idle, busy = await Client.connect(listener), await Client.connect(listener)
        assert await idle.ask(b"echo") == b"echo"
        busy.send(b"later", b"echo")
        await answers.count(2)
        stopping = asyncio.ensure_future(listener.stop(grace_s=1000))
        assert await idle.is_closed_by_peer()
        with pytest.raises(ConnectionRefusedError):
            await Client.connect(listener)
        busy.send(b"echo")
        assert not stopping.done()
        answers.pending[0].set_result([b"the last one"])
        assert await busy.receive() == b"the last one"
        assert await busy.is_closed_by_peer()
        await stopping
        assert len(answers.frames) == 2
        assert listener.connection_count == 0
        await idle.close()
        await busy.close()

    run(loop_factory, main())


def test_stop_cuts_off_what_outlasts_the_grace(loop_factory: LoopFactory) -> None:
    cancelled = asyncio.Event()

    async def endless(frame: memoryview, connection: object) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    started = asyncio.Event()

    async def main() -> None:
        listener = Listener("PLAINTEXT", "127.0.0.1", 0, endless)
        await listener.start()
        client = await Client.connect(listener)
        client.send(b"?")
        await started.wait()
        await listener.stop(grace_s=0)
        await cancelled.wait()
        assert await client.is_closed_by_peer()
        await listener.stop()
        await client.close()

    run(loop_factory, main())


def test_a_stopped_port_is_free_again(loop_factory: LoopFactory) -> None:
    async def main() -> None:
        async with serving(Answers()) as listener:
            client = await Client.connect(listener)
            assert await client.ask(b"echo") == b"echo"
        again = Listener("PLAINTEXT", "127.0.0.1", listener.port, Answers())
        await again.start()
        await again.stop()
        await client.close()

    run(loop_factory, main())


def test_a_thousand_idle_connections_hold_a_single_receive_buffer(
    loop_factory: LoopFactory, caplog: pytest.LogCaptureFixture
) -> None:
    limits = ConnectionLimits(socket_listen_backlog_size=1000)

    async def main() -> None:
        async with serving(Answers(), limits=limits) as listener:
            clients = [await Client.connect(listener) for _ in range(1000)]
            for client in clients:
                client.send(b"echo")
            for client in clients:
                assert await client.receive() == b"echo"
            assert listener.connection_count == 1000
            assert listener._endpoint.scratches.created_count == 1
            for client in clients:
                client.writer.transport.abort()
            await until(lambda: listener.connection_count == 0)

    with caplog.at_level(logging.INFO, logger="kwire.net"):
        run(loop_factory, main())
    assert not caplog.records
