"""A whole broker without a listener: requests go through the dispatcher, bytes in and bytes out, on a manual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from kwire.api.dispatch import Dispatcher
from kwire.broker import Broker
from kwire.clock import ManualClock
from kwire.cluster.controller.core import NewTopic
from kwire.cluster.znodes import BrokerRegistration
from kwire.config.broker_config import BrokerConfig
from kwire.config.endpoints import Endpoint
from kwire.ids import TopicPartition
from kwire.log.log import Log
from kwire.net.endpoint import CLOSE
from kwire.wire.codec import decode, encode
from kwire.wire.header import read_response_header, request_header_bytes
from kwire.wire.messages import response_class
from kwire.wire.parts import Unread
from kwire.wire.records import Record, build_batch, read_records


class Peer:
    """As much of a connection as handlers look at: a client that came over loopback."""

    listener_name = "PLAINTEXT"
    security_protocol = "PLAINTEXT"
    peer_host, peer_port = "127.0.0.1", 50000
    local_host, local_port = "127.0.0.1", 9092

    def __init__(self) -> None:
        self.state: dict[str, object] = {}
        self.close_callbacks: list[Callable[[], object]] = []

    def on_close(self, callback: Callable[[], object]) -> None:
        self.close_callbacks.append(callback)

    def hang_up(self) -> None:
        """The client is gone."""
        for callback in self.close_callbacks:
            callback()


class DeafBroker(Broker):
    """A broker that binds nothing."""

    dispatcher: Dispatcher

    async def _listen(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher

    def _registration(self) -> BrokerRegistration:
        endpoint = Endpoint("PLAINTEXT", "localhost", 9092, "PLAINTEXT")
        return BrokerRegistration(self.broker_id, (endpoint,), None, -1, self.clock.now_ms())


class Closed(Exception):
    """The broker closed the connection instead of answering."""


class Served:
    """The broker, its clock, and calls that return decoded responses (None where there is none)."""

    def __init__(self, settings: dict[str, str] | None = None, *, directories: Sequence[Path] = ()) -> None:
        """The data lies in `directories`, or, without any, in one that goes away."""
        options = dict(settings or {})
        if directories:
            options["log.dirs"] = ",".join(map(str, directories))
        self.clock = ManualClock()
        self.loop = asyncio.new_event_loop()
        self.peer = Peer()
        self.broker = DeafBroker(BrokerConfig(options), ephemeral=not directories, clock=self.clock)
        try:
            self.loop.run_until_complete(self.broker.start())
        except BaseException:
            self.loop.close()
            raise

    def close(self) -> None:
        self.loop.run_until_complete(self.broker.stop())
        # As `asyncio.run` does: what was stopped has its last turns.
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()

    def run(self, work: Awaitable[Any]) -> Any:
        """Await something in the broker's event loop."""

        async def awaited() -> Any:
            return await work

        return self.loop.run_until_complete(awaited())

    async def send(self, request: Any, version: int, client_id: str = "test") -> Any:
        """One request; raises Closed."""
        key: int = type(request).__wire__.key
        frame = request_header_bytes(key, version, 7, client_id) + encode(request, version)
        reply = self.broker.dispatcher(memoryview(bytearray(frame)), self.peer)  # type: ignore[arg-type]  # a stand-in
        if isinstance(reply, Awaitable):
            reply = await reply
        if reply is CLOSE:
            raise Closed
        if reply is None:
            return None
        data = b"".join(part.read() if isinstance(part, Unread) else part for part in reply)  # type: ignore[union-attr]
        correlation_id, offset = read_response_header(key, version, data)
        assert correlation_id == 7
        return decode(response_class(key), version, data, offset)

    def call(self, request: Any, version: int) -> Any:
        """`send`, from outside of the event loop."""
        return self.loop.run_until_complete(self.send(request, version))

    def create_topic(self, name: str, partitions: int = 1, **overrides: str) -> bytes:
        """A topic (option names with `_` for `.`); its id."""
        settings = {option.replace("_", "."): value for option, value in overrides.items()}
        new = NewTopic(name, partitions, 1, overrides=settings)
        (result,) = self.run(self.broker.services.controller.create_topics([new]))
        assert result.error is None, result.error
        return bytes(result.topic.topic_id)

    def fill(self, topic: str, *batches: bytes, partition: int = 0) -> None:
        """Append batches as a producer would, at the clock's instant."""
        led = self.broker.services.replicas.partition(topic, partition)
        for data in batches:
            led.append(memoryview(bytearray(data)), required_acks=1, now_ms=self.clock.now_ms(), produce_version=9)

    def log(self, topic: str, partition: int = 0) -> Log:
        """The log itself, to look at or to prepare."""
        return self.broker.services.replicas.log_of(TopicPartition(topic, partition))


def batch(*values: bytes, timestamp: int = 1_700_000_000_000, **options: Any) -> bytes:
    """A batch with one record per value, a millisecond apart, with key b"k"."""
    return bytes(build_batch([(timestamp + i, b"k", value, []) for i, value in enumerate(values)], **options))


def records(data: Any) -> list[Record]:
    """All records of the whole batches in a fetched `records` field."""
    from kwire.wire.record_batch import batches

    data = bytes(data or b"")
    return [record for position, _ in batches(data) for record in read_records(data, position)]
