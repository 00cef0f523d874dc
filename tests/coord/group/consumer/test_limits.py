"""Crowds, floods and nonsense: one member's fault stays its own, and memory is bounded."""

from __future__ import annotations

import time

import pytest

from kwire.coord.decision import Decision
from kwire.coord.group.consumer.config import ASSIGNORS
from kwire.coord.group.consumer.member import Requester
from kwire.coord.group.consumer.regex import MATCHES_PER_SLICE, RegexRefresh, compile_regex
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, TopicPartitions
from tests.coord.group.consumer_topics import TopicsForTests
from tests.coord.group.script import Player, assert_replay_equals_live

MEMBERS = 10_000
REGEXES = 100_000


def beat(player: Player, member_id: str, epoch: int, regex: str | None = None) -> Decision:
    request = ConsumerGroupHeartbeatRequest(
        group_id="g",
        member_id=member_id,
        member_epoch=epoch,
        rebalance_timeout_ms=-1 if epoch else 60_000,
        subscribed_topic_names=None if epoch or regex else ["t"],
        subscribed_topic_regex=regex,
        topic_partitions=None if epoch else [],
    )
    decision = player.shard.consumer_heartbeat(request, Requester("c", "/h"), "", 1, player.now_ms)
    for record in decision.records:
        player.shard.replay(record, -1, player.now_ms)
    return decision


def test_ten_thousand_members_in_one_group() -> None:
    """The interval between targets keeps a crowd that arrives at once from costing a target each."""
    player = Player()
    player.play("topic t 10000")
    targets = 0
    for number in range(MEMBERS):
        decision = beat(player, f"m{number}", 0)
        targets += any(type(key).__name__ == "ConsumerGroupTargetAssignmentMetadataKey" for key, _ in decision.records)
    assert targets == 1
    player.now_ms += 1000
    group = player.shard.consumer.groups["g"]
    beat(player, "m1", group.members["m1"].member_epoch)
    assert {len(partitions) for target in group.targets.values() for partitions in target.values()} == {1}
    started = time.process_time()
    for number in range(100):
        member_id = f"m{number + 5000}"
        assert not beat(player, member_id, group.members[member_id].member_epoch).replies[0][1].error_code
    assert time.process_time() - started < 1.0, "a heartbeat does not cost a walk over the group"
    (described,) = player.shard.describe_consumer_groups(["g"])
    assert len(described.members) == MEMBERS


def test_a_hundred_thousand_expressions_are_resolved_in_slices() -> None:
    topics = TopicsForTests()
    for number in range(20):
        topics.put(f"topic-{number}", 1)
    refresh = RegexRefresh((f"topic-{number}" for number in range(REGEXES)), topics, 0)
    longest = 0.0
    slices = 0
    while True:
        started = time.process_time()
        done = refresh.step()
        longest = max(longest, time.process_time() - started)
        slices += 1
        if done or slices == 100:
            break
    assert slices > 50
    assert longest < 0.25
    assert compile_regex.cache_info().currsize <= 128


def test_many_names_take_many_slices() -> None:
    topics = TopicsForTests()
    for number in range(MATCHES_PER_SLICE * 2):
        topics.put(f"topic-{number}", 1)
    refresh = RegexRefresh(["topic-.*7", "("], topics, 0)
    assert not refresh.step()
    while not refresh.step():
        pass
    assert refresh.resolved["("] == set()
    assert len(refresh.resolved["topic-.*7"]) == MATCHES_PER_SLICE * 2 // 10


@pytest.mark.parametrize("regex", ["(" * 1000, "a{1001}", "(?=a)", "(a)\\1", "[z-a]", "((a{100}){100}){100}", "*"])
def test_expressions_that_are_none(regex: str) -> None:
    with pytest.raises(KafkaError) as refused:
        compile_regex(regex)
    assert refused.value.code is ErrorCode.INVALID_REGULAR_EXPRESSION


def test_an_expression_takes_time_linear_in_the_name() -> None:
    started = time.process_time()
    assert compile_regex("(a*)*b").fullmatch("a" * 249) is None
    assert time.process_time() - started < 0.5


def test_many_members_with_one_expression() -> None:
    player = Player()
    player.play("topic t 3")
    for number in range(1000):
        beat(player, f"m{number}", 0, "t")
    group = player.shard.consumer.groups["g"]
    assert group.regex_counts == {"t": 1000}
    assert len(player.shard.consumer._refreshes) == 1


def test_a_member_of_an_expression_costs_what_it_has_not_what_it_matches() -> None:
    player = Player()
    for number in range(20_000):
        player.play(f"topic topic-{number} 1")
    beat(player, "m0", 0, regex="topic-.*")
    player.play("advance 2000")
    beat(player, "m1", 0, regex="topic-.*")
    group = player.shard.consumer.groups["g"]
    started = time.process_time()
    for number in range(2, 52):
        assert not beat(player, f"m{number}", 0, regex="topic-.*").replies[0][1].error_code
    assert time.process_time() - started < 0.5, "the hash of the same topics is known"
    player.now_ms += 2000
    beat(player, "m2", group.members["m2"].member_epoch)
    beat(player, "m1", group.members["m1"].member_epoch)
    assert group.members["m1"].has.state.name == "UNREVOKED_PARTITIONS"
    started = time.process_time()
    for _ in range(50):
        beat(player, "m1", group.members["m1"].member_epoch)
    assert time.process_time() - started < 0.5, "whoever is not reconciled is asked about its own topics alone"


def test_oversized_metadata_is_refused_for_its_partition() -> None:
    player = Player()
    player.play("topic t 2")
    player.play("beat a")
    trace = player.play(f"commit a t-0@1 member=a gen=2 metadata={'x' * 4097}")
    assert trace == ["a <- t-0 OFFSET_METADATA_TOO_LARGE"]
    assert_replay_equals_live(player)


def test_partitions_that_do_not_exist_are_no_harm() -> None:
    """A member may report what it likes."""
    player = Player()
    player.play("topic t 2")
    player.play("beat a")
    ghost = ConsumerGroupHeartbeatRequest(group_id="g", member_id="a", member_epoch=2, topic_partitions=[])
    ghost.topic_partitions = [TopicPartitions(topic_id=b"?" * 16, partitions=[-1, 2**31 - 1, 0, 0])]
    decision = player.shard.consumer_heartbeat(ghost, Requester("a", "/a"), "", 1, player.now_ms)
    assert decision.replies[0][1].error_code == 0


def test_the_assignors_have_kafkas_names() -> None:
    assert list(ASSIGNORS) == ["uniform", "range"]
