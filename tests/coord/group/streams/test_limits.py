"""Crowds and nonsense: one member's fault stays its own, and a heartbeat does not cost a walk over the group."""

from __future__ import annotations

import time

from kwire.coord.decision import Decision
from kwire.coord.group.streams.coordinator import decide_heartbeat, describe_group, streams_groups
from kwire.coord.group.streams.member import Requester
from kwire.errors import ErrorCode
from kwire.wire.messages.streams_group_heartbeat import StreamsGroupHeartbeatRequest, TaskIds, Topology
from tests.coord.group.streams.player import StreamsPlayer, internal, reading, subtopology

MEMBERS = 10_000


def beat(player: StreamsPlayer, member_id: str, epoch: int, topology: Topology | None = None) -> Decision:
    joins = epoch == 0
    request = StreamsGroupHeartbeatRequest(
        group_id="g",
        member_id=member_id,
        member_epoch=epoch,
        endpoint_information_epoch=0,
        rebalance_timeout_ms=60_000 if joins else -1,
        topology=(topology or reading(["t"])) if joins else None,
        active_tasks=[] if joins else None,
        standby_tasks=[] if joins else None,
        warmup_tasks=[] if joins else None,
        process_id=member_id if joins else None,
    )
    decision = decide_heartbeat(player.shard, request, Requester("c", "/h"), 1, player.now_ms)
    for record in decision.records:
        player.shard.replay(record, -1, player.now_ms)
    return decision


def test_ten_thousand_members_in_one_group() -> None:
    """The interval between targets keeps a crowd that arrives at once from costing a target each."""
    player = StreamsPlayer()
    player.options["group.streams.initial.rebalance.delay.ms"] = 0
    player.play("topic t 10000")
    targets = 0
    for number in range(MEMBERS):
        decision = beat(player, f"m{number}", 0)
        targets += any(type(key).__name__ == "StreamsGroupTargetAssignmentMetadataKey" for key, _ in decision.records)
    assert targets == 1
    player.now_ms += 1000
    group = streams_groups(player.shard).groups["g"]
    beat(player, "m1", group.members["m1"].member_epoch)
    assert {len(numbers) for target in group.targets.values() for numbers in target.active.values()} == {1}
    started = time.process_time()
    for number in range(100):
        member_id = f"m{number + 5000}"
        ((_, result),) = beat(player, member_id, group.members[member_id].member_epoch).replies
        assert not result.response.error_code
    assert time.process_time() - started < 1.0, "a heartbeat does not cost a walk over the group"
    assert len(describe_group(player.shard, "g").members) == MEMBERS


def test_a_topology_of_hundreds_of_subtopologies() -> None:
    """In the worst order: each follows from the next one."""
    count = 400
    parts = [
        subtopology(
            str(number),
            repartition_source_topics=[internal(f"r{number}")],
            repartition_sink_topics=[f"r{number - 1}"] if number else [],
        )
        for number in range(count)
    ]
    parts.append(subtopology("source", source_topics=["t"], repartition_sink_topics=[f"r{count - 1}"]))
    player = StreamsPlayer()
    player.play("topic t 2")
    started = time.process_time()
    ((_, result),) = beat(player, "m", 0, Topology(epoch=0, subtopologies=parts)).replies
    assert time.process_time() - started < 2.0
    assert len(result.missing_topics) == count
    assert len(result.response.status[-1].status_detail) < 100, "names are cut short"


def test_one_members_nonsense_is_its_own() -> None:
    player = StreamsPlayer()
    player.options["group.streams.initial.rebalance.delay.ms"] = 0
    player.play("topic t 2")
    beat(player, "good", 0)
    group = streams_groups(player.shard).groups["g"]
    epoch = group.group_epoch
    for tasks in (
        [TaskIds(subtopology_id="0", partitions=[1 << 30])],
        [TaskIds(subtopology_id="0", partitions=[-1])],
        [TaskIds(subtopology_id="x" * 30_000, partitions=[0])],
    ):
        request = StreamsGroupHeartbeatRequest(
            group_id="g",
            member_id="good",
            member_epoch=group.members["good"].member_epoch,
            endpoint_information_epoch=0,
            active_tasks=tasks,
            standby_tasks=[],
            warmup_tasks=[],
        )
        decision = decide_heartbeat(player.shard, request, Requester("c", "/h"), 1, player.now_ms)
        ((_, result),) = decision.replies
        assert result.response.error_code == ErrorCode.INVALID_REQUEST
        assert decision.records == []
    ((_, result),) = beat(player, "evil", 0, Topology(epoch=-1, subtopologies=[])).replies
    assert result.response.error_code == ErrorCode.STREAMS_INVALID_TOPOLOGY
    assert (group.group_epoch, list(group.members)) == (epoch, ["good"])
    ((_, result),) = beat(player, "good", group.members["good"].member_epoch).replies
    assert result.response.error_code == ErrorCode.NONE
