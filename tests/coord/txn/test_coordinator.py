"""The coordinator over a log in memory: answers, markers before them, and a restart in each state."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from kwire.clock import ManualClock
from kwire.coord.answers import Answer
from kwire.coord.txn.beginning import ProducerIdentity
from kwire.coord.txn.coordinator import TRANSACTION_STATE_TOPIC, TransactionCoordinator
from kwire.coord.txn.markers import RETRY_MS, MarkerOrder
from kwire.coord.txn.metadata import TransactionMetadata
from kwire.coord.txn.shard import TransactionShard
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.wire.messages.end_txn import EndTxnRequest
from kwire.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from kwire.wire.messages.list_transactions import ListTransactionsRequest
from tests.coord.memory_log import MemoryLog
from tests.coord.txn.script import transaction_config

T0 = TopicPartition("t", 0)
T1 = TopicPartition("t", 1)


class Ids:
    """Producer ids from 100 on."""

    def __init__(self) -> None:
        self.next = 100

    async def reserve(self) -> None:
        await asyncio.sleep(0)

    def take(self) -> int:
        self.next += 1
        return self.next - 1


class Markers:
    """Remembers the orders; `outcome` is what comes of every marker, unless there is `trouble`."""

    def __init__(self) -> None:
        self.orders: list[tuple[MarkerOrder, int]] = []
        self.outcome = ErrorCode.NONE
        self.trouble: Exception | None = None

    def write(self, order: MarkerOrder, coordinator_epoch: int) -> Sequence[ErrorCode]:
        if self.trouble is not None:
            raise self.trouble
        self.orders.append((order, coordinator_epoch))
        return [self.outcome for _ in order.partitions]


class World:
    """A coordinator of four partitions; `restart` takes its process away and leaves the log."""

    def __init__(self, *, commits_at_once: bool = True, **config: int) -> None:
        self.log = MemoryLog(commits_at_once=commits_at_once)
        self.clock = ManualClock()
        self.config = transaction_config(**config)
        self.ids = Ids()
        self.restart()

    def restart(self) -> None:
        self.markers = Markers()
        self.coordinator = self.made()

    def made(self) -> TransactionCoordinator:
        return TransactionCoordinator(
            self.config,
            self.log,
            self.clock,
            partition_count=lambda: 4,
            ensure_internal_topic=self.nothing_to_create,
            producer_ids=self.ids,
            markers=self.markers,
        )

    async def nothing_to_create(self) -> None:
        pass

    def load(self) -> None:
        for partition in range(4):
            self.coordinator.on_elected(partition, 5)

    async def init(self, name: str = "x", **fields: Any) -> InitProducerIdResponse:
        request = InitProducerIdRequest(transactional_id=name, **{"transaction_timeout_ms": 60_000, **fields})
        return await self.coordinator.init_producer_id(request)

    async def begin(self, name: str = "x") -> ProducerIdentity:
        begun = await self.init(name)
        assert begun.error_code == ErrorCode.NONE
        producer = ProducerIdentity(begun.producer_id, begun.producer_epoch)
        assert self.coordinator.add_partitions(name, producer, [T0, T1], 2) is ErrorCode.NONE
        return producer

    def end(self, producer: ProducerIdentity, *, committed: bool = True, name: str = "x") -> Answer[Any]:
        request = EndTxnRequest(
            transactional_id=name,
            producer_id=producer.producer_id,
            producer_epoch=producer.epoch,
            committed=committed,
        )
        return self.coordinator.end(request, bumps_epoch=True)

    def state(self, name: str = "x") -> str:
        answer = self.coordinator.describe([name])
        assert not isinstance(answer, asyncio.Future)
        return str(answer[0].transaction_state)


def run(scenario: Any) -> None:
    asyncio.run(scenario())


def test_markers_are_written_before_the_answer() -> None:
    async def scenario() -> None:
        world = World()
        world.load()
        producer = await world.begin()
        ended = world.end(producer)
        assert (ended.error_code, ended.producer_id, ended.producer_epoch) == (ErrorCode.NONE, 100, 1)
        assert world.markers.orders == [(MarkerOrder("x", 100, 1, True, 2, (T0, T1)), 5)]
        assert world.state() == "CompleteCommit"
        added = world.coordinator.add_partitions("x", ProducerIdentity(100, 1), [T0], 2)
        assert added is ErrorCode.NONE

    run(scenario)


def test_markers_wait_for_the_commit_of_the_decision() -> None:
    async def scenario() -> None:
        world = World(commits_at_once=False)
        world.load()
        beginning = asyncio.ensure_future(world.init())
        partition = TopicPartition(TRANSACTION_STATE_TOPIC, world.coordinator.partition_for("x"))
        await asyncio.sleep(0.01)
        assert not beginning.done()
        world.log.commit(partition)
        begun = await beginning
        producer = ProducerIdentity(begun.producer_id, begun.producer_epoch)
        added = world.coordinator.add_partitions("x", producer, [T0], 2)
        ended = world.end(producer)
        assert isinstance(ended, asyncio.Future)
        await asyncio.sleep(0.01)
        assert world.markers.orders == []
        world.log.commit(partition)
        assert await added is ErrorCode.NONE  # type: ignore[misc]  # a future here
        assert (await ended).error_code == ErrorCode.NONE
        assert [order.committed for order, _ in world.markers.orders] == [True]

    run(scenario)


@pytest.mark.parametrize("committed", [True, False])
def test_a_prepared_transaction_is_carried_out_after_a_restart(committed: bool) -> None:
    async def scenario() -> None:
        world = World()
        world.load()
        world.markers.outcome = ErrorCode.NOT_LEADER_OR_FOLLOWER
        assert world.end(await world.begin(), committed=committed).error_code == ErrorCode.NONE
        assert world.state() == ("PrepareCommit" if committed else "PrepareAbort")
        world.coordinator.stop()
        world.restart()
        world.load()
        assert world.markers.orders == [(MarkerOrder("x", 100, 1, committed, 2, (T0, T1)), 5)]
        assert world.state() == ("CompleteCommit" if committed else "CompleteAbort")
        assert (await world.init()).producer_epoch == 2
        world.coordinator.stop()

    run(scenario)


def test_an_open_transaction_survives_a_restart_and_times_out() -> None:
    async def scenario() -> None:
        world = World(abort_interval_ms=1000)
        world.load()
        producer = await world.begin()
        world.coordinator.stop()
        world.restart()
        world.load()
        assert world.state() == "Ongoing"
        verdicts = world.coordinator.verify_partitions("x", producer, [T0, TopicPartition("t", 2)])
        assert verdicts == {T0: ErrorCode.NONE, ("t", 2): ErrorCode.TRANSACTION_ABORTABLE}
        world.clock.advance(60_001)
        world.coordinator._runtime.run_due_timers()
        assert world.state() == "CompleteAbort"
        assert [order.committed for order, _ in world.markers.orders] == [False]
        assert world.end(producer).error_code == ErrorCode.INVALID_TXN_STATE
        world.coordinator.stop()

    run(scenario)


def test_trouble_with_one_overdue_transaction_does_not_keep_the_others_open(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    end = TransactionShard._end

    def break_for_x(shard: TransactionShard, txn: TransactionMetadata, *details: Any) -> TransactionMetadata:
        ended = end(shard, txn, *details)
        if txn.transactional_id == "x":
            raise RuntimeError("unforeseen")
        return ended

    async def scenario() -> None:
        world = World(abort_interval_ms=1000)
        world.load()
        where = world.coordinator.partition_for
        other = next(name for name in (f"y{number}" for number in range(50)) if where(name) == where("x"))
        await world.begin("x")
        await world.begin(other)
        world.clock.advance(60_001)
        monkeypatch.setattr(TransactionShard, "_end", break_for_x)
        world.coordinator._runtime.run_due_timers()
        assert "the overdue transaction of x cannot be aborted" in caplog.text
        assert (world.state("x"), world.state(other)) == ("Ongoing", "CompleteAbort")
        monkeypatch.undo()
        world.clock.advance(1000)
        world.coordinator._runtime.run_due_timers()
        assert world.state() == "CompleteAbort"
        world.coordinator.stop()

    run(scenario)


@pytest.mark.parametrize("committed", [True, False, None])
def test_an_id_at_rest_survives_a_restart(committed: bool | None) -> None:
    async def scenario() -> None:
        world = World()
        world.load()
        if committed is None:
            await world.init()
        else:
            world.end(await world.begin(), committed=committed)
        before = world.state()
        world.coordinator.stop()
        world.restart()
        world.load()
        assert world.state() == before == {None: "Empty", True: "CompleteCommit", False: "CompleteAbort"}[committed]
        assert world.markers.orders == []
        again = await world.init()
        assert (again.producer_id, again.producer_epoch) == (100, 1 if committed is None else 2)
        world.coordinator.stop()

    run(scenario)


def test_a_forgotten_id_stays_forgotten() -> None:
    async def scenario() -> None:
        world = World(id_expiration_ms=1000, expiration_interval_ms=1000)
        world.load()
        await world.init()
        world.clock.advance(2000)
        world.coordinator._runtime.run_due_timers()
        assert world.state() == ""
        world.coordinator.stop()
        world.restart()
        world.load()
        assert world.state() == ""
        assert (await world.init()).producer_id == 101
        world.coordinator.stop()

    run(scenario)


def test_markers_are_tried_again() -> None:
    async def scenario() -> None:
        world = World()
        world.load()
        world.markers.outcome = ErrorCode.KAFKA_STORAGE_ERROR
        world.end(await world.begin())
        assert (await world.init()).error_code == ErrorCode.CONCURRENT_TRANSACTIONS
        world.markers.outcome = ErrorCode.NONE
        world.clock.advance(RETRY_MS)
        world.coordinator._runtime.run_due_timers()
        assert world.state() == "CompleteCommit"
        world.coordinator.stop()

    run(scenario)


def test_markers_whose_writer_breaks_are_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        world = World()
        world.load()
        producer = await world.begin()
        world.markers.trouble = RuntimeError("unforeseen")
        assert world.end(producer).error_code == ErrorCode.NONE
        assert "unforeseen" in caplog.text
        assert world.state() == "PrepareCommit"
        world.markers.trouble = None
        world.clock.advance(RETRY_MS)
        world.coordinator._runtime.run_due_timers()
        assert world.state() == "CompleteCommit"
        world.coordinator.stop()

    run(scenario)


def test_markers_are_written_however_late_the_decision_is_committed() -> None:
    async def scenario() -> None:
        world = World()
        world.load()
        world.coordinator._runtime._commit_timeout_ms = 10
        producer = await world.begin()
        world.log.commits_at_once = False
        assert (await world.end(producer)).error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert world.markers.orders == []
        world.log.commits_at_once = True
        world.log.commit(TopicPartition(TRANSACTION_STATE_TOPIC, world.coordinator.partition_for("x")))
        for _ in range(10):
            await asyncio.sleep(0)
        assert world.state() == "CompleteCommit"
        world.coordinator.stop()

    run(scenario)


def test_a_successor_gets_the_id_at_once() -> None:
    async def scenario() -> None:
        world = World()
        world.load()
        producer = await world.begin()
        successor = await world.init()
        assert (successor.error_code, successor.producer_id, successor.producer_epoch) == (0, 100, 2)
        assert [(order.producer_epoch, order.committed) for order, _ in world.markers.orders] == [(1, False)]
        assert world.end(producer).error_code == ErrorCode.PRODUCER_FENCED

    run(scenario)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"name": ""}, ErrorCode.INVALID_REQUEST),
        ({"transaction_timeout_ms": 900_001}, ErrorCode.INVALID_TRANSACTION_TIMEOUT),
        ({"transaction_timeout_ms": 0}, ErrorCode.INVALID_TRANSACTION_TIMEOUT),
        ({"transaction_timeout_ms": -1}, ErrorCode.INVALID_TRANSACTION_TIMEOUT),
        ({"enable2_pc": True}, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        ({"keep_prepared_txn": True}, ErrorCode.UNSUPPORTED_VERSION),
    ],
)
def test_bad_beginnings(fields: dict[str, Any], code: ErrorCode) -> None:
    async def scenario() -> None:
        world = World()
        world.load()
        refused = await world.init(**fields)
        assert (refused.error_code, refused.producer_id, refused.producer_epoch) == (code, -1, -1)
        assert world.log.appends == 0

    run(scenario)


def test_two_phase_commit_where_it_is_enabled() -> None:
    async def scenario() -> None:
        world = World(two_phase_commit=True)
        world.load()
        assert (await world.init(enable2_pc=True, transaction_timeout_ms=-5)).error_code == ErrorCode.NONE
        answer = world.coordinator.describe(["x"])
        assert answer[0].transaction_timeout_ms == 2**31 - 1  # type: ignore[index]  # no future here

    run(scenario)


def test_a_partition_that_is_led_elsewhere() -> None:
    async def scenario() -> None:
        world = World()
        producer = ProducerIdentity(1, 0)
        assert (await world.init()).error_code == ErrorCode.NOT_COORDINATOR
        assert world.coordinator.add_partitions("x", producer, [T0], 0) is ErrorCode.NOT_COORDINATOR
        assert world.coordinator.verify_partitions("x", producer, [T0]) == {T0: ErrorCode.NOT_COORDINATOR}
        assert world.end(producer).error_code == ErrorCode.NOT_COORDINATOR
        described = world.coordinator.describe(["x", ""])
        assert [entry.error_code for entry in described] == [42, 16]  # type: ignore[union-attr]  # no future here

    run(scenario)


def test_empty_ids() -> None:
    async def scenario() -> None:
        world = World()
        world.load()
        producer = ProducerIdentity(1, 0)
        assert world.coordinator.add_partitions("", producer, [T0], 0) is ErrorCode.INVALID_REQUEST
        assert world.coordinator.verify_partitions("", producer, [T0]) == {T0: ErrorCode.INVALID_REQUEST}
        assert world.end(producer, name="").error_code == ErrorCode.INVALID_REQUEST

    run(scenario)


def test_a_log_that_refuses() -> None:
    async def scenario() -> None:
        world = World()
        world.load()
        world.log.refuse_next = KafkaError(ErrorCode.NOT_ENOUGH_REPLICAS)
        assert (await world.init()).error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert (await world.init()).producer_epoch == 0

    run(scenario)


def test_listing_all_partitions() -> None:
    async def scenario() -> None:
        world = World()
        world.load()
        for name in ("a", "b", "c", "d", "e"):
            await world.init(name)
        request = ListTransactionsRequest(state_filters=["Empty", "Nowhere"], producer_id_filters=[])
        answer = world.coordinator.list_transactions(request, lambda name: name != "c")
        assert not isinstance(answer, asyncio.Future)
        assert sorted(entry.transactional_id for entry in answer.transaction_states) == ["a", "b", "d", "e"]
        assert answer.unknown_state_filters == ["Nowhere"]

    run(scenario)
