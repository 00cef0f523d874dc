"""ShareFetch: sessions, records that are acquired once, and what becomes of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kwire.coord.share import persister as persister_module
from kwire.errors import ErrorCode
from kwire.ids import uuid_text
from kwire.wire.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from kwire.wire.messages.share_fetch import AcknowledgementBatch, FetchPartition, FetchTopic, ShareFetchRequest
from tests.api.served import Served, batch
from tests.api.share_client import (
    ACCEPT,
    REJECT,
    RELEASE,
    RENEW,
    ShareClient,
    acquired,
    advance,
    configure,
    joined,
    values,
)
from tests.api.share_states import ONE_STATE_PARTITION, many_states
from tests.api.txn_client import TxnClient


def test_records_go_to_one_member(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a", b"b"), batch(b"c"))
    first, second = joined(served, "t", member="a"), joined(served, "t", member="b")
    response = first.fetch(topic_id)
    assert response.error_code == ErrorCode.NONE
    assert response.acquisition_lock_timeout_ms == 30_000
    assert acquired(response) == [(0, 2, 1)]
    assert values(response) == [b"a", b"b", b"c"]
    assert acquired(second.fetch(topic_id)) == []
    served.fill("t", batch(b"d"))
    assert (acquired(response := second.fetch()), values(response)) == ([(3, 3, 1)], [b"d"])


def test_what_is_accepted_is_done(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a", b"b", b"c"))
    client = joined(served, "t")
    assert acquired(client.fetch(topic_id)) == [(0, 2, 1)]
    response = client.fetch(about=(topic_id, 0), said=[(0, 0, ACCEPT), (1, 1, RELEASE), (2, 2, REJECT)])
    assert [p.acknowledge_error_code for t in response.responses for p in t.partitions] == [ErrorCode.NONE]
    assert acquired(response) == [(1, 1, 2)]
    assert values(response) == [b"a", b"b", b"c"]  # The batch as it lies in the log; the client picks what it got.
    client.fetch(about=(topic_id, 0), said=[(1, 1, ACCEPT)])
    advance(served, 60_000)
    assert acquired(client.fetch()) == []


def test_a_lock_ends(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a"))
    first, second = joined(served, "t", member="a"), joined(served, "t", member="b")
    first.fetch(topic_id)
    second.fetch(topic_id)
    advance(served, 29_999)
    assert acquired(second.fetch()) == []
    advance(served, 1)
    assert acquired(second.fetch()) == [(0, 0, 2)]
    late = first.fetch(about=(topic_id, 0), said=[(0, 0, ACCEPT)])
    (partition,) = late.responses[0].partitions
    assert partition.acknowledge_error_code == ErrorCode.INVALID_RECORD_STATE


def test_deliveries_are_limited(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a"))
    configure(served, "g", share_delivery_count_limit="3")
    client = joined(served, "t")
    deliveries = []
    response = client.fetch(topic_id)
    while found := acquired(response):
        deliveries += found
        response = client.fetch(about=(topic_id, 0), said=[(0, 0, RELEASE)])
    assert deliveries == [(0, 0, 1), (0, 0, 2), (0, 0, 3)]


def test_locks_are_renewed(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a"))
    first, second = joined(served, "t", member="a"), joined(served, "t", member="b")
    first.fetch(topic_id)
    second.fetch(topic_id)
    advance(served, 20_000)
    nothing = {"max_bytes": 0, "min_bytes": 0, "max_records": 0}
    renewed = first.fetch(about=(topic_id, 0), said=[(0, 0, RENEW)], is_renew_ack=True, **nothing)
    assert [p.acknowledge_error_code for t in renewed.responses for p in t.partitions] == [ErrorCode.NONE]
    advance(served, 20_000)
    assert acquired(second.fetch()) == []
    advance(served, 10_000)
    assert acquired(second.fetch()) == [(0, 0, 2)]


def test_a_renewal_fetches_nothing(served: Served) -> None:
    topic_id = served.create_topic("t")
    client = joined(served, "t")
    client.fetch(topic_id)
    for field in ("max_bytes", "min_bytes", "max_records", "max_wait_ms"):
        nothing = {"max_bytes": 0, "min_bytes": 0, "max_records": 0, "max_wait_ms": 0, field: 1}
        assert client.fetch(is_renew_ack=True, **nothing).error_code == ErrorCode.INVALID_REQUEST


def test_a_group_may_do_without_renewal(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a"))
    configure(served, "g", share_renew_acknowledge_enable="false")
    client = joined(served, "t")
    client.fetch(topic_id)
    response = client.acknowledge(topic_id, 0, (0, 0, RENEW), is_renew_ack=True)
    assert response.responses[0].partitions[0].error_code == ErrorCode.INVALID_RECORD_STATE


def test_sessions_count_their_requests(served: Served) -> None:
    topic_id = served.create_topic("t", 2)
    served.fill("t", batch(b"a"))
    client = joined(served, "t")
    assert client.fetch(epoch=1).error_code == ErrorCode.SHARE_SESSION_NOT_FOUND
    assert client.fetch(epoch=-1).error_code == ErrorCode.SHARE_SESSION_NOT_FOUND
    told = client.fetch(about=(topic_id, 0), said=[(0, 0, ACCEPT)], epoch=0)
    assert told.error_code == ErrorCode.INVALID_REQUEST
    client.fetch(topic_id)
    assert client.fetch(epoch=2).error_code == ErrorCode.INVALID_SHARE_SESSION_EPOCH
    client.fetch(topic_id, 1)
    served.fill("t", batch(b"b"), partition=1)
    assert values(client.fetch(forget=(topic_id, 1))) == []
    assert values(client.fetch(topic_id, 1)) == [b"b"]
    client.fetch(topic_id, epoch=0)  # A new session in place of the old one; what is locked stays so.
    client.session_epoch = 1
    assert acquired(client.fetch()) == []


@pytest.mark.parametrize("member", ["", "x" * 37])
def test_members_have_names(served: Served, member: str) -> None:
    served.create_topic("t")
    assert ShareClient(served, member).fetch().error_code == ErrorCode.INVALID_REQUEST


def test_there_is_a_limit_to_sessions() -> None:
    served = Served({"group.share.max.share.sessions": "1"})
    try:
        topic_id = served.create_topic("t")
        joined(served, "t", member="a").fetch(topic_id)
        refused = joined(served, "t", member="b").fetch(topic_id)
        assert refused.error_code == ErrorCode.SHARE_SESSION_LIMIT_REACHED
    finally:
        served.close()


def test_the_last_epoch_gives_everything_back(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a", b"b"))
    first, second = joined(served, "t", member="a"), joined(served, "t", member="b")
    first.fetch(topic_id)
    first.fetch(about=(topic_id, 0), said=[(0, 0, ACCEPT)], epoch=-1)
    assert first.fetch(epoch=-1).error_code == ErrorCode.SHARE_SESSION_NOT_FOUND
    # The delivery that was given back does not count.
    assert acquired(second.fetch(topic_id)) == [(1, 1, 1)]


def test_a_dead_consumer_gives_everything_back(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a"))
    first, second = joined(served, "t", member="a"), joined(served, "t", member="b")
    first.fetch(topic_id)
    second.fetch(topic_id)
    first.peer.hang_up()
    assert acquired(second.fetch()) == [(0, 0, 1)]


def test_a_connection_of_the_past_ends_no_session(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a"))
    client = joined(served, "t")
    client.fetch(topic_id)
    old = client.peer
    client.peer, client.session_epoch = type(old)(), 0
    client.fetch(topic_id)
    old.hang_up()
    assert client.fetch().error_code == ErrorCode.NONE


def test_record_limit_mode_is_strict(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a", b"b", b"c"), batch(b"d"))
    client = joined(served, "t")
    assert acquired(client.fetch(topic_id, max_records=2, share_acquire_mode=1)) == [(0, 1, 1)]
    assert acquired(client.fetch(max_records=1, share_acquire_mode=1)) == [(2, 2, 1)]
    # Otherwise record batches stay whole.
    configure(served, "h", share_auto_offset_reset="earliest")
    other = joined(served, "t", group="h")
    assert acquired(other.fetch(topic_id, max_records=2)) == [(0, 2, 1)]


def test_locks_are_limited(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", *(batch(*[b"x"] * 50) for _ in range(4)))
    configure(served, "g", share_partition_max_record_locks="100")
    client = joined(served, "t")
    assert acquired(client.fetch(topic_id, max_records=120)) == [(0, 99, 1)]
    assert acquired(client.fetch()) == []
    assert acquired(client.fetch(about=(topic_id, 0), said=[(0, 49, ACCEPT)])) == [(100, 149, 1)]


@pytest.mark.parametrize(
    ("reset", "first"),
    [("earliest", 0), ("latest", 4), ("by_duration:PT1H", 2), ("by_duration:PT0.5S", 4), ("by_duration:P2D", 0)],
)
def test_where_a_group_begins(served: Served, reset: str, first: int) -> None:
    topic_id = served.create_topic("t")
    now_ms = served.clock.now_ms()
    served.fill("t", batch(b"a", b"b", timestamp=now_ms - 24 * 3_600_000))
    served.fill("t", batch(b"c", b"d", timestamp=now_ms - 1_800_000))
    client = joined(served, "t", reset=reset)
    assert acquired(client.fetch(topic_id)) == ([(first, 3, 1)] if first < 4 else [])
    served.fill("t", batch(b"e"))
    assert acquired(client.fetch()) == [(4, 4, 1)]


def test_read_committed_groups_get_no_aborted_records(served: Served) -> None:
    topic_id = served.create_topic("t")
    configure(served, "g", share_isolation_level="read_committed")
    client = joined(served, "t")
    client.fetch(topic_id)
    producer = TxnClient(served)
    producer.produce(b"gone", b"too")
    served.fill("t", batch(b"plain"))
    assert acquired(client.fetch()) == []
    producer.end(committed=False)
    producer.produce(b"kept")
    producer.end()
    response = client.fetch()
    # The aborted batch is left out; markers are offsets without a record, as for a client of any other group.
    assert acquired(response) == [(2, 5, 1)]
    assert client.fetch(about=(topic_id, 0), said=[(2, 5, ACCEPT)]).responses[0].partitions[0].error_code == 0
    uncommitted = joined(served, "t", group="h")
    assert acquired(uncommitted.fetch(topic_id)) == [(0, 5, 1)]


def test_what_retention_takes_is_skipped(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a", b"b"), batch(b"c"))
    client = joined(served, "t")
    partition = DeleteRecordsPartition(partition_index=0, offset=2)
    served.call(DeleteRecordsRequest(topics=[DeleteRecordsTopic(name="t", partitions=[partition])], timeout_ms=1), 1)
    assert acquired(client.fetch(topic_id)) == [(2, 2, 1)]


def test_unknown_partitions(served: Served) -> None:
    topic_id = served.create_topic("t")
    client = joined(served, "t")
    (topic,) = client.fetch(b"\x07" * 16).responses
    assert topic.partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_ID
    (topic,) = client.fetch(topic_id, 5, epoch=0).responses
    assert topic.partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    client.session_epoch = 1
    said = client.fetch(about=(b"\x07" * 16, 0), said=[(0, 0, ACCEPT)]).responses
    assert {p.acknowledge_error_code for t in said for p in t.partitions if p.partition_index == 0} == {
        ErrorCode.UNKNOWN_TOPIC_ID
    }


def test_a_partition_that_nobody_initialised(served: Served) -> None:
    topic_id = served.create_topic("t")
    joined(served, "t", group="other")
    (topic,) = ShareClient(served, "m", "stranger").fetch(topic_id).responses
    assert topic.partitions[0].error_code == ErrorCode.UNKNOWN_SERVER_ERROR


def patient_fetch(member_id: str, topic_id: bytes) -> ShareFetchRequest:
    """A session's first fetch, of partition 0, that waits for half a minute."""
    partition = FetchPartition(partition_index=0, acknowledgement_batches=[])
    return ShareFetchRequest(
        group_id="g",
        member_id=member_id,
        share_session_epoch=0,
        max_wait_ms=30_000,
        min_bytes=1,
        max_records=10,
        batch_size=10,
        topics=[FetchTopic(topic_id=topic_id, partitions=[partition])],
        forgotten_topics_data=[],
    )


