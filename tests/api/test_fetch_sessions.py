"""KIP-227's rules, one by one, on the session cache alone."""

from __future__ import annotations

import itertools

import pytest

from kwire.api.fetch_sessions import FINAL_EPOCH, INITIAL_EPOCH, FetchSessionCache
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic, ForgottenTopic, PartitionData

VERSION = 12


def cache(max_count: int = 10, eviction_ms: int = 1000) -> FetchSessionCache:
    ids = itertools.count(1)
    return FetchSessionCache(max_count, eviction_ms, lambda: next(ids))


def request(
    session_id: int, epoch: int, partitions: dict[int, int], forgotten: tuple[int, ...] = (), topic: str = "t"
) -> FetchRequest:
    """`partitions` gives each partition's fetch offset."""
    wanted = [
        FetchPartition(partition=index, fetch_offset=offset, partition_max_bytes=100)
        for index, offset in partitions.items()
    ]
    return FetchRequest(
        session_id=session_id,
        session_epoch=epoch,
        topics=[FetchTopic(topic=topic, topic_id=bytes(16), partitions=wanted)] if wanted else [],
        forgotten_topics_data=(
            [ForgottenTopic(topic=topic, topic_id=bytes(16), partitions=list(forgotten))] if forgotten else []
        ),
    )


def data(index: int, high_watermark: int, error_code: int = 0) -> PartitionData:
    return PartitionData(partition_index=index, error_code=error_code, high_watermark=high_watermark, records=b"")


def refused(sessions: FetchSessionCache, asked: FetchRequest, version: int = VERSION) -> ErrorCode:
    with pytest.raises(KafkaError) as caught:
        sessions.plan(asked, version, now_ms=0)
    return caught.value.code


def test_final_epoch_fetches_without_a_session() -> None:
    sessions = cache()
    plan = sessions.plan(request(0, FINAL_EPOCH, {0: 5}), VERSION, now_ms=0)
    assert plan.session is None
    assert [wanted.fetch_offset for wanted in plan.partitions] == [5]
    assert len(sessions) == 0


def test_a_session_remembers_and_takes_changes() -> None:
    sessions = cache()
    first = sessions.plan(request(0, INITIAL_EPOCH, {0: 5, 1: 6}), VERSION, now_ms=0)
    assert first.session is not None
    assert not first.is_incremental
    session_id = first.session.session_id
    second = sessions.plan(request(session_id, 1, {1: 7, 2: 8}, forgotten=(0,)), VERSION, now_ms=0)
    assert second.is_incremental
    assert {wanted.partition: wanted.fetch_offset for wanted in second.partitions} == {1: 7, 2: 8}
    third = sessions.plan(request(session_id, 2, {}), VERSION, now_ms=0)
    assert {wanted.partition: wanted.fetch_offset for wanted in third.partitions} == {1: 7, 2: 8}


def test_wrong_epochs_and_unknown_sessions() -> None:
    sessions = cache()
    opened = sessions.plan(request(0, INITIAL_EPOCH, {0: 0}), VERSION, now_ms=0)
    assert opened.session is not None
    session_id = opened.session.session_id
    assert refused(sessions, request(session_id, 9, {})) == ErrorCode.INVALID_FETCH_SESSION_EPOCH
    assert refused(sessions, request(session_id + 1, 1, {})) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert refused(sessions, request(0, 5, {})) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert refused(sessions, request(session_id, 1, {}), version=13) == ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR


def test_closing_and_emptying_a_session_drops_it() -> None:
    sessions = cache()
    for ending in (lambda i: request(i, FINAL_EPOCH, {0: 0}), lambda i: request(i, 1, {}, forgotten=(0,))):
        opened = sessions.plan(request(0, INITIAL_EPOCH, {0: 0}), VERSION, now_ms=0)
        assert opened.session is not None
        plan = sessions.plan(ending(opened.session.session_id), VERSION, now_ms=0)
        assert plan.session is None
        assert len(sessions) == 0


def test_a_full_cache_evicts_only_idle_sessions() -> None:
    sessions = cache(max_count=1, eviction_ms=1000)
    first = sessions.plan(request(0, INITIAL_EPOCH, {0: 0}), VERSION, now_ms=0)
    assert first.session is not None
    assert sessions.plan(request(0, INITIAL_EPOCH, {0: 0}), VERSION, now_ms=999).session is None
    newcomer = sessions.plan(request(0, INITIAL_EPOCH, {0: 0}), VERSION, now_ms=1000).session
    assert newcomer is not None
    assert refused(sessions, request(first.session.session_id, 1, {})) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND


def test_only_news_is_told_and_an_error_is_told_until_it_is_over() -> None:
    plan = cache().plan(request(0, INITIAL_EPOCH, {0: 0}), VERSION, now_ms=0)
    (wanted,) = plan.partitions
    assert wanted.is_news(data(0, high_watermark=0), 0)
    assert not wanted.is_news(data(0, high_watermark=0), 0)
    assert wanted.is_news(data(0, high_watermark=0), 10)
    assert wanted.is_news(data(0, high_watermark=4), 0)
    assert wanted.is_news(data(0, high_watermark=-1, error_code=6), 0)
    assert wanted.is_news(data(0, high_watermark=-1, error_code=6), 0)
    assert wanted.is_news(data(0, high_watermark=4), 0)
    assert not wanted.is_news(data(0, high_watermark=4), 0)


def test_served_partitions_go_to_the_end() -> None:
    sessions = cache()
    opened = sessions.plan(request(0, INITIAL_EPOCH, {0: 0, 1: 0, 2: 0}), VERSION, now_ms=0)
    assert opened.session is not None
    opened.session.served(("t", 0))
    again = sessions.plan(request(opened.session.session_id, 1, {}), VERSION, now_ms=0)
    assert [wanted.partition for wanted in again.partitions] == [1, 2, 0]
