"""Classic members of a consumer group, in corners that tests/scripts/group_consumer_*.txt do not come to."""

from __future__ import annotations

from tests.coord.group.script import Player, assert_replay_equals_live


def mixed_group() -> Player:
    """A classic member and a new one in a group that may have another target in 20 seconds."""
    player = Player()
    for line in (
        "config consumer_assignment_interval_ms=20000 initial_rebalance_delay_ms=0",
        "topic t 4",
        "join a protocols=range v=3",
        "sync a give=a:#t:0,1,2,3",
        "beat n instance=i1",
        "join a protocols=range v=3 owns=t:0,1,2,3",
        "sync a",
        "join a protocols=range v=3 owns=t:0,1",
        "sync a",
        "beat n instance=i1",
    ):
        player.play(line)
    assert player.play("describe-consumer") == [
        "Stable epoch 2 assigned 2 uniform",
        "a-u1@2 classic has=t:0,1 target=t:0,1",
        "n@2 consumer has=t:2,3 target=t:2,3",
    ]
    return player


def test_nobody_joins_again_and_again_while_a_new_target_has_to_wait() -> None:
    player = mixed_group()
    player.play("beat m")
    assert player.play("heartbeat a") == ["a <- NONE"]
    assert player.play("join a protocols=range v=3 owns=t:0,1")[-1].startswith("a <- join generation=2 ")
    assert player.play("sync a") == ["a <- sync NONE t:0,1"]
    for _ in range(2):
        player.play("advance 9000")
        assert player.play("heartbeat a") == ["a <- NONE"]
    player.play("advance 2000")
    assert "log TargetAssignmentMetadata g epoch=3" in player.play("beat n instance=i1")
    assert player.play("heartbeat a") == ["a <- REBALANCE_IN_PROGRESS"]
    assert_replay_equals_live(player)


def test_classic_members_alone_make_the_target_that_had_to_wait() -> None:
    """Where no group may become classic again, nobody else is there to do it."""
    player = mixed_group()
    player.play("config consumer_may_downgrade=0")
    player.play("beat n instance=i1 epoch=-1")
    assert player.play("heartbeat a") == ["a <- NONE"]
    for _ in range(2):
        player.play("advance 9000")
        player.play("heartbeat a")
    player.play("advance 2000")
    assert player.play("heartbeat a") == ["a <- REBALANCE_IN_PROGRESS"]
    player.play("join a protocols=range v=3 owns=t:0,1")
    assert player.play("sync a") == ["a <- sync NONE t:0,1,2,3"]
    assert_replay_equals_live(player)


def test_a_group_that_goes_back_with_an_old_target_rebalances() -> None:
    """The last member of the new protocol is replaced in its place, which may be the wrong one by now."""
    player = mixed_group()
    player.play("topic t 6")
    player.play("beat n instance=i1")
    assert player.play("describe-consumer")[0] == "Assigning epoch 3 assigned 2 uniform"
    player.play("join n2 protocols=range instance=i1 v=5")
    assert player.play("describe")[0] == "PreparingRebalance consumer/"


def test_a_group_that_goes_back_after_its_topics_have_grown_rebalances() -> None:
    """Nobody has noticed yet, and nobody will: those who are told the group's leader know nothing of it."""
    player = mixed_group()
    player.play("topic t 6")
    player.play("join n2 protocols=range instance=i1 v=5")
    assert player.play("describe")[0] == "PreparingRebalance consumer/"


def test_a_group_that_goes_back_knows_all_protocols_of_its_members() -> None:
    """Somebody who speaks another one of them comes before they have joined again."""
    player = Player()
    for line in (
        "config consumer_assignment_interval_ms=0 initial_rebalance_delay_ms=0",
        "topic t 4",
        "join a protocols=range,roundrobin v=3",
        "sync a give=a:#t:0,1,2,3",
        "beat n",
        "beat n epoch=-1",
    ):
        player.play(line)
    assert player.play("join b protocols=roundrobin v=3") == ["b waits"]
    told = player.play("join a protocols=range,roundrobin v=3")
    assert told[1] == "b <- join generation=3 consumer/roundrobin me=b-u2 leader=a-u1 members=[]"


def test_a_group_that_is_too_large_for_a_classic_one_stays_what_it_is() -> None:
    player = mixed_group()
    player.play("config max_size=1")
    player.play("join n2 protocols=range instance=i1 v=5")
    assert player.play("describe-consumer")[0] == "Stable epoch 2 assigned 2 uniform"
    assert_replay_equals_live(player)


def test_a_group_that_goes_back_rebalances_after_a_change_of_coordinators_too() -> None:
    """Its members have heard of nothing yet, and what the last one of the new protocol had is nobody's."""
    player = mixed_group()
    player.play("beat n instance=i1 epoch=-1")
    assert player.play("describe")[0] == "PreparingRebalance consumer/"
    player.play("reload")
    assert player.play("heartbeat a") == ["a <- REBALANCE_IN_PROGRESS"]
    player.play("join a protocols=range v=3")
    player.play("sync a give=a:#t:0,1,2,3")
    player.play("reload")
    assert player.play("heartbeat a") == ["a <- NONE"]