def test_a_fetch_waits_for_records(served: Served) -> None:
    topic_id = served.create_topic("t")
    client = joined(served, "t")
    request = patient_fetch("m", topic_id)
    served.peer = client.peer

    async def wait() -> object:
        task = asyncio.ensure_future(served.send(request, 1))
        await asyncio.sleep(0)
        assert not task.done()
        led = served.broker.services.replicas.partition("t", 0)
        led.append(memoryview(bytearray(batch(b"a"))), required_acks=1, now_ms=served.clock.now_ms(), produce_version=9)
        return await asyncio.wait_for(task, 5)

    assert acquired(served.run(wait())) == [(0, 0, 1)]


def test_a_fetch_waits_for_records_that_others_give_back(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a"))
    first, second = joined(served, "t", member="a"), joined(served, "t", member="b")
    first.fetch(topic_id)
    request = patient_fetch("b", topic_id)
    served.peer = second.peer

    async def wait() -> object:
        task = asyncio.ensure_future(served.send(request, 2))
        await asyncio.sleep(0)
        first.peer.hang_up()
        return await asyncio.wait_for(task, 5)

    assert acquired(served.run(wait())) == [(0, 0, 1)]


def test_a_topic_that_is_deleted(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a"))
    client = joined(served, "t")
    client.fetch(topic_id)
    served.run(served.broker.services.controller.delete_topics(["t"]))
    (topic,) = client.fetch().responses
    assert topic.partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_ID


def test_a_first_fetch_does_not_wait_for_all_partitions(served: Served) -> None:
    topic_id = served.create_topic("t", partitions=3)
    served.fill("t", batch(b"b"), partition=1)
    served.fill("t", batch(b"c"), partition=2)
    client = joined(served, "t")
    assert values(client.fetch(topic_id, 1, 2, max_wait_ms=30_000)) == [b"b"]
    assert values(client.fetch()) == [b"c"]
    other = joined(served, "t", group="other")
    assert values(other.fetch(topic_id, 0, 1, 2, max_wait_ms=30_000)) == [b"b", b"c"]  # The first one has nothing.


def test_a_fetch_waits_while_the_states_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persister_module, "FIRST_DELAY_S", 0.001)
    topic_id = many_states(tmp_path)
    served = Served(ONE_STATE_PARTITION, directories=[tmp_path])
    try:
        client = ShareClient(served)
        assert client.fetch(topic_id).responses == []  # It had no time to wait: there is nothing yet.
        assert acquired(client.fetch(max_wait_ms=30_000)) == [(400, 400, 1)]
    finally:
        served.close()


def test_nothing_is_acquired_for_a_member_that_left_while_its_acknowledgements_were_stored(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a"))
    first, second = joined(served, "t", member="a"), joined(served, "t", member="b")
    assert acquired(first.fetch(topic_id)) == [(0, 0, 1)]
    second.fetch(topic_id)
    states = served.broker.services.share.states
    partition = states.partition_for(f"g:{uuid_text(topic_id)}:0")
    said = AcknowledgementBatch(first_offset=0, last_offset=0, acknowledge_types=[RELEASE])
    request = patient_fetch("a", topic_id)
    request.share_session_epoch = 1
    request.topics[0].partitions[0].acknowledgement_batches = [said]
    served.peer = first.peer

    async def wait() -> None:
        states.on_resigned(partition)
        task = asyncio.ensure_future(served.send(request, 2))
        await asyncio.sleep(0)
        led = served.broker.services.replicas.partition("t", 0)
        led.append(memoryview(bytearray(batch(b"b"))), required_acks=1, now_ms=served.clock.now_ms(), produce_version=9)
        task.cancel()
        first.peer.hang_up()
        states.on_elected(partition, 1)
        await asyncio.gather(task, return_exceptions=True)

    served.run(wait())
    assert acquired(second.fetch()) == [(1, 1, 1)]
    assert not served.broker.services.replicas.partition("t", 0).watchers
