"""Produce: what is answered, partition by partition, and what then lies in the log."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kwire.cluster.controller.core import NewTopic
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import ZERO_UUID
from kwire.wire.compression import GZIP, compress
from kwire.wire.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from kwire.wire.record_batch import HEADER, read_header, rewrite_crc
from kwire.wire.records import MAX_DECOMPRESSED_BYTES
from tests.api.served import Closed, Served, batch, records

NEWEST = 13


def request(data: Any, *, topic: str = "t", topic_id: bytes = ZERO_UUID, partition: int = 0, **fields: Any) -> Any:
    asked = {"acks": 1, "timeout_ms": 1000, **fields}
    partitions = [PartitionProduceData(index=partition, records=data)]
    return ProduceRequest(
        topic_data=[TopicProduceData(name=topic, topic_id=topic_id, partition_data=partitions)], **asked
    )


def only(response: ProduceResponse) -> Any:
    ((result,),) = [topic.partition_responses for topic in response.responses]
    return result


@pytest.mark.parametrize("version", range(3, NEWEST + 1))
def test_records_are_appended_in_every_version(served: Served, version: int) -> None:
    topic_id = served.create_topic("t")
    for base_offset in (0, 2):
        result = only(served.call(request(batch(b"a", b"b"), topic_id=topic_id), version))
        assert (result.error_code, result.base_offset) == (ErrorCode.NONE, base_offset)
        assert result.log_append_time_ms == -1
        assert result.log_start_offset == (0 if version >= 5 else -1)
    log = served.log("t")
    stored = records(log.read(0, 10_000, up_to=4, min_one_message=True).records.read())  # type: ignore[union-attr]
    assert [(record.offset, record.value) for record in stored] == [(0, b"a"), (1, b"b"), (2, b"a"), (3, b"b")]
    assert log.high_watermark == 4


@pytest.mark.parametrize("version", range(3))
@pytest.mark.parametrize("magic", [0, 1])
def test_old_message_sets_are_stored_as_batches(served: Served, version: int, magic: int) -> None:
    from kwire.wire.legacy import build_message_set
    from kwire.wire.records import Record

    served.create_topic("t")
    old = [Record(offset, 1_700_000_000_000, None, b"old", [], -1) for offset in (0, 1)]
    data = build_message_set(old, magic=magic, compression=0, timestamp_type=0)
    assert only(served.call(request(data), version)).error_code == ErrorCode.NONE
    stored = records(served.log("t").read(0, 10_000, up_to=2, min_one_message=True).records.read())  # type: ignore[union-attr]
    assert [record.value for record in stored] == [b"old", b"old"]


def test_nothing_is_answered_with_acks_0(served: Served) -> None:
    served.create_topic("t")
    assert served.call(request(batch(b"a"), acks=0), 9) is None
    assert served.log("t").log_end_offset == 1


def test_an_error_with_acks_0_closes_the_connection(served: Served) -> None:
    with pytest.raises(Closed):
        served.call(request(batch(b"a"), acks=0), 9)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"acks": 2}, ErrorCode.INVALID_REQUIRED_ACKS),
        ({"topic": "unknown"}, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ({"topic": "b b"}, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ({"partition": 1}, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ({"partition": -1}, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ],
)
def test_refused_before_the_records_are_looked_at(served: Served, fields: dict[str, Any], code: ErrorCode) -> None:
    served.create_topic("t")
    result = only(served.call(request(batch(b"a"), **fields), 9))
    assert (result.error_code, result.base_offset, result.log_start_offset) == (code, -1, -1)


@pytest.mark.parametrize("topic_id", [ZERO_UUID, bytes(range(16))])
def test_unknown_topic_ids(served: Served, topic_id: bytes) -> None:
    served.create_topic("t")
    result = only(served.call(request(batch(b"a"), topic_id=topic_id), NEWEST))
    assert result.error_code == ErrorCode.UNKNOWN_TOPIC_ID


@pytest.mark.parametrize("topic", ["__consumer_offsets", "__share_group_state", "__transaction_state"])
def test_internal_topics_are_their_coordinators_own(served: Served, topic: str) -> None:
    topic_id = served.create_topic(topic)
    for version in (9, NEWEST):
        result = only(served.call(request(batch(b"a"), topic=topic, topic_id=topic_id), version))
        assert (result.error_code, result.base_offset) == (ErrorCode.INVALID_TOPIC_EXCEPTION, -1)
    assert served.log(topic).log_end_offset == 0
    with pytest.raises(Closed):
        served.call(request(batch(b"a"), topic=topic, acks=0), 9)
    restored = served.run(served.send(request(batch(b"a"), topic=topic), 9, client_id="__admin_client"))
    assert only(restored).error_code == ErrorCode.NONE


def lying(position: int, number: bytes, data: bytes | None = None) -> bytes:
    """A batch with other bytes at `position` of its header, its checksum made right again."""
    out = bytearray(data or batch(b"a", b"b"))
    out[position : position + len(number)] = number
    if position > 16:
        rewrite_crc(out)
    return bytes(out)


def compressed(codec: int, data: bytes) -> bytes:
    """A batch of one record whose section is `data`, said to be under `codec`."""
    head = read_header(batch(b"a"))
    out = bytearray(HEADER.pack(*head._replace(batch_length=49 + len(data), attributes=codec))) + data
    rewrite_crc(out)
    return bytes(out)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (lying(57, (3).to_bytes(4, "big")), ErrorCode.INVALID_RECORD),
        (lying(57, (2**31 - 1).to_bytes(4, "big")), ErrorCode.INVALID_RECORD),
        (lying(57, (3).to_bytes(4, "big"), lying(23, (2).to_bytes(4, "big"))), ErrorCode.INVALID_RECORD),
        (lying(61, b"\x7e"), ErrorCode.INVALID_RECORD),
        (lying(8, (10_000).to_bytes(4, "big")), ErrorCode.INVALID_RECORD),
        (lying(8, (60).to_bytes(4, "big")), ErrorCode.CORRUPT_MESSAGE),
        (lying(8, (14).to_bytes(4, "big")), ErrorCode.CORRUPT_MESSAGE),
        (lying(8, bytes(4)), ErrorCode.CORRUPT_MESSAGE),
        *((compressed(codec, b"\xa5" * 50), ErrorCode.UNKNOWN_SERVER_ERROR) for codec in (1, 2, 3, 4)),
        (compressed(7, b"\xa5" * 50), ErrorCode.UNKNOWN_SERVER_ERROR),
        (compressed(2, b"\xff\xff\xff\xff\x07" + bytes(50)), ErrorCode.UNKNOWN_SERVER_ERROR),
        (compressed(4, compress(4, bytes(MAX_DECOMPRESSED_BYTES + 1))), ErrorCode.UNKNOWN_SERVER_ERROR),
    ],
    ids=[
        "count, not the offsets",
        "huge count",
        "count and offsets",
        "length of a record",
        "length beyond the end",
        "length within the batch",
        "length of less than a header",
        "no length",
        "gzip that is none",
        "snappy that is none",
        "lz4 that is none",
        "zstd that is none",
        "a codec that does not exist",
        "snappy that claims two gigabytes",
        "zstd that explodes",
    ],
)
def test_lengths_counts_and_codecs_that_lie_write_nothing(served: Served, data: bytes, code: ErrorCode) -> None:
    served.create_topic("t")
    result = only(served.call(request(data), 9))
    assert (result.error_code, result.base_offset) == (code, -1)
    assert (served.log("t").log_end_offset, served.log("t").size) == (0, 0)
    # And the next batch is taken as if nothing had come before.
    assert only(served.call(request(batch(b"good")), 9)).base_offset == 0


def flipped(position: int) -> bytes:
    data = bytearray(batch(b"a", b"b"))
    data[position] ^= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "code", "names_log_start"),
    [
        (flipped(-1), ErrorCode.CORRUPT_MESSAGE, False),
        (None, ErrorCode.INVALID_RECORD, False),
        (b"", ErrorCode.INVALID_RECORD, False),
        (batch(b"a")[:-1], ErrorCode.INVALID_RECORD, False),
        (batch(b"a") + batch(b"b"), ErrorCode.INVALID_RECORD, False),
        (batch(b"a", control=True), ErrorCode.INVALID_RECORD, True),
        (batch(b"a", transactional=True, producer_id=1, producer_epoch=0, base_sequence=0), 53, False),
        (batch(b"a", timestamp=1_700_000_000_000 + 2 * 3_600_000), ErrorCode.INVALID_TIMESTAMP, True),
        (batch(bytes(1_100_000)), ErrorCode.MESSAGE_TOO_LARGE, False),
    ],
    ids=["crc", "null", "empty", "cut", "two batches", "control", "transactional", "from the future", "too large"],
)
def test_bad_records(served: Served, data: Any, code: ErrorCode, names_log_start: bool) -> None:
    served.create_topic("t")
    result = only(served.call(request(data), 9))
    assert (result.error_code, result.base_offset) == (code, -1)
    assert (result.log_start_offset == 0) == names_log_start
    assert served.log("t").log_end_offset == 0


def test_a_transactional_id_before_there_are_any(served: Served) -> None:
    """Nobody coordinates it: a producer tries again."""
    served.create_topic("t")
    data = batch(b"a", transactional=True, producer_id=1, producer_epoch=0, base_sequence=0)
    result = only(served.call(request(data, transactional_id="x"), 9))
    assert result.error_code == ErrorCode.NOT_ENOUGH_REPLICAS


def test_keyless_records_of_a_compacted_topic_are_named(served: Served) -> None:
    from kwire.wire.records import build_batch

    served.create_topic("t", cleanup_policy="compact")
    data = bytes(build_batch([(1_700_000_000_000, key, b"v", []) for key in (b"k", None)]))
    result = only(served.call(request(data), 9))
    assert result.error_code == ErrorCode.INVALID_RECORD
    assert [row.batch_index for row in result.record_errors] == [1]
    assert result.error_message


def test_append_time(served: Served) -> None:
    served.create_topic("t", message_timestamp_type="LogAppendTime")
    result = only(served.call(request(batch(b"a")), 9))
    assert result.log_append_time_ms == served.clock.now_ms()


def test_idempotent_producer(served: Served) -> None:
    served.create_topic("t")

    def send(sequence: int, epoch: int = 0) -> tuple[int, int]:
        data = batch(b"a", producer_id=5, producer_epoch=epoch, base_sequence=sequence)
        result = only(served.call(request(data), 9))
        return result.error_code, result.base_offset

    assert send(0) == (ErrorCode.NONE, 0)
    assert send(1) == (ErrorCode.NONE, 1)
    assert send(0) == (ErrorCode.NONE, 0)  # The duplicate is answered with the first offset.
    assert send(5) == (ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1)
    assert send(3, epoch=1) == (ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1)
    assert send(0, epoch=1) == (ErrorCode.NONE, 2)
    assert send(2) == (ErrorCode.INVALID_PRODUCER_EPOCH, -1)
    assert served.log("t").log_end_offset == 3


def test_one_bad_partition_harms_no_other(served: Served) -> None:
    served.create_topic("t", 2)
    partitions = [
        PartitionProduceData(index=0, records=flipped(-1)),
        PartitionProduceData(index=1, records=batch(b"a")),
    ]
    asked = ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[TopicProduceData(name="t", partition_data=partitions)])
    (topic,) = served.call(asked, 9).responses
    assert [row.error_code for row in topic.partition_responses] == [ErrorCode.CORRUPT_MESSAGE, ErrorCode.NONE]


def test_acks_all_waits_for_the_replicas_and_times_out(served: Served) -> None:
    served.create_topic("t")
    partition = served.broker.services.replicas.partition("t", 0)
    partition.replicas = partition.in_sync_replicas = [1, 2]  # A second replica, which never fetches.

    async def acknowledged_late() -> Any:
        import asyncio

        waiting = asyncio.ensure_future(served.send(request(batch(b"a"), acks=-1, timeout_ms=60_000), 9))
        await asyncio.sleep(0)
        assert not waiting.done()
        partition.log.update_high_watermark(1)
        partition.wake()
        return await waiting

    assert only(served.run(acknowledged_late())).error_code == ErrorCode.NONE
    timed_out = only(served.call(request(batch(b"a"), acks=-1, timeout_ms=0), 9))
    assert timed_out.error_code == ErrorCode.REQUEST_TIMED_OUT


def test_too_few_in_sync_replicas(served: Served) -> None:
    served.create_topic("t", min_insync_replicas="2")
    assert only(served.call(request(batch(b"a"), acks=-1), 9)).error_code == ErrorCode.NONE  # Capped at one replica.
    partition = served.broker.services.replicas.partition("t", 0)
    partition.replicas = [1, 2]
    result = only(served.call(request(batch(b"a"), acks=-1), 9))
    assert result.error_code == ErrorCode.NOT_ENOUGH_REPLICAS


def test_the_new_leader_is_named(served: Served) -> None:
    topic_id = served.create_topic("t")
    partition = served.broker.services.replicas.partition("t", 0)
    partition.leader_id = 2
    response = served.call(request(batch(b"a"), topic_id=topic_id), 13)
    result = only(response)
    assert result.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert (result.current_leader.leader_id, result.current_leader.leader_epoch) == (1, 0)
    assert [(node.node_id, node.host, node.port) for node in response.node_endpoints] == [(1, "127.0.0.1", 9092)]


def heavy(value: bytes) -> bytes:
    """A batch that is looked into in a thread."""
    return batch(value, *[bytes(1000)] * 5000, compression=GZIP)


def test_a_partition_that_is_named_twice_keeps_its_order(served: Served) -> None:
    served.create_topic("t")
    parts = [
        PartitionProduceData(index=0, records=data)
        for data in (heavy(b"first"), batch(b"second"), None, heavy(b"third"), batch(b"fourth"))
    ]
    asked = ProduceRequest(acks=1, timeout_ms=1000, topic_data=[TopicProduceData(name="t", partition_data=parts)])
    (topic,) = served.call(asked, 9).responses
    assert [part.base_offset for part in topic.partition_responses] == [0, 5001, -1, 5002, 10_003]
    assert topic.partition_responses[2].error_code != ErrorCode.NONE


def test_a_partition_that_comes_back_while_a_thread_is_at_work_is_appended_to(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gone when the thread would begin, and there again when the records are appended."""
    served.create_topic("t")
    replicas = served.broker.services.replicas
    there, asked = replicas.partition, []

    def gone_once(topic: str, index: int) -> Any:
        asked.append(topic)
        if len(asked) == 2:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        return there(topic, index)

    monkeypatch.setattr(replicas, "partition", gone_once)
    result = only(served.call(request(heavy(b"a")), 9))
    assert (result.error_code, result.base_offset) == (ErrorCode.NONE, 0)


def test_an_id_never_means_the_next_topic_of_the_name(served: Served) -> None:
    """The topic is deleted and made anew while its batch waits for a thread."""
    topic_id = served.create_topic("t")
    services = served.broker.services

    async def scenario() -> ProduceResponse:
        async with services.heavy_work:
            answer = asyncio.ensure_future(served.send(request(heavy(b"a"), topic_id=topic_id), NEWEST))
            await asyncio.sleep(0)
            await services.controller.delete_topics(["t"])
            await services.controller.create_topics([NewTopic("t")])
        response: ProduceResponse = await answer
        return response

    result = only(served.run(scenario()))
    assert (result.error_code, result.base_offset) == (ErrorCode.UNKNOWN_TOPIC_ID, -1)
    assert served.log("t").log_end_offset == 0
