"""The states that members make necessary, with a persister that takes its time: who waits, and what is given up."""

from __future__ import annotations

import asyncio
from typing import Any

from kwire.clock import ManualClock
from kwire.coord.answers import Answer
from kwire.coord.group.coordinator import GROUP_METADATA_TOPIC, GroupCoordinator
from kwire.coord.group.share.coordinator import ShareGroupCoordinator, share_groups
from kwire.coord.group.share.groups import LEAVE_EPOCH
from kwire.coord.share.shard import Outcome
from kwire.coord.share.state import ShareKey
from kwire.errors import ErrorCode
from kwire.ids import TopicPartition
from kwire.wire.messages.share_group_heartbeat import ShareGroupHeartbeatRequest
from tests.coord.group.configs import group_config
from tests.coord.group.consumer_topics import TopicsForTests
from tests.coord.memory_log import MemoryLog

CLIENT = ("client", "/127.0.0.1")


class SlowPersister:
    """Answers what was asked with `settle`, unless it `answers_at_once`."""

    def __init__(self) -> None:
        self.answers_at_once = False
        self.asked: list[tuple[ShareKey, int]] = []
        self._waiting: list[asyncio.Future[Outcome]] = []

    async def ensure_topic(self) -> None:
        pass

    def initialize_one(self, key: ShareKey, state_epoch: int, start_offset: int) -> Answer[Outcome]:
        self.asked.append((key, state_epoch))
        if self.answers_at_once:
            return Outcome()
        self._waiting.append(asyncio.get_running_loop().create_future())
        return self._waiting[-1]

    def delete_one(self, key: ShareKey) -> Answer[Outcome]:
        return Outcome()

    def summary_of(self, key: ShareKey) -> Answer[Outcome]:
        return Outcome()

    def settle(self) -> None:
        waiting, self._waiting = self._waiting, []
        for answer in waiting:
            answer.set_result(Outcome())


class World:
    """Share groups over a log in memory."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.clock = ManualClock()
        self.topics = TopicsForTests()
        self.persister = SlowPersister()

        async def ensure() -> None:
            raise AssertionError("the topic exists")

        self.groups = GroupCoordinator(
            group_config(),
            self.log,
            self.clock,
            partition_count=lambda: 1,
            ensure_internal_topic=ensure,
            new_uuid=lambda: "u",
            topics=self.topics,
            commit_timeout_ms=1,
        )
        self.share = ShareGroupCoordinator(self.groups, self.persister, self.topics)
        self.groups.on_elected(0, 0)

    async def beat(self, member_id: str, *names: str, epoch: int = 0) -> Any:
        """As the handler does it."""
        request = ShareGroupHeartbeatRequest(
            group_id="g", member_id=member_id, member_epoch=epoch, subscribed_topic_names=list(names) or None
        )
        return await self.share.after_heartbeat(self.share.heartbeat(request, CLIENT), request, CLIENT)

    def epoch(self) -> int:
        (slot,) = self.groups.runtime._slots.values()
        return share_groups(slot.shard).groups["g"].group_epoch


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_what_is_ordered_meanwhile_is_made_for_who_waits() -> None:
    async def scenario() -> None:
        world = World()
        world.topics.put("t", 1)
        world.topics.put("u", 1)
        first = asyncio.ensure_future(world.beat("a", "t"))
        await turns()
        second = asyncio.ensure_future(world.beat("b", "u"))
        await turns()
        assert len(world.persister.asked) == 1
        world.persister.settle()
        await turns()
        assert [key.topic_id for key, _ in world.persister.asked] == [
            world.topics.topics[name].topic_id for name in "tu"
        ]
        assert (first.done(), second.done()) == (False, False)
        world.persister.settle()
        assert (await first).error_code == (await second).error_code == ErrorCode.NONE
        assert not world.share.has_orders("g")

    asyncio.run(scenario())


def test_an_order_of_a_group_that_is_gone_is_not_carried_out_for_the_next_of_its_name() -> None:
    async def scenario() -> None:
        world = World()
        world.persister.answers_at_once = True
        world.topics.put("t", 1)
        for _ in range(3):  # The group's epoch rises.
            await world.beat("a", "t")
            assert (await world.beat("a", epoch=LEAVE_EPOCH)).error_code == ErrorCode.NONE
        old_epoch = world.epoch()
        world.topics.put("u", 1)
        world.persister.asked.clear()
        world.log.commits_at_once = False
        assert (await world.beat("b", "u")).error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
        world.log.commits_at_once = True
        world.log.commit(TopicPartition(GROUP_METADATA_TOPIC, 0))
        await turns()
        assert world.persister.asked == []  # The order comes when nobody waits for it any more.
        world.clock.advance(60_000)
        world.groups.runtime.run_due_timers()
        assert world.groups.delete_groups(["g"]).results[0].error_code == ErrorCode.NONE  # type: ignore[union-attr]
        await world.beat("c", "u")
        assert old_epoch > world.epoch()
        assert [epoch for _, epoch in world.persister.asked] == [2]

    asyncio.run(scenario())


def test_an_order_that_nobody_waited_for_is_made_with_the_next_heartbeat() -> None:
    async def scenario() -> None:
        world = World()
        world.persister.answers_at_once = True
        world.topics.put("t", 1)
        world.log.commits_at_once = False
        assert (await world.beat("a", "t")).error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
        world.log.commits_at_once = True
        world.log.commit(TopicPartition(GROUP_METADATA_TOPIC, 0))
        await turns()
        world.clock.advance(5000)
        response = await world.beat("a", "t")
        assert len(world.persister.asked) == 1
        (assigned,) = response.assignment.topic_partitions
        assert assigned.partitions == [0]

    asyncio.run(scenario())
