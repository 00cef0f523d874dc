"""EndTxn: what readers see of commits and aborts, epochs, and what is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kwire.coord.decision import Decision
from kwire.coord.txn.shard import TransactionShard
from kwire.errors import ErrorCode
from kwire.wire.messages.find_coordinator import FindCoordinatorRequest
from kwire.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from kwire.wire.messages.transaction_records import TransactionLogKey
from tests.api.served import Served
from tests.api.txn_client import TxnClient, fetch, run_due_timers


def latest(served: Served, *, committed: bool) -> int:
    asked = ListOffsetsPartition(partition_index=0, current_leader_epoch=-1, timestamp=-1)
    request = ListOffsetsRequest(
        replica_id=-1, isolation_level=int(committed), topics=[ListOffsetsTopic(name="t", partitions=[asked])]
    )
    (topic,) = served.call(request, 7).topics
    return int(topic.partitions[0].offset)


@pytest.mark.parametrize("version", range(6))
@pytest.mark.parametrize("committed", [True, False])
def test_an_end_is_seen_when_it_is_answered(served: Served, version: int, committed: bool) -> None:
    served.create_topic("t")
    client = TxnClient(served)
    if version < 5:
        client.add()
    assert client.produce(b"a", b"b", version=12 if version == 5 else 9) == ErrorCode.NONE
    assert (latest(served, committed=True), latest(served, committed=False)) == (0, 2)
    assert fetch(served, committed=True) == ([], [])
    assert client.end(committed=committed, version=version) == ErrorCode.NONE
    assert client.epoch == (1 if version == 5 else 0)
    assert latest(served, committed=True) == 3
    values, aborted = fetch(served, committed=True)
    assert values[:2] == [b"a", b"b"]
    assert aborted == ([] if committed else [(client.producer_id, 0)])
    # The next transaction begins at once.
    if version < 5:
        assert client.add() == [0]
    assert client.produce(b"c", version=12 if version == 5 else 9) == ErrorCode.NONE
    assert client.end(version=version) == ErrorCode.NONE


@pytest.mark.parametrize("version", [1, 3])
def test_ends_that_do_not_fit(served: Served, version: int) -> None:
    served.create_topic("t")
    client = TxnClient(served)
    assert client.end(version=version) == ErrorCode.INVALID_TXN_STATE
    fenced = ErrorCode.INVALID_PRODUCER_EPOCH if version == 1 else ErrorCode.PRODUCER_FENCED
    assert client.end(version=version, epoch=4) == fenced
    client.add()
    assert client.end(committed=False, version=version) == ErrorCode.NONE
    assert client.end(committed=False, version=version) == ErrorCode.NONE
    assert client.end(version=version) == ErrorCode.INVALID_TXN_STATE
    client.producer_id += 1
    assert client.end(version=version) == ErrorCode.INVALID_PRODUCER_ID_MAPPING
    client.name = "nobody"
    assert client.end(version=version) == ErrorCode.INVALID_PRODUCER_ID_MAPPING
    client.name = ""
    assert client.end(version=version) == ErrorCode.INVALID_REQUEST


def test_a_zombie_is_fenced_in_every_place(served: Served) -> None:
    served.create_topic("t")
    zombie = TxnClient(served)
    assert zombie.produce(b"lost") == ErrorCode.NONE
    successor = TxnClient(served)
    assert (successor.producer_id, successor.epoch) == (zombie.producer_id, 2)
    assert zombie.produce(b"more") == ErrorCode.INVALID_PRODUCER_EPOCH
    assert zombie.end() == ErrorCode.PRODUCER_FENCED
    assert zombie.add() == [ErrorCode.PRODUCER_FENCED]
    served.call(FindCoordinatorRequest(key="g"), 1)
    assert zombie.commit_offset(1) == ErrorCode.INVALID_PRODUCER_EPOCH
    assert zombie.init(producer_id=zombie.producer_id, producer_epoch=0).error_code == ErrorCode.PRODUCER_FENCED
    assert successor.produce(b"new") == ErrorCode.NONE
    assert successor.end() == ErrorCode.NONE
    values, aborted = fetch(served, committed=True)
    assert [value for value in values if value in (b"lost", b"new")] == [b"lost", b"new"]
    assert aborted == [(zombie.producer_id, 0)]


def test_a_deleted_topic_does_not_stop_the_end(served: Served) -> None:
    from kwire.wire.messages.delete_topics import DeleteTopicsRequest

    served.create_topic("t")
    client = TxnClient(served)
    assert client.produce(b"a") == ErrorCode.NONE
    served.call(DeleteTopicsRequest(topic_names=["t"], timeout_ms=1000), 5)
    assert client.end() == ErrorCode.NONE
    served.create_topic("t")
    assert client.produce(b"b") == ErrorCode.NONE


def test_a_transaction_that_takes_too_long_is_aborted(served: Served) -> None:
    served.create_topic("t")
    client = TxnClient(served)
    assert client.produce(b"a") == ErrorCode.NONE
    served.clock.advance(90_000)
    run_due_timers(served)
    assert latest(served, committed=True) == 2
    assert client.produce(b"b") == ErrorCode.INVALID_PRODUCER_EPOCH
    assert client.end() == ErrorCode.INVALID_TXN_STATE


def test_an_overdue_transaction_at_the_last_epoch_is_aborted_after_a_restart(tmp_path: Path) -> None:
    served = Served(directories=[tmp_path])
    served.create_topic("t")
    client = TxnClient(served)
    transactions = served.broker.services.transactions

    def at_the_last_epoch(shard: TransactionShard, now_ms: int) -> Decision:
        out = Decision()
        txn = shard.transactions["x"]._replace(producer_epoch=0x7FFE)
        out.record(TransactionLogKey(transactional_id="x"), txn.to_value())
        return out

    async def act() -> None:
        transactions._runtime.act(transactions.partition_for("x"), at_the_last_epoch)

    served.run(act())  # As if after 32766 transactions: each end raises the epoch.
    client.epoch = 0x7FFE
    assert client.produce(b"open") == ErrorCode.NONE
    served.close()
    served = Served(directories=[tmp_path])
    try:

        async def time_passes() -> None:
            runtime = served.broker.services.transactions._runtime
            for _ in range(9):
                served.clock.advance(10_000)
                runtime.run_due_timers()
                await asyncio.sleep(0)  # The store's turn.

        served.run(time_passes())
        assert latest(served, committed=True) == 2  # The record, and the marker.
    finally:
        served.close()
