"""Patience with a share coordinator that cannot answer yet: how often it is asked, when, and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from kwire.clock import ManualClock
from kwire.config.broker_config import BrokerConfig
from kwire.coord.answers import settled
from kwire.coord.share.config import ShareCoordinatorConfig
from kwire.coord.share.coordinator import SHARE_GROUP_STATE_TOPIC, ShareCoordinator
from kwire.coord.share.persister import PatientPersister
from kwire.coord.share.shard import Change, Outcome
from kwire.coord.share.state import ShareKey, StateBatch
from kwire.errors import ErrorCode
from kwire.ids import TopicPartition
from tests.coord.memory_log import MemoryLog

KEY = ShareKey("g", b"t" * 16, 0)
PARTITION = TopicPartition(SHARE_GROUP_STATE_TOPIC, 0)


class Alarm:
    def __init__(self, delay_s: float, ring: Callable[[], None]) -> None:
        self.delay_s = delay_s
        self.ring = ring
        self.is_off = False

    def cancel(self) -> None:
        self.is_off = True


class World:
    """A share coordinator of one partition, and alarms that ring by hand."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.alarms: list[Alarm] = []
        self.delays: list[float] = []
        self.exists = True
        self.partition_count = 1
        self.alarm_set = asyncio.Event()

        async def ensure() -> None:
            raise AssertionError("the topic exists")

        self.states = ShareCoordinator(
            ShareCoordinatorConfig(BrokerConfig({}).get),
            self.log,
            ManualClock(),
            partition_count=lambda: self.partition_count,
            ensure_internal_topic=ensure,
            exists=lambda topic_id, partition: self.exists,
            delete_before=lambda partition, offset: None,
            commit_timeout_ms=1,
        )
        self.persister = PatientPersister(self.states, self._call_later)

    def _call_later(self, delay_s: float, callback: Callable[[], None]) -> Alarm:
        self.delays.append(delay_s)
        self.alarms.append(Alarm(delay_s, callback))
        self.alarm_set.set()
        return self.alarms[-1]

    def ring(self) -> None:
        due, self.alarms = self.alarms, []
        for alarm in due:
            if not alarm.is_off:
                alarm.ring()

    def write(self, *batches: StateBatch, start: int = 0) -> object:
        return self.persister.write_one(KEY, Change(1, 0, start, 0, batches))


def code_of(outcome: Outcome) -> ErrorCode:
    return ErrorCode.NONE if outcome.error is None else outcome.error.code


def test_who_can_answer_is_not_waited_for() -> None:
    async def work() -> None:
        world = World()
        world.states.on_elected(0, 0)
        assert not isinstance(world.persister.initialize_one(KEY, 1, 5), asyncio.Future)
        outcome = await settled(world.persister.read_one(KEY, 0))
        assert (outcome.error, outcome.state.start_offset) == (None, 5)
        world.exists = False
        assert code_of(await settled(world.persister.summary_of(KEY))) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert not world.delays

    asyncio.run(work())


def test_a_coordinator_that_is_not_there_yet_is_asked_again() -> None:
    async def work() -> None:
        world = World()
        answers = [
            world.persister.initialize_one(KEY, 1, 5),
            world.persister.read_one(KEY, 0),
            world.persister.summary_of(KEY),
            world.persister.delete_one(KEY),
        ]
        for _ in range(7):
            world.ring()
        assert world.delays == [0.05, 0.1, 0.2, 0.4, 0.8, 1, 1, 1]
        world.states.on_elected(0, 0)
        for _ in answers:
            world.ring()
        outcomes = [await settled(answer) for answer in answers]
        assert [outcome.error for outcome in outcomes] == [None] * 4
        assert [outcome.state.start_offset for outcome in outcomes[1:3]] == [5, 5]
        assert world.delays[8:] == [0, 0, 0]

    asyncio.run(work())


def test_without_a_topic_there_is_nothing_to_wait_for() -> None:
    async def work() -> None:
        world = World()
        world.partition_count = 0
        assert code_of(await settled(world.persister.summary_of(KEY))) is ErrorCode.NOT_COORDINATOR
        assert not world.delays

    asyncio.run(work())


def test_writes_keep_their_order() -> None:
    async def work() -> None:
        world = World()
        world.states.on_elected(0, 0)
        world.persister.initialize_one(KEY, 1, 0)
        world.states.on_resigned(0)
        first = world.write(StateBatch(0, 0, 0, 1))
        world.states.on_elected(0, 1)
        second = world.write(StateBatch(0, 0, 2, 1), start=0)
        world.ring()
        world.ring()
        for answer in (first, second):
            assert isinstance(answer, asyncio.Future)
            assert code_of(await answer) is ErrorCode.NONE
        assert (await settled(world.persister.read_one(KEY, 0))).state.batches == (StateBatch(0, 0, 2, 1),)

    asyncio.run(work())


def test_patience_ends_for_all_who_wait_and_begins_anew() -> None:
    async def work() -> None:
        world = World()
        answers = [world.persister.read_one(KEY, 0), world.persister.read_one(KEY, 0)]
        for _ in range(30):
            world.ring()
        assert [code_of(await settled(answer)) for answer in answers] == [ErrorCode.NOT_COORDINATOR] * 2
        assert (len(world.delays), 15 < sum(world.delays) < 16) == (19, True)
        again = world.persister.read_one(KEY, 0)
        assert isinstance(again, asyncio.Future)
        assert world.delays[19:] == [0.05]

    asyncio.run(work())


def test_share_partitions_do_not_wait_for_each_other() -> None:
    async def work() -> None:
        world = World()
        waiting = world.persister.read_one(KEY, 0)
        world.states.on_elected(0, 0)
        other = ShareKey("other", b"t" * 16, 0)
        assert not isinstance(world.persister.initialize_one(other, 1, 0), asyncio.Future)
        assert isinstance(waiting, asyncio.Future)
        assert not waiting.done()

    asyncio.run(work())


def test_a_commit_that_takes_too_long_is_tried_again() -> None:
    async def work() -> None:
        world = World()
        world.states.on_elected(0, 0)
        world.log.commits_at_once = False
        answer = world.persister.initialize_one(KEY, 1, 5)
        assert isinstance(answer, asyncio.Future)
        await asyncio.wait_for(world.alarm_set.wait(), 5)
        world.log.commits_at_once = True
        world.log.commit(PARTITION)
        world.ring()
        assert code_of(await answer) is ErrorCode.NONE

    asyncio.run(work())


@pytest.mark.parametrize("is_in_work", [False, True])
def test_a_stop_tells_everybody(is_in_work: bool) -> None:
    async def work() -> None:
        world = World()
        if is_in_work:
            world.states.on_elected(0, 0)
            world.log.commits_at_once = False
        answers = [world.persister.initialize_one(KEY, 1, 5), world.persister.read_one(KEY, 0)]
        world.persister.stop()
        assert [code_of(await settled(answer)) for answer in answers] == [ErrorCode.NOT_COORDINATOR] * 2
        world.states.stop()
        await asyncio.sleep(0)
        world.ring()
        later = world.persister.read_one(KEY, 0)
        assert isinstance(later, Outcome)
        assert code_of(later) is ErrorCode.NOT_COORDINATOR
        assert len(world.delays) == (0 if is_in_work else 1)

    asyncio.run(work())
