"""The way of a frame through the dispatcher: routes, refusals, errors, late answers."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest

from kwire.api.context import CloseConnection, Services
from kwire.api.dispatch import Dispatcher, Route
from kwire.api.table import API_BY_KEY
from kwire.clock import ManualClock
from kwire.errors import ErrorCode, KafkaError
from kwire.net.endpoint import CLOSE
from kwire.wire.codec import decode, encode
from kwire.wire.header import read_response_header, request_header_bytes
from kwire.wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from kwire.wire.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)


class Peer:
    """As much of a connection as the dispatcher and ApiVersions look at."""

    def __init__(self) -> None:
        self.state: dict[str, object] = {}


def dispatcher() -> Dispatcher:
    services = Services()
    services.clock = ManualClock()
    return Dispatcher(services)


def frame(key: int, version: int, body: bytes, correlation_id: int = 7) -> memoryview:
    return memoryview(bytearray(request_header_bytes(key, version, correlation_id, "test") + body))


def send(target: Dispatcher, data: memoryview) -> Any:
    return target(data, Peer())  # type: ignore[arg-type]  # a stand-in for the connection


def answer(reply: Any, key: int, version: int, cls: type[Any]) -> Any:
    data = b"".join(reply)
    correlation_id, offset = read_response_header(key, version, data)
    assert correlation_id == 7
    return decode(cls, version, data, offset)


def route_to(target: Dispatcher, key: int, version: int, handle: Any) -> None:
    """Serve this API by `handle`, whatever its module does."""
    route = target._routes[key, version] = Route(API_BY_KEY[key], version)
    route.handle = handle


HEARTBEAT = encode(HeartbeatRequest(group_id="g", generation_id=1, member_id="m"), 4)


@pytest.mark.parametrize(
    "data",
    [
        frame(3, 99, b""),
        frame(999, 0, b""),
        frame(4, 0, b""),  # LeaderAndIsr: known, and not served to anybody
        memoryview(bytearray(b"\0\3")),
        frame(3, 1, struct.pack(">i", 2**31 - 1)),
        frame(12, 4, HEARTBEAT[:3]),
    ],
    ids=["version", "key", "not served", "short header", "count that lies", "short body"],
)
def test_what_cannot_be_served_closes_the_connection(data: memoryview) -> None:
    assert send(dispatcher(), data) is CLOSE


def test_errors_find_their_place_in_the_response() -> None:
    target = dispatcher()

    def refuse(request: Any, context: Any) -> Any:
        raise KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE)

    route_to(target, 12, 4, refuse)
    response = answer(send(target, frame(12, 4, HEARTBEAT)), 12, 4, HeartbeatResponse)
    assert response.error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE


def test_a_bug_is_an_unknown_server_error_in_every_partition(caplog: pytest.LogCaptureFixture) -> None:
    target = dispatcher()

    def fail(request: Any, context: Any) -> Any:
        raise ZeroDivisionError("a bug")

    route_to(target, 2, 1, fail)
    asked = ListOffsetsRequest(
        replica_id=-1,
        isolation_level=0,
        topics=[ListOffsetsTopic(name="t", partitions=[ListOffsetsPartition(partition_index=3, timestamp=-1)])],
    )
    response = answer(send(target, frame(2, 1, encode(asked, 1))), 2, 1, ListOffsetsResponse)
    (topic,) = response.topics
    assert [(row.partition_index, row.error_code) for row in topic.partitions] == [(3, ErrorCode.UNKNOWN_SERVER_ERROR)]
    assert "a bug" in caplog.text


def test_a_handler_may_close_the_connection() -> None:
    target = dispatcher()

    def close(request: Any, context: Any) -> Any:
        raise CloseConnection("for a reason")

    route_to(target, 12, 4, close)
    assert send(target, frame(12, 4, HEARTBEAT)) is CLOSE


def test_late_answers_errors_and_silence() -> None:
    target = dispatcher()
    pending: list[asyncio.Future[Any]] = []

    def wait(request: Any, context: Any) -> Any:
        pending.append(asyncio.get_running_loop().create_future())
        return pending[-1]

    async def scenario() -> None:
        route_to(target, 12, 4, wait)
        replies = [send(target, frame(12, 4, HEARTBEAT)) for _ in range(3)]
        pending[0].set_result(HeartbeatResponse(error_code=ErrorCode.NONE, throttle_time_ms=0))
        pending[1].set_exception(KafkaError(ErrorCode.REBALANCE_IN_PROGRESS))
        pending[2].set_result(None)
        first, second, third = [await reply for reply in replies]
        assert answer(first, 12, 4, HeartbeatResponse).error_code == ErrorCode.NONE
        assert answer(second, 12, 4, HeartbeatResponse).error_code == ErrorCode.REBALANCE_IN_PROGRESS
        assert third is None

    asyncio.run(scenario())


def test_a_client_that_leaves_cancels_the_handler() -> None:
    target = dispatcher()
    pending: list[asyncio.Future[Any]] = []

    def wait(request: Any, context: Any) -> Any:
        pending.append(asyncio.get_running_loop().create_future())
        return pending[-1]

    async def scenario() -> None:
        route_to(target, 12, 4, wait)
        reply = send(target, frame(12, 4, HEARTBEAT))
        reply.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert pending[0].cancelled()

    asyncio.run(scenario())
