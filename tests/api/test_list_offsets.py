"""ListOffsets: special timestamps by version, times, errors."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kwire.errors import ErrorCode
from kwire.log.record_checks import prepare
from kwire.log.validate import MOST_RECORDS_AT_ONCE
from kwire.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kwire.wire.records import build_batch
from tests.api.served import Served, batch

START_MS = 1_699_999_000_000


def time_request(timestamp: int) -> ListOffsetsRequest:
    partition = ListOffsetsPartition(partition_index=0, timestamp=timestamp, current_leader_epoch=-1)
    return ListOffsetsRequest(
        replica_id=-1, isolation_level=0, topics=[ListOffsetsTopic(name="t", partitions=[partition])]
    )


def only(response: Any) -> Any:
    ((answer,),) = [topic.partitions for topic in response.topics]
    return answer


def ask(served: Served, timestamp: int, version: int = 7, *, isolation_level: int = 0, **fields: Any) -> Any:
    partition = ListOffsetsPartition(
        partition_index=fields.pop("partition", 0), timestamp=timestamp, **{"current_leader_epoch": -1, **fields}
    )
    request = ListOffsetsRequest(
        replica_id=-1, isolation_level=isolation_level, topics=[ListOffsetsTopic(name="t", partitions=[partition])]
    )
    ((answer,),) = [topic.partitions for topic in served.call(request, version).topics]
    return answer


@pytest.fixture
def filled(served: Served) -> Served:
    """Offsets 0-3 at START, +1, +2, +3 ms, then 4 and 5 at START - 1000 and - 999."""
    served.create_topic("t", 2)
    served.fill("t", batch(b"a", b"b", timestamp=START_MS), batch(b"c", b"d", timestamp=START_MS + 2))
    served.fill("t", batch(b"e", b"f", timestamp=START_MS - 1000))
    return served


@pytest.mark.parametrize("version", range(1, 12))
def test_latest_earliest_and_times_in_every_version(filled: Served, version: int) -> None:
    epoch = 0 if version >= 4 else -1
    for timestamp, expected in [
        (-1, (-1, 6, epoch)),
        (-2, (-1, 0, epoch)),
        (0, (START_MS, 0, epoch)),
        (START_MS + 1, (START_MS + 1, 1, epoch)),
        (START_MS + 3, (START_MS + 3, 3, epoch)),
        (START_MS + 4, (-1, -1, -1)),
    ]:
        answer = ask(filled, timestamp, version)
        assert answer.error_code == ErrorCode.NONE
        assert (answer.timestamp, answer.offset, answer.leader_epoch) == expected, timestamp


def test_version_0_lists_starts_of_segments(filled: Served) -> None:
    assert ask(filled, -1, 0, max_num_offsets=10).old_style_offsets == [6, 0]
    assert ask(filled, -1, 0, max_num_offsets=1).old_style_offsets == [6]
    assert ask(filled, -2, 0, max_num_offsets=10).old_style_offsets == [0]


def test_version_0_of_a_partition_that_was_never_written(filled: Served) -> None:
    answer = ask(filled, filled.clock.now_ms() + 1, 0, partition=1, max_num_offsets=10)
    assert (answer.error_code, answer.old_style_offsets) == (ErrorCode.NONE, [0])


@pytest.mark.parametrize(("timestamp", "first_version"), [(-3, 7), (-4, 8), (-5, 9), (-6, 11), (-7, 12)])
def test_special_timestamps_begin_with_a_version(filled: Served, timestamp: int, first_version: int) -> None:
    for version in range(1, 12):
        code = ask(filled, timestamp, version).error_code
        assert code == (ErrorCode.UNSUPPORTED_VERSION if version < first_version else ErrorCode.NONE), version


def test_the_largest_timestamp(filled: Served) -> None:
    answer = ask(filled, -3)
    assert (answer.timestamp, answer.offset) == (START_MS + 3, 3)
    empty = ask(filled, -3, partition=1)
    assert (empty.timestamp, empty.offset, empty.leader_epoch) == (-1, -1, -1)


def test_without_tiers(filled: Served) -> None:
    assert ask(filled, -4, 11).offset == 0
    assert ask(filled, -5, 11).offset == -1
    assert ask(filled, -6, 11).offset == -1


def test_errors(filled: Served) -> None:
    assert ask(filled, -1, partition=7).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert ask(filled, -1, current_leader_epoch=4).error_code == ErrorCode.UNKNOWN_LEADER_EPOCH
    assert ask(filled, -1, isolation_level=1).offset == 6
    assert ask(filled, -1, isolation_level=2).error_code == ErrorCode.UNKNOWN_SERVER_ERROR


def test_a_partition_asked_twice_is_answered_once(filled: Served) -> None:
    twice = [ListOffsetsPartition(partition_index=0, timestamp=-1) for _ in range(2)]
    request = ListOffsetsRequest(
        replica_id=-1, isolation_level=0, topics=[ListOffsetsTopic(name="t", partitions=twice)]
    )
    (topic,) = filled.call(request, 7).topics
    assert [answer.error_code for answer in topic.partitions] == [ErrorCode.INVALID_REQUEST]


def test_others_are_served_while_a_thread_searches_a_batch_of_many_records(served: Served) -> None:
    served.create_topic("t")
    count = MOST_RECORDS_AT_ONCE + 1
    now = served.clock.now_ms() - count
    many = build_batch([(now + n, b"k", b"x" * (n % 3), ()) for n in range(count)], compression=4)
    led = served.broker.services.replicas.partition("t", 0)
    led.append(
        memoryview(many),
        required_acks=1,
        now_ms=served.clock.now_ms(),
        produce_version=9,
        prepared=prepare(bytes(many), led.log.config, served.clock.now_ms()),
    )

    async def scenario() -> None:
        search = asyncio.ensure_future(served.send(time_request(now + 30_000), 5))
        largest = asyncio.ensure_future(served.send(time_request(-3), 7))
        await asyncio.sleep(0)
        assert only(await served.send(time_request(-1), 5)).offset == count
        assert not search.done()
        assert only(await search).offset == 30_000
        assert only(await largest).offset == count - 1

    served.run(scenario())
