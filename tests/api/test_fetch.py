"""Fetch: versions, limits, waiting, errors, sessions over the wire."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kwire.errors import ErrorCode
from kwire.ids import ZERO_UUID
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from kwire.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kwire.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from tests.api.served import Served, batch, records

NEWEST = 18


def request(
    offset: int = 0, *, topic: str = "t", topic_id: bytes = ZERO_UUID, partition: int = 0, **fields: Any
) -> FetchRequest:
    of_partition = {name: fields.pop(name) for name in ("current_leader_epoch", "last_fetched_epoch") if name in fields}
    wanted = FetchPartition(
        partition=partition,
        fetch_offset=offset,
        partition_max_bytes=fields.pop("partition_max_bytes", 1_000_000),
        **of_partition,
    )
    asked: dict[str, Any] = {"max_wait_ms": 0, "min_bytes": 1, **fields}
    return FetchRequest(topics=[FetchTopic(topic=topic, topic_id=topic_id, partitions=[wanted])], **asked)


def only(response: Any) -> Any:
    ((data,),) = [topic.partitions for topic in response.responses]
    return data


@pytest.mark.parametrize("version", range(NEWEST + 1))
def test_records_in_every_version(served: Served, version: int) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a", b"b"), batch(b"c"))
    data = only(served.call(request(topic_id=topic_id), version))
    assert (data.error_code, data.high_watermark) == (ErrorCode.NONE, 3)
    if version >= 4:
        found = [(record.offset, record.value) for record in records(data.records)]
    else:
        from kwire.wire.legacy import message_batches

        raw = bytes(data.records)
        assert raw[16] == (0 if version < 2 else 1)
        found = [(record.offset, record.value) for one in message_batches(raw, 0, len(raw)) for record in one.records]
    assert found == [(0, b"a"), (1, b"b"), (2, b"c")]


@pytest.mark.parametrize("offset", [-1, 4, 100])
def test_out_of_range_is_answered_at_once(served: Served, offset: int) -> None:
    served.create_topic("t")
    served.fill("t", batch(b"a", b"b", b"c"))
    data = only(served.call(request(offset, max_wait_ms=60_000), 12))
    assert data.error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert (data.high_watermark, data.last_stable_offset, data.log_start_offset) == (-1, -1, -1)
    assert bytes(data.records) == b""


def test_unknown_topics_and_ids(served: Served) -> None:
    topic_id = served.create_topic("t")
    assert only(served.call(request(topic="u"), 12)).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert only(served.call(request(partition=9), 12)).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    by_id = request(topic_id=topic_id, partition=9)
    assert only(served.call(by_id, 13)).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    for unknown in (ZERO_UUID, bytes(range(16))):
        response = served.call(request(topic_id=unknown), 13)
        assert response.error_code == ErrorCode.NONE
        assert only(response).error_code == ErrorCode.UNKNOWN_TOPIC_ID


def test_leader_epochs(served: Served) -> None:
    served.create_topic("t")
    served.fill("t", batch(b"a"))
    assert only(served.call(request(current_leader_epoch=7), 12)).error_code == ErrorCode.UNKNOWN_LEADER_EPOCH
    assert only(served.call(request(current_leader_epoch=-2), 12)).error_code == ErrorCode.NONE
    assert only(served.call(request(last_fetched_epoch=7), 12)).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert only(served.call(request(last_fetched_epoch=0), 12)).error_code == ErrorCode.NONE
    partition = served.broker.services.replicas.partition("t", 0)
    partition.become(1, 3, [1], [1], 1)
    assert only(served.call(request(current_leader_epoch=0), 12)).error_code == ErrorCode.FENCED_LEADER_EPOCH
    served.fill("t", batch(b"b"))
    diverging = only(served.call(request(2, last_fetched_epoch=1, max_wait_ms=60_000), 12))
    assert (diverging.diverging_epoch.epoch, diverging.diverging_epoch.end_offset) == (0, 1)


@pytest.mark.parametrize("version", range(13))
def test_old_consumers_are_not_told_of_storage_errors(served: Served, version: int) -> None:
    """They would not know the error (until v5), and not try again."""
    served.create_topic("t")
    served.fill("t", batch(b"a"))
    logs = served.broker.services.logs
    logs.fail(logs.directories[0], OSError("gone"))
    expected = ErrorCode.NOT_LEADER_OR_FOLLOWER if version <= 5 else ErrorCode.KAFKA_STORAGE_ERROR
    assert only(served.call(request(), version)).error_code == expected


def test_the_first_batch_comes_whole_and_limits_hold(served: Served) -> None:
    served.create_topic("t", 2)
    for partition in (0, 1):
        served.fill("t", batch(b"a" * 1000), batch(b"b" * 1000), partition=partition)
    size = len(batch(b"a" * 1000))
    assert len(only(served.call(request(max_bytes=1), 12)).records) == size
    assert len(only(served.call(request(partition_max_bytes=1), 12)).records) == size
    assert len(only(served.call(request(partition_max_bytes=2 * size), 12)).records) == 2 * size
    both = FetchRequest(
        max_wait_ms=0,
        min_bytes=1,
        max_bytes=size,
        topics=[
            FetchTopic(
                topic="t",
                topic_id=ZERO_UUID,
                partitions=[
                    FetchPartition(partition=index, fetch_offset=0, partition_max_bytes=10_000) for index in (0, 1)
                ],
            )
        ],
    )
    (topic,) = served.call(both, 12).responses
    assert [len(data.records) for data in topic.partitions] == [size, 0]


def test_a_long_poll_ends_when_there_is_enough(served: Served) -> None:
    served.create_topic("t")

    async def scenario() -> None:
        poll = asyncio.ensure_future(served.send(request(max_wait_ms=60_000, min_bytes=150), 12))
        await asyncio.sleep(0)
        served.fill("t", batch(b"a" * 20))
        for _ in range(3):
            await asyncio.sleep(0)
        assert not poll.done()
        served.fill("t", batch(b"b" * 20))
        assert [record.value for record in records(only(await poll).records)] == [b"a" * 20, b"b" * 20]

    served.run(scenario())
    assert not served.broker.services.replicas.partition("t", 0).watchers


def answered_at_once(served: Served, asked: FetchRequest) -> bool:
    """Whether the request is answered without waiting for anything."""

    async def scenario() -> bool:
        poll = asyncio.ensure_future(served.send(asked, 12))
        await asyncio.sleep(0)
        is_done = poll.done()
        poll.cancel()
        return is_done

    return bool(served.run(scenario()))


def test_a_limit_that_cuts_the_answer_does_not_make_it_wait(served: Served) -> None:
    """The cut falls between batches: what lies behind it counts for `min_bytes`, as far as the limit goes."""
    served.create_topic("t", index_interval_bytes="1")
    served.fill("t", *[batch(b"a" * 1000)] * 5)
    size = len(batch(b"a" * 1000))
    limited = only(served.call(request(max_wait_ms=0, partition_max_bytes=2500), 12))
    assert len(limited.records) == 2 * size
    waits = {"max_wait_ms": 60_000}
    assert answered_at_once(served, request(partition_max_bytes=2500, min_bytes=2500, **waits))
    assert not answered_at_once(served, request(partition_max_bytes=2500, min_bytes=2501, **waits))
    assert answered_at_once(served, request(min_bytes=5 * size, **waits))
    assert not answered_at_once(served, request(min_bytes=5 * size + 1, **waits))


def test_more_than_the_most_is_not_waited_for(served: Served) -> None:
    served.create_topic("t")
    served.fill("t", batch(b"a" * 1000))
    assert answered_at_once(served, request(max_bytes=500, min_bytes=1_000_000, max_wait_ms=60_000))
    assert not answered_at_once(served, request(max_bytes=5000, min_bytes=1_000_000, max_wait_ms=60_000))


def test_nobody_waits_at_the_end_of_a_segment_behind_which_there_is_more(served: Served) -> None:
    size = len(batch(b"a" * 1000))
    served.create_topic("t", internal_segment_bytes=str(2 * size))
    served.fill("t", *[batch(b"a" * 1000)] * 3)
    assert len(served.log("t").segments) == 2
    waits = {"max_wait_ms": 60_000, "min_bytes": 1_000_000}
    assert answered_at_once(served, request(1, **waits))
    assert not answered_at_once(served, request(2, **waits))
    assert not answered_at_once(served, request(3, **waits))


def test_a_long_poll_ends_in_time_and_when_leadership_goes(served: Served) -> None:
    served.create_topic("t")
    data = only(served.call(request(max_wait_ms=1, min_bytes=1), 12))
    assert (data.error_code, bytes(data.records)) == (ErrorCode.NONE, b"")

    async def scenario() -> None:
        poll = asyncio.ensure_future(served.send(request(max_wait_ms=60_000), 12))
        await asyncio.sleep(0)
        served.broker.services.replicas.partition("t", 0).become(2, 5, [1, 2], [2], 9)
        assert only(await poll).error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER

    served.run(scenario())


def test_isolation_levels(served: Served) -> None:
    served.create_topic("t")
    served.fill("t", batch(b"a"))
    assert only(served.call(request(isolation_level=0), 12)).aborted_transactions is None
    assert only(served.call(request(isolation_level=1), 12)).aborted_transactions == []


def test_aborted_transactions_are_those_of_what_is_returned(served: Served) -> None:
    """Rounded up to the next index entry, as Kafka does it."""
    served.create_topic("t", index_interval_bytes="0")
    log = served.log("t", 0)
    for producer_id in (1, 2, 3):
        served.fill("t", batch(b"x", producer_id=producer_id, producer_epoch=0, base_sequence=0, transactional=True))
        marker = build_end_transaction_marker(
            EndTransactionMarker(False, 0), producer_id=producer_id, producer_epoch=0, timestamp=1
        )
        log.append_as_leader(memoryview(marker), leader_epoch=0, now_ms=0, from_client=False)
    log.update_high_watermark(log.log_end_offset)

    def aborted(offset: int, max_bytes: int) -> list[int]:
        asked = request(offset, isolation_level=1, partition_max_bytes=max_bytes)
        data = only(served.call(asked, 12))
        assert all(entry.first_offset == 2 * (entry.producer_id - 1) for entry in data.aborted_transactions)
        return [entry.producer_id for entry in data.aborted_transactions]

    one = len(batch(b"x"))
    assert aborted(0, 1 << 20) == [1, 2, 3]
    assert aborted(0, one) == [1]
    assert aborted(2, one) == [2]
    assert aborted(3, 1 << 20) == [2, 3]
    assert aborted(5, 1) == [3]
    assert aborted(6, 1 << 20) == []


def test_a_session_tells_only_what_is_new(served: Served) -> None:
    served.create_topic("t", 2)
    first = served.call(request(session_id=0, session_epoch=0), 12)
    assert first.session_id > 0
    assert len(first.responses) == 1
    going_on = {"session_id": first.session_id, "max_wait_ms": 0, "min_bytes": 1, "topics": []}
    assert served.call(FetchRequest(session_epoch=1, **going_on), 12).responses == []
    served.fill("t", batch(b"a"))
    assert [
        record.value for record in records(only(served.call(FetchRequest(session_epoch=2, **going_on), 12)).records)
    ]
    repeated = served.call(FetchRequest(session_epoch=2, **going_on), 12)
    assert (repeated.error_code, repeated.session_id) == (ErrorCode.INVALID_FETCH_SESSION_EPOCH, 0)
    assert repeated.responses == []


def test_produced_bytes_come_back_unchanged(served: Served) -> None:
    served.create_topic("t")
    produced = batch(b"a", b"b", compression=1)
    asked = ProduceRequest(
        acks=1,
        timeout_ms=0,
        topic_data=[TopicProduceData(name="t", partition_data=[PartitionProduceData(index=0, records=produced)])],
    )
    served.call(asked, 9)
    fetched = bytes(only(served.call(request(), 12)).records)
    assert fetched[21:] == produced[21:]  # All that the checksum covers; before it stand offset and leader epoch.


@pytest.mark.parametrize("version", [0, 2, 4, 17])
def test_negative_limits_are_no_sizes(served: Served, version: int) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a"), batch(b"b"))
    data = only(served.call(request(topic_id=topic_id, partition_max_bytes=-5, max_bytes=-1), version))
    assert data.error_code == ErrorCode.NONE
    # At least one batch, where the version promises that.
    assert len(records(data.records)) == (1 if version >= 4 else 0)


def test_an_old_client_learns_that_its_limit_is_too_small(served: Served) -> None:
    served.create_topic("t")
    served.fill("t", batch(bytes(5000)))
    data = bytes(only(served.call(request(partition_max_bytes=1000), 2)).records)
    # A message that ends behind the end of the answer: the elders' sign for "too large".
    assert 0 < len(data) < int.from_bytes(data[8:12], "big")
    assert len(bytes(only(served.call(request(partition_max_bytes=1000), 3)).records)) > 5000
