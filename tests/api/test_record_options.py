"""The options that decide what becomes of records: each shows its effect, and is changed while the broker runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kwire.errors import ErrorCode
from kwire.log.validate import MOST_RECORDS_AT_ONCE
from kwire.wire.compression import GZIP, LZ4, NAMES, NONE, SNAPPY, ZSTD
from kwire.wire.legacy import build_message_set
from kwire.wire.record_batch import BatchHeader, batches
from kwire.wire.records import Record, build_batch
from tests.api.served import Served, batch, records
from tests.api.test_down_conversion import alter
from tests.api.test_fetch import only as only_fetched
from tests.api.test_fetch import request as fetch
from tests.api.test_produce import only, request

HOUR_MS = 3_600_000


def produce(served: Served, data: bytes, version: int = 9) -> Any:
    return only(served.call(request(data, acks=1, timeout_ms=1000), version))


def stored(served: Served, offset: int = 0) -> list[BatchHeader]:
    raw = bytes(only_fetched(served.call(fetch(offset), 12)).records)
    return [header for _, header in batches(raw)]


def now(served: Served) -> int:
    return served.clock.now_ms()


def test_compression_type(served: Served) -> None:
    served.create_topic("t")
    text = [b"some text %d" % (n % 5) * 30 for n in range(50)]
    wanted = [("producer", SNAPPY), ("gzip", GZIP), ("lz4", LZ4), ("snappy", SNAPPY), ("uncompressed", NONE)]
    for name, _ in wanted:
        alter(served, "t", "compression.type", name)
        assert produce(served, batch(*text, compression=SNAPPY)).error_code == ErrorCode.NONE
    assert [header.compression for header in stored(served)] == [codec for _, codec in wanted]
    alter(served, "t", "compression.type", "zstd")
    produce(served, batch(*text, compression=SNAPPY))
    assert stored(served, 250)[0].compression == ZSTD
    assert [record.value for record in records(only_fetched(served.call(fetch(), 12)).records)] == text * 6


@pytest.mark.parametrize(("codec", "low", "high"), [("gzip", "1", "9"), ("lz4", "1", "17"), ("zstd", "-100", "19")])
def test_compression_levels(served: Served, codec: str, low: str, high: str) -> None:
    served.create_topic("t", compression_type=codec)
    text = [bytes((n * n + i * i) % 97 + 30 for i in range(200)) for n in range(200)]
    for level in (low, high):
        alter(served, "t", f"compression.{codec}.level", level)
        produce(served, batch(*text))
    sizes = [header.size for header in stored(served)]
    assert sizes[1] < sizes[0]
    assert {NAMES[header.compression] for header in stored(served)} == {codec}


def test_timestamp_type(served: Served) -> None:
    served.create_topic("t")
    sent = now(served) - 1000
    assert produce(served, batch(b"a", timestamp=sent)).log_append_time_ms == -1
    alter(served, "t", "message.timestamp.type", "LogAppendTime")
    assert produce(served, batch(b"b", timestamp=sent)).log_append_time_ms == now(served)
    alter(served, "t", "message.timestamp.type", "CreateTime")
    assert produce(served, batch(b"c", timestamp=sent)).log_append_time_ms == -1
    assert [(header.timestamp_type, header.max_timestamp) for header in stored(served)] == [
        (0, sent),
        (1, now(served)),
        (0, sent),
    ]


@pytest.mark.parametrize(
    ("option", "wrong_by_ms"),
    [
        ("message.timestamp.before.max.ms", -2000),
        ("message.timestamp.after.max.ms", 2000),
        ("message.timestamp.difference.max.ms", -2000),
        ("message.timestamp.difference.max.ms", 2000),
    ],
)
@pytest.mark.parametrize("codec", [NONE, LZ4])
def test_timestamps_out_of_bounds_name_their_records(served: Served, option: str, wrong_by_ms: int, codec: int) -> None:
    served.create_topic("t")
    mixed = [(now(served) + by, b"k", b"v", ()) for by in (0, wrong_by_ms, 0, wrong_by_ms)]
    data = bytes(build_batch(mixed, compression=codec))
    assert produce(served, data).error_code == ErrorCode.NONE
    alter(served, "t", option, "1000")
    for version in (7, 8, 13):
        topic_id = served.broker.services.metadata.topics["t"].topic_id
        answer = only(served.call(request(data, topic_id=topic_id, acks=1, timeout_ms=1000), version))
        assert (answer.error_code, answer.base_offset) == (ErrorCode.INVALID_TIMESTAMP, -1)
        # KIP-467: from v8 on the client learns which records.
        assert [error.batch_index for error in answer.record_errors] == ([1, 3] if version >= 8 else [])
    alter(served, "t", option, "5000")
    assert produce(served, data).error_code == ErrorCode.NONE


def test_after_an_hour_is_too_far_ahead_by_default(served: Served) -> None:
    served.create_topic("t")
    assert produce(served, batch(b"v", timestamp=now(served) + 2 * HOUR_MS)).error_code == ErrorCode.INVALID_TIMESTAMP
    # Whoever sets the newer bound is not held to the older one.
    alter(served, "t", "message.timestamp.difference.max.ms", "10")
    alter(served, "t", "message.timestamp.after.max.ms", str(3 * HOUR_MS))
    assert produce(served, batch(b"v", timestamp=now(served) + 2 * HOUR_MS)).error_code == ErrorCode.NONE


@pytest.mark.parametrize("version", [2, 9])
def test_max_message_bytes(served: Served, version: int) -> None:
    served.create_topic("t")
    data = batch(bytes(2000))
    if version == 2:
        data = build_message_set([Record(0, now(served), b"k", bytes(2000), (), -1)], magic=1)
    assert produce(served, data, version).error_code == ErrorCode.NONE
    alter(served, "t", "max.message.bytes", "1500")
    assert produce(served, data, version).error_code == ErrorCode.MESSAGE_TOO_LARGE
    alter(served, "t", "max.message.bytes", "2500")
    assert produce(served, data, version).error_code == ErrorCode.NONE


@pytest.mark.parametrize("acks", [-1, 0, 1])
def test_others_are_served_while_a_thread_looks_into_a_large_batch(served: Served, acks: int) -> None:
    served.create_topic("t", 2)
    count = MOST_RECORDS_AT_ONCE + 1
    large = bytes(build_batch([(now(served), b"k", b"x" * (n % 3), ()) for n in range(count)], compression=ZSTD))

    async def scenario() -> None:
        first = asyncio.ensure_future(served.send(request(large, acks=acks, timeout_ms=1000), 9))
        second = asyncio.ensure_future(served.send(request(large, acks=acks, timeout_ms=1000), 9))
        await asyncio.sleep(0)
        small = await served.send(request(batch(b"v"), partition=1, acks=1, timeout_ms=1000), 9)
        assert (only(small).base_offset, first.done()) == (0, False)
        answers = [await first, await second]
        if acks:
            assert sorted(only(answer).base_offset for answer in answers) == [0, count]
        assert served.log("t").log_end_offset == 2 * count

    served.run(scenario())


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
def test_a_few_records_that_decompress_to_much_are_opened_in_a_thread(served: Served, codec: int) -> None:
    served.create_topic("t", 2)
    huge = bytes(build_batch([(now(served), b"k", bytes(5 << 20), ())], compression=codec))

    async def scenario() -> None:
        first = asyncio.ensure_future(served.send(request(huge, acks=1, timeout_ms=1000), 9))
        await asyncio.sleep(0)
        small = await served.send(request(batch(b"v"), partition=1, acks=1, timeout_ms=1000), 9)
        assert (only(small).error_code, first.done()) == (ErrorCode.NONE, False)
        assert (only(await first).error_code, served.log("t").log_end_offset) == (ErrorCode.NONE, 1)

    served.run(scenario())


def test_a_format_version_is_taken_and_changes_nothing(served: Served) -> None:
    """As in Kafka 3.9 under any inter.broker.protocol.version from 3.0 on: what is stored is of magic 2."""
    served.create_topic("t", message_format_version="0.10.0")
    assert produce(served, bytes(build_batch([(now(served), b"k", b"v", ())]))).error_code == ErrorCode.NONE
    alter(served, "t", "message.format.version", "0.9.0")
    old = build_message_set([Record(0, now(served), b"k", b"v", (), -1)], magic=1)
    assert produce(served, bytes(old), 2).error_code == ErrorCode.NONE
    assert [(header.magic, header.base_offset) for header in stored(served)] == [(2, 0), (2, 1)]


def test_a_large_batch_that_is_refused_is_answered_as_any(served: Served) -> None:
    served.create_topic("t", cleanup_policy="compact")
    count = MOST_RECORDS_AT_ONCE + 1
    keyless = [(now(served), None if n == 5 else b"k", b"", ()) for n in range(count)]
    answer = produce(served, bytes(build_batch(keyless, compression=GZIP)))
    assert answer.error_code == ErrorCode.INVALID_RECORD
    assert [error.batch_index for error in answer.record_errors] == [5]
    assert served.log("t").log_end_offset == 0
