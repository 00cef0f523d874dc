"""The runtime over a log in memory and a clock that stands still: append, commit, load, resign, wake."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from kwire.clock import ManualClock
from kwire.coord import runtime as runtime_module
from kwire.coord.group.coordinator import GROUP_METADATA_TOPIC, GroupCoordinator
from kwire.coord.group.members import JoiningClient
from kwire.coord.group.shard import GroupShard
from kwire.coord.runtime import OnDemand, random_uuid, when_all
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.wire.messages.heartbeat import HeartbeatRequest
from kwire.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from kwire.wire.messages.leave_group import LeaveGroupRequest, MemberIdentity
from kwire.wire.messages.list_groups import ListGroupsRequest
from kwire.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from kwire.wire.messages.offset_fetch import OffsetFetchRequestGroup
from kwire.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from kwire.wire.records import build_batch
from tests.coord.group.configs import group_config
from tests.coord.memory_log import MemoryLog

PARTITION = TopicPartition(GROUP_METADATA_TOPIC, 0)
CLIENT = JoiningClient("client", "/127.0.0.1", False, True)


class JumpingClock(ManualClock):
    """A clock whose hands can be set: time itself goes on as before."""

    def __init__(self) -> None:
        super().__init__()
        self.jump_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.jump_ms


class World:
    """A coordinator of one partition."""

    def __init__(self, **config: int) -> None:
        self.log = MemoryLog()
        self.clock: ManualClock = ManualClock()
        self.config = group_config(**{"initial_rebalance_delay_ms": 0, **config})
        self.uuids = 0
        self.groups = self.another()

    def another(self) -> GroupCoordinator:
        """A coordinator over the same log: this one after a restart."""

        async def ensure() -> None:
            raise AssertionError("the topic exists")

        return GroupCoordinator(
            self.config,
            self.log,
            self.clock,
            partition_count=lambda: 1,
            ensure_internal_topic=ensure,
            new_uuid=self.uuid,
            commit_timeout_ms=50,
        )

    async def loaded(self) -> None:
        """Let the loading go on until it is over."""
        for _ in range(100):
            if self.fetch().error_code != ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
                return
            await asyncio.sleep(0)
        raise AssertionError("still loading")

    def uuid(self) -> str:
        self.uuids += 1
        return f"u{self.uuids}"

    def join(self, member_id: str = "", **change: Any) -> Any:
        request = JoinGroupRequest(
            group_id="g",
            session_timeout_ms=10_000,
            rebalance_timeout_ms=30_000,
            member_id=member_id,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
        )
        for name, value in change.items():
            setattr(request, name, value)
        return self.groups.join_group(request, CLIENT)

    def sync(self, member_id: str, generation_id: int = 1, assignment: bytes = b"mine") -> Any:
        assignments = [SyncGroupRequestAssignment(member_id=member_id, assignment=assignment)]
        return self.groups.sync_group(
            SyncGroupRequest(group_id="g", generation_id=generation_id, member_id=member_id, assignments=assignments)
        )

    def heartbeat(self, member_id: str, generation_id: int = 1) -> Any:
        request = HeartbeatRequest(group_id="g", generation_id=generation_id, member_id=member_id)
        return self.groups.heartbeat(request)

    def commit(self, offset: int, group_id: str = "simple") -> Any:
        partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=offset, committed_metadata="")
        topics = [OffsetCommitRequestTopic(name="t", partitions=[partition])]
        return self.groups.commit_offsets(OffsetCommitRequest(group_id=group_id, topics=topics))

    def fetch(self, group_id: str = "simple") -> Any:
        return self.groups.fetch_offsets(OffsetFetchRequestGroup(group_id=group_id, topics=None), False)


def code_of(response: OffsetCommitResponse) -> ErrorCode:
    return ErrorCode(response.topics[0].partitions[0].error_code)


def offset_of(response: Any) -> int:
    return int(response.topics[0].partitions[0].committed_offset)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_without_waiting_for_replicas_nothing_waits() -> None:
    async def work() -> None:
        world = World()
        world.groups.on_elected(0, 0)
        member_id = world.join().member_id
        assert world.sync(member_id).assignment == b"mine"
        assert world.heartbeat(member_id).error_code == ErrorCode.NONE
        assert code_of(world.commit(5)) is ErrorCode.NONE
        assert offset_of(world.fetch()) == 5
        assert world.log.appends == 2
        world.groups.stop()

    run(work())


def test_no_shard_no_coordinator() -> None:
    async def work() -> None:
        world = World()
        assert world.join().error_code == ErrorCode.NOT_COORDINATOR
        assert world.sync("m").error_code == ErrorCode.NOT_COORDINATOR
        assert world.heartbeat("m").error_code == ErrorCode.NOT_COORDINATOR
        assert code_of(world.commit(1)) is ErrorCode.NOT_COORDINATOR
        assert world.fetch().error_code == ErrorCode.NOT_COORDINATOR
        assert world.groups.describe_groups(["g"])[0].error_code == ErrorCode.NOT_COORDINATOR  # type: ignore[index]
        listing = world.groups.list_groups(ListGroupsRequest())
        assert listing.error_code == ErrorCode.NONE  # type: ignore[union-attr]

    run(work())


def test_replies_and_reads_wait_for_the_commit_in_order() -> None:
    async def work() -> None:
        world = World()
        world.log.commits_at_once = False
        world.groups.on_elected(0, 0)
        answers = [world.commit(1), world.fetch(), world.commit(2), world.fetch()]
        assert all(isinstance(answer, asyncio.Future) for answer in answers)
        await asyncio.sleep(0)
        assert not any(answer.done() for answer in answers)
        world.log.commit(PARTITION)
        codes = [code_of(await answers[0]), code_of(await answers[2])]
        assert codes == [ErrorCode.NONE, ErrorCode.NONE]
        assert [offset_of(await answers[1]), offset_of(await answers[3])] == [1, 2]
        assert offset_of(world.fetch()) == 2
        world.groups.stop()

    run(work())


def test_a_commit_that_takes_too_long() -> None:
    async def work() -> None:
        world = World()
        world.log.commits_at_once = False
        world.groups.on_elected(0, 0)
        assert code_of(await world.commit(1)) is ErrorCode.COORDINATOR_NOT_AVAILABLE
        world.log.commit(PARTITION)
        assert offset_of(world.fetch()) == 1
        world.groups.stop()

    run(work())


def test_commits_that_take_too_long_do_not_wait_for_each_other() -> None:
    async def work() -> None:
        world = World()
        world.log.commits_at_once = False
        world.groups.on_elected(0, 0)
        async with asyncio.timeout(2):
            codes = [code_of(await answer) for answer in [world.commit(offset) for offset in range(100)]]
        assert codes == [ErrorCode.COORDINATOR_NOT_AVAILABLE] * 100
        world.groups.stop()

    run(work())


def test_leadership_is_lost_while_a_commit_waits() -> None:
    async def work() -> None:
        world = World()
        world.log.commits_at_once = False
        world.groups.on_elected(0, 0)
        committing, reading = world.commit(1), world.fetch()
        world.log.fence(PARTITION, KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER))
        assert code_of(await committing) is ErrorCode.NOT_COORDINATOR
        assert (await reading).error_code == ErrorCode.NOT_COORDINATOR
        # The log is gone altogether, and the coordinator has not been told yet.
        assert (await world.fetch()).error_code == ErrorCode.NOT_COORDINATOR
        world.clock.advance(600_000)
        world.groups._runtime.run_due_timers()
        world.groups.stop()

    run(work())


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.COORDINATOR_NOT_AVAILABLE),
        (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.NOT_COORDINATOR),
        (ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NOT_COORDINATOR),
        (ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.UNKNOWN_SERVER_ERROR),
        (ErrorCode.POLICY_VIOLATION, ErrorCode.POLICY_VIOLATION),
    ],
)
def test_the_log_refuses(refusal: ErrorCode, code: ErrorCode) -> None:
    async def work() -> None:
        world = World()
        world.groups.on_elected(0, 0)
        member_id = world.join().member_id
        world.log.refuse_next = KafkaError(refusal)
        assert code_of(world.commit(1)) is code
        world.log.refuse_next = KafkaError(refusal)
        assert world.sync(member_id).error_code == code
        assert world.fetch().topics == []
        assert world.sync(member_id).error_code == ErrorCode.REBALANCE_IN_PROGRESS
        assert world.join(member_id).generation_id == 2
        assert world.sync(member_id, 2).error_code == ErrorCode.NONE
        world.groups.stop()

    run(work())


def test_members_that_wait_for_what_the_log_refuses_are_told() -> None:
    async def work() -> None:
        world = World()
        world.groups.on_elected(0, 0)
        leader = world.join().member_id
        follower = world.join()
        assert world.join(leader).generation_id == 2
        member_id = (await follower).member_id
        waiting = world.sync(member_id, 2)
        world.log.refuse_next = KafkaError(ErrorCode.MESSAGE_TOO_LARGE)
        assert world.sync(leader, 2).error_code == ErrorCode.UNKNOWN_SERVER_ERROR
        assert (await waiting).error_code == ErrorCode.UNKNOWN_SERVER_ERROR
        # The last member leaves while a request of it waits, and the log does not take that either.
        parked = world.join(member_id)
        world.log.refuse_next = KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)
        leaving = [MemberIdentity(member_id=name, group_instance_id=None) for name in (leader, member_id)]
        left = world.groups.leave_group(LeaveGroupRequest(group_id="g", members=leaving))
        assert not isinstance(left, asyncio.Future)
        assert left.error_code == ErrorCode.NOT_COORDINATOR
        assert (await parked).error_code == ErrorCode.NOT_COORDINATOR
        world.groups.stop()

    run(work())


def test_members_that_wait_are_answered_together() -> None:
    async def work() -> None:
        world = World()
        world.groups.on_elected(0, 0)
        first = world.join().member_id
        waiting = world.join()
        assert isinstance(waiting, asyncio.Future)
        assert world.heartbeat(first).error_code == ErrorCode.REBALANCE_IN_PROGRESS
        leader = world.join(first)
        assert isinstance(leader, JoinGroupResponse)
        follower = await waiting
        assert follower.generation_id == leader.generation_id == 2
        follower_sync = world.sync(follower.member_id, 2)
        assert isinstance(follower_sync, asyncio.Future)
        assert world.sync(first, 2).assignment == b"mine"
        assert (await follower_sync).assignment == b""
        world.groups.stop()

    run(work())


def test_a_client_that_went_away_while_it_waited() -> None:
    async def work() -> None:
        world = World()
        world.groups.on_elected(0, 0)
        first = world.join().member_id
        waiting = world.join()
        waiting.cancel()
        assert world.join(first).error_code == ErrorCode.NONE
        world.groups.stop()

    run(work())


def test_a_restart_finds_members_and_offsets_again() -> None:
    async def work() -> None:
        world = World()
        world.groups.on_elected(0, 0)
        member_id = world.join().member_id
        world.sync(member_id)
        world.commit(7)
        # The process is killed: nobody says goodbye.
        world.groups = world.another()
        world.groups.on_elected(0, 1)
        assert offset_of(world.fetch()) == 7
        assert world.heartbeat(member_id).error_code == ErrorCode.NONE
        assert world.sync(member_id).assignment == b"mine"
        world.clock.advance(10_000)
        world.groups._runtime.run_due_timers()
        assert world.heartbeat(member_id).error_code == ErrorCode.UNKNOWN_MEMBER_ID
        world.groups.stop()

    run(work())


def test_loading_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_module, "LOAD_SLICE_BYTES", 300)

    async def work() -> None:
        world = World()
        world.groups.on_elected(0, 0)
        member_id = world.join().member_id
        world.sync(member_id)
        for offset in range(20):
            world.commit(offset)
        world.groups = world.another()
        world.groups.on_elected(0, 1)
        world.groups.on_elected(0, 2)  # Being elected again changes nothing.
        assert world.join().error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        assert code_of(world.commit(99)) is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        assert world.heartbeat(member_id).error_code == ErrorCode.NONE
        listing = world.groups.list_groups(ListGroupsRequest())
        assert listing.error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS  # type: ignore[union-attr]
        reads = world.log.reads
        await world.loaded()
        assert world.log.reads - reads > 5
        assert offset_of(world.fetch()) == 19
        world.groups.stop()

    run(work())


def test_records_of_newer_coordinators_are_counted_and_skipped(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        world = World()
        world.log.append(PARTITION, build_batch([(0, b"\x00\x7f\x00\x01g", b"\x00\x00", [])] * 3), 0)
        world.groups.on_elected(0, 0)
        world.commit(1)
        assert offset_of(world.fetch()) == 1
        world.groups.stop()

    run(work())
    assert "3 records belong to newer coordinators" in caplog.text


def test_resigning_while_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_module, "LOAD_SLICE_BYTES", 100)

    async def work() -> None:
        world = World()
        world.groups.on_elected(0, 0)
        for offset in range(5):
            world.commit(offset)
        world.groups = world.another()
        world.groups.on_elected(0, 1)
        world.groups.on_resigned(0)
        await asyncio.sleep(0)
        assert world.fetch().error_code == ErrorCode.NOT_COORDINATOR
        world.groups.on_elected(0, 2)
        await world.loaded()
        assert offset_of(world.fetch()) == 4
        world.groups.stop()

    run(work())


def test_a_log_that_cannot_be_read() -> None:
    async def work() -> None:
        world = World()
        world.groups.on_elected(0, 0)
        world.commit(1)
        (whole,) = world.log.batches[PARTITION]
        for damaged in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[:-1]):
            world.log.batches[PARTITION] = [damaged]
            world.groups = world.another()
            world.groups.on_elected(0, 1)
            assert world.fetch().error_code == ErrorCode.NOT_COORDINATOR
            listing = world.groups.list_groups(ListGroupsRequest())
            assert listing.error_code == ErrorCode.NONE  # type: ignore[union-attr]
        # Another election tries again.
        world.log.batches[PARTITION] = [whole]
        world.groups.on_elected(0, 2)
        assert offset_of(world.fetch()) == 1
        world.groups.stop()

    run(work())


def test_trouble_with_one_deadline_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        world = World()
        world.groups.on_elected(0, 0)
        first = world.join().member_id
        world.sync(first)
        shard = world.groups._runtime._slots[0].shard
        on_timer = GroupShard.on_timer

        def trouble(self: GroupShard, key: Any, now_ms: int) -> Any:
            if key[1] == "trouble":
                raise RuntimeError("unforeseen")
            return on_timer(self, key, now_ms)

        monkeypatch.setattr(GroupShard, "on_timer", trouble)
        shard.timers.schedule(("session", "trouble", ""), world.clock.now_ms() + 1)
        world.clock.advance(10_000)
        world.groups._runtime.run_due_timers()
        assert world.heartbeat(first).error_code == ErrorCode.UNKNOWN_MEMBER_ID
        assert world.groups._runtime._alarm is not None
        world.groups.stop()

    run(work())


def test_unforeseen_trouble_while_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        world = World()
        world.groups.on_elected(0, 0)
        world.commit(1)

        def trouble(self: GroupShard, *_: Any) -> None:
            raise RuntimeError("unforeseen")

        with monkeypatch.context() as patch:
            patch.setattr(GroupShard, "replay", trouble)
            world.groups = world.another()
            world.groups.on_elected(0, 1)
        assert world.fetch().error_code == ErrorCode.NOT_COORDINATOR
        world.groups.on_elected(0, 2)
        assert offset_of(world.fetch()) == 1
        world.groups.stop()

    run(work())


def test_resigning_answers_whoever_waits() -> None:
    async def work() -> None:
        world = World()
        world.groups.on_elected(0, 0)
        first = world.join().member_id
        joining = world.join()
        world.log.commits_at_once = False
        committing = world.commit(1)
        world.groups.on_resigned(0)
        world.groups.on_resigned(0)
        assert (await joining).error_code == ErrorCode.NOT_COORDINATOR
        assert code_of(await committing) is ErrorCode.NOT_COORDINATOR
        assert world.heartbeat(first).error_code == ErrorCode.NOT_COORDINATOR
        assert world.groups._runtime._parked == {}

    run(work())


def test_a_question_without_an_answer_waits_for_nothing() -> None:
    async def work() -> None:
        world = World()
        world.groups.on_elected(0, 0)
        world.log.commits_at_once = False
        committing = world.commit(1)
        runtime = world.groups.runtime
        assert runtime.read(0, lambda shard, now_ms: None, lambda code: code) is None
        waiting: Any = runtime.read(0, lambda shard, now_ms: "known", lambda code: code)
        assert not waiting.done()
        world.log.commit(PARTITION)
        assert code_of(await committing) is ErrorCode.NONE
        assert await waiting == "known"
        assert runtime.read(0, lambda shard, now_ms: "known", lambda code: code) == "known"
        world.groups.stop()

    run(work())


def test_sessions_end_by_the_runtimes_own_alarm() -> None:
    async def work() -> None:
        world = World()
        world.groups.on_elected(0, 0)
        member_id = world.join().member_id
        world.sync(member_id)
        runtime = world.groups._runtime
        alarm = runtime._alarm
        assert alarm is not None
        delay_ms = (alarm.when() - asyncio.get_running_loop().time()) * 1000
        assert 9_000 < delay_ms <= 10_001
        world.clock.advance(9_999)
        runtime.run_due_timers()
        assert world.heartbeat(member_id).error_code == ErrorCode.NONE
        world.clock.advance(9_999)
        runtime.run_due_timers()
        assert world.groups.describe_groups(["g"])[0].group_state == "Stable"  # type: ignore[index]
        world.clock.advance(1)
        runtime.run_due_timers()
        assert world.groups.describe_groups(["g"])[0].group_state == "Empty"  # type: ignore[index]
        world.groups.stop()
        assert runtime._alarm is None

    run(work())


@pytest.mark.parametrize("jump_ms", [3_600_000, -3_600_000])
def test_a_clock_that_is_set_neither_ends_sessions_nor_makes_them_longer(jump_ms: int) -> None:
    async def work() -> None:
        world = World()
        clock = world.clock = JumpingClock()
        world.groups = world.another()
        world.groups.on_elected(0, 0)
        member_id = world.join().member_id
        world.sync(member_id)
        runtime = world.groups._runtime
        clock.advance(6_000)
        clock.jump_ms = jump_ms
        runtime.run_due_timers()
        assert world.groups.describe_groups(["g"])[0].group_state == "Stable"  # type: ignore[index]
        alarm = runtime._alarm
        assert alarm is not None
        assert (alarm.when() - asyncio.get_running_loop().time()) * 1000 <= 4_001
        clock.advance(4_000)
        runtime.run_due_timers()
        assert world.groups.describe_groups(["g"])[0].group_state == "Empty"  # type: ignore[index]
        world.groups.stop()

    run(work())


def test_a_session_ends_while_the_log_is_not_committed() -> None:
    async def work() -> None:
        world = World()
        world.groups.on_elected(0, 0)
        first = world.join().member_id
        world.sync(first)
        waiting = world.join()
        world.log.commits_at_once = False
        committing = world.commit(1)
        world.clock.advance(10_000)
        world.groups._runtime.run_due_timers()
        await asyncio.sleep(0)
        assert not waiting.done()
        world.log.commit(PARTITION)
        assert (await waiting).error_code == ErrorCode.NONE
        assert code_of(await committing) is ErrorCode.NONE
        world.groups.stop()

    run(work())


def test_the_clean_up_splits_its_tombstones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_module, "SPLIT_ABOVE_RECORDS", 10)

    async def work() -> None:
        world = World(offsets_retention_ms=1000)
        world.groups.on_elected(0, 0)
        for index in range(25):
            world.commit(1, f"group-{index}")
        appends = world.log.appends
        world.clock.advance(600_000)
        world.groups._runtime.run_due_timers()
        assert world.log.appends - appends == 5  # An offset and a group for each.
        assert world.groups.list_groups(ListGroupsRequest()).groups == []  # type: ignore[union-attr]
        world.groups.stop()

    run(work())


def test_deleted_topics_take_their_offsets_with_them() -> None:
    async def work() -> None:
        world = World()
        world.groups.on_elected(0, 0)
        world.commit(1)
        world.groups.on_partitions_deleted([TopicPartition("other", 0)])
        assert offset_of(world.fetch()) == 1
        world.groups.on_partitions_deleted([TopicPartition("t", 0)])
        assert world.fetch().topics == []
        world.groups.stop()

    run(work())


def test_what_is_deleted_while_the_log_is_read_is_forgotten_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_module, "LOAD_SLICE_BYTES", 300)

    async def work() -> None:
        world = World()
        world.groups.on_elected(0, 0)
        for offset in range(20):
            world.commit(offset)
        world.groups = world.another()
        world.groups.on_partitions_deleted([TopicPartition("t", 0)])  # Nothing is led yet: nobody's business.
        world.groups.on_elected(0, 1)
        world.groups.on_partitions_deleted([TopicPartition("other", 0)])
        appends = world.log.appends
        await world.loaded()
        assert (offset_of(world.fetch()), world.log.appends) == (19, appends)
        world.groups = world.another()
        world.groups.on_elected(0, 2)
        world.groups.on_partitions_deleted([TopicPartition("t", 0)])
        assert world.fetch().error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        await world.loaded()
        assert (world.fetch().topics, world.log.appends) == ([], appends + 1)
        world.groups.stop()

    run(work())


def test_metadata_too_big_for_one_record_changes_nothing() -> None:
    async def work() -> None:
        world = World()
        world.groups.on_elected(0, 0)
        huge = [JoinGroupRequestProtocol(name="range", metadata=bytes(3_000_000))]
        member_id = world.join(protocols=huge).member_id
        world.log.refuse_next = KafkaError(ErrorCode.RECORD_LIST_TOO_LARGE)  # As a log of 1 MB batches would.
        assert world.sync(member_id, assignment=bytes(3_000_000)).error_code == ErrorCode.UNKNOWN_SERVER_ERROR
        assert world.groups.describe_groups(["g"])[0].group_state == "PreparingRebalance"  # type: ignore[index]
        world.groups.stop()

    run(work())


def test_when_all() -> None:
    async def work() -> None:
        assert when_all([1, 2], sum) == 3
        later: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        answer = when_all([1, later, 3], list)
        assert isinstance(answer, asyncio.Future)
        later.set_result(2)
        assert await answer == [1, 2, 3]

    run(work())


def test_on_demand_runs_once_at_a_time_and_tells_errors_to_all() -> None:
    async def work() -> None:
        runs = 0

        async def make() -> None:
            nonlocal runs
            runs += 1
            await asyncio.sleep(0)
            if runs == 1:
                raise KafkaError(ErrorCode.POLICY_VIOLATION)

        ensure = OnDemand(make)
        results = await asyncio.gather(ensure(), ensure(), return_exceptions=True)
        assert [type(result) for result in results] == [KafkaError, KafkaError]
        await ensure()
        assert runs == 2

    run(work())


def test_random_uuids() -> None:
    from uuid import UUID

    made = {random_uuid() for _ in range(100)}
    assert len(made) == 100
    assert {UUID(text).version for text in made} == {4}
