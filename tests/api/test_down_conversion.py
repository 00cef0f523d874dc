"""What consumers of Fetch 0-3 get: formats, sizes, refusals, and how much is made at a time."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from kwire.api import down_conversion
from kwire.errors import ErrorCode
from kwire.wire.codec import encode
from kwire.wire.compression import GZIP, NAMES, NONE, ZSTD
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from kwire.wire.header import request_header_bytes
from kwire.wire.legacy import message_batches
from kwire.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from kwire.wire.parts import FileRange, PieceStream, part_size
from tests.api.served import Served, batch, records
from tests.api.test_fetch import only, request


def found(data: Any) -> list[tuple[int, bytes | None]]:
    """(offset, value) of the records up to the filling."""
    raw = bytes(data.records)
    end = raw.find(b"\xff" * 8)
    return [
        (record.offset, record.value)
        for one in message_batches(raw, 0, end if end >= 0 else len(raw))
        for record in one.records
    ]


def alter(served: Served, topic: str, name: str, value: str) -> None:
    config = AlterableConfig(name=name, config_operation=0, value=value)
    resource = AlterConfigsResource(resource_type=2, resource_name=topic, configs=[config])
    (answer,) = served.call(IncrementalAlterConfigsRequest(resources=[resource], validate_only=False), 1).responses
    assert answer.error_code == ErrorCode.NONE, answer.error_message


@pytest.mark.parametrize("codec", range(ZSTD), ids=NAMES[:ZSTD])
@pytest.mark.parametrize("version", range(4))
def test_every_codec_but_zstd_in_every_old_version(served: Served, version: int, codec: int) -> None:
    served.create_topic("t")
    served.fill("t", batch(b"a" * 100, b"b", compression=codec), batch(b"c", compression=codec))
    data = only(served.call(request(), version))
    raw = bytes(data.records)
    assert (data.error_code, raw[16], raw[17] & 7) == (ErrorCode.NONE, 0 if version < 2 else 1, codec)
    assert found(data) == [(0, b"a" * 100), (1, b"b"), (2, b"c")][: len(found(data))]
    assert len(found(data)) >= 2


def test_the_size_is_that_of_the_stored_batches(served: Served) -> None:
    served.create_topic("t")
    served.fill("t", *(batch(*[b"x" * 100] * 10) for _ in range(100)))
    stored = only(served.call(request(), 4)).records
    data = only(served.call(request(), 3))
    # Messages take more room than records: what has no room is fetched next.
    assert len(data.records) == len(stored)
    offsets = [offset for offset, _ in found(data)]
    assert offsets == list(range(len(offsets)))
    assert 600 < len(offsets) < 1000
    rest = only(served.call(request(len(offsets)), 3))
    assert found(rest)[0][0] == len(offsets)


def test_a_first_batch_that_grows_comes_whole(served: Served) -> None:
    served.create_topic("t")
    served.fill("t", batch(*[b""] * 50))
    stored = only(served.call(request(), 4)).records
    data = only(served.call(request(), 3))
    assert len(data.records) > len(stored)
    assert len(found(data)) == 50


def test_what_is_left_out_is_filled(served: Served) -> None:
    served.create_topic("t")
    marker = build_end_transaction_marker(
        EndTransactionMarker(True, 0), producer_id=1, producer_epoch=0, timestamp=1_700_000_000_000
    )
    led = served.broker.services.replicas.partition("t", 0)
    led.append_own(memoryview(marker), now_ms=served.clock.now_ms())
    data = only(served.call(request(), 3))
    assert (data.error_code, len(data.records), found(data)) == (ErrorCode.NONE, len(marker), [])
    assert int.from_bytes(bytes(data.records)[8:12], "big") > len(marker)
    served.fill("t", batch(b"a"))
    assert found(only(served.call(request(), 3))) == [(1, b"a")]


@pytest.mark.parametrize("version", range(4))
def test_conversion_can_be_forbidden_while_the_broker_runs(served: Served, version: int) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a"))
    assert found(only(served.call(request(), version))) == [(0, b"a")]
    alter(served, "t", "message.downconversion.enable", "false")
    data = only(served.call(request(), version))
    assert (data.error_code, bytes(data.records)) == (ErrorCode.UNSUPPORTED_VERSION, b"")
    for newer in (4, 12, 17):
        assert only(served.call(request(topic_id=topic_id), newer)).error_code == ErrorCode.NONE
    alter(served, "t", "message.downconversion.enable", "true")
    assert found(only(served.call(request(), version))) == [(0, b"a")]


def test_zstd_is_refused_when_it_comes_first_and_ends_the_answer_when_it_does_not(served: Served) -> None:
    served.create_topic("t")
    served.fill("t", batch(b"a"), batch(b"b", compression=ZSTD), batch(b"c"))
    assert found(only(served.call(request(), 3))) == [(0, b"a")]
    data = only(served.call(request(1), 3))
    assert (data.error_code, bytes(data.records)) == (ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, b"")
    assert [record.value for record in records(only(served.call(request(1), 4)).records)] == [b"b", b"c"]


def test_a_topic_of_zstd_is_not_for_consumers_that_do_not_know_it(served: Served) -> None:
    served.create_topic("t", compression_type="zstd")
    served.fill("t", batch(b"a"))
    for version in (0, 3, 4, 9):
        assert only(served.call(request(), version)).error_code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    assert [record.value for record in records(only(served.call(request(), 10)).records)] == [b"a"]


@pytest.mark.parametrize("compression", [NONE, GZIP])
def test_little_is_made_before_it_is_sent(served: Served, compression: int) -> None:
    served.create_topic("t")
    big = batch(*(bytes([n % 251]) * 500 for n in range(1000)), compression=compression)
    served.fill("t", *[big] * 40)

    async def reply() -> Any:
        frame = request_header_bytes(1, 3, 7, "test") + encode(
            request(partition_max_bytes=1 << 30, max_bytes=1 << 30), 3
        )
        return await served.broker.dispatcher(memoryview(bytearray(frame)), served.peer)  # type: ignore[misc,arg-type]  # a stand-in

    (stream,) = [part for part in served.run(reply()) if isinstance(part, PieceStream)]
    size = part_size(stream)
    assert size >= len(big) * 40 - 1000
    pieces = []
    while stream.size:
        pieces.append(stream.next_piece())
    assert max(map(len, pieces)) < 700_000
    assert len(pieces) >= 40 or compression
    assert sum(map(len, pieces)) == size


def test_a_bomb_is_opened_in_a_thread(served: Served) -> None:
    """Each piece of it: the loop turns all the while."""
    served.create_topic("t")
    bomb = batch(*[bytes(1000)] * 3000, compression=GZIP)
    served.fill("t", bomb, batch(b"last"))
    threads: set[int] = set()
    made = down_conversion._Conversion._next

    def noted(conversion: Any) -> Any:
        threads.add(threading.get_ident())
        return made(conversion)

    async def sent() -> bytes:
        frame = request_header_bytes(1, 3, 7, "test") + encode(
            request(partition_max_bytes=1 << 30, max_bytes=1 << 30), 3
        )
        reply = await served.broker.dispatcher(memoryview(bytearray(frame)), served.peer)  # type: ignore[misc,arg-type]  # a stand-in
        (stream,) = [part for part in reply if isinstance(part, PieceStream)]
        out = b""
        while stream.size:
            ready = asyncio.Event()
            stream.when_ready(ready.set)
            await ready.wait()
            out += stream.next_piece()
        return out

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(down_conversion._Conversion, "_next", noted)
        raw = served.run(sent())
    assert threads
    assert threading.get_ident() not in threads
    assert next(message_batches(raw)).records[0].value == bytes(1000)


def test_a_damaged_batch_is_told_when_it_comes_first(served: Served) -> None:
    served.create_topic("t")
    served.fill("t", batch(b"a"), batch(b"b", b"c"))
    log = served.log("t")
    with open(log.segments.active.log_path, "r+b") as file:  # a test's own damage
        file.seek(len(batch(b"a")) + 57)
        file.write((9).to_bytes(4, "big"))
    assert found(only(served.call(request(), 3))) == [(0, b"a")]
    assert only(served.call(request(1), 3)).error_code == ErrorCode.CORRUPT_MESSAGE


def test_a_file_that_cannot_be_read_sends_the_client_to_look_for_the_leader(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.create_topic("t")
    served.fill("t", batch(b"a"))

    def broken(part: FileRange) -> bytes:
        raise OSError("gone")

    monkeypatch.setattr(FileRange, "read", broken)
    assert only(served.call(request(), 3)).error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER


def test_a_long_poll_is_converted_too(served: Served) -> None:
    served.create_topic("t")

    async def scenario() -> None:
        poll = asyncio.ensure_future(served.send(request(max_wait_ms=60_000), 2))
        for _ in range(3):
            await asyncio.sleep(0)
        assert not poll.done()
        served.fill("t", batch(b"a"))
        assert found(only(await poll)) == [(0, b"a")]

    served.run(scenario())
