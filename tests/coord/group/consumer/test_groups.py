"""Heartbeats in corners that tests/scripts/group_consumer_*.txt do not come to."""

from __future__ import annotations

from tests.coord.group.script import Player, assert_replay_equals_live


def test_an_answer_that_is_lost_between_two_revocations_fences_nobody() -> None:
    player = Player()
    told = [
        player.play(line)
        for line in (
            "config consumer_assignment_interval_ms=0",
            "topic t 6",
            "beat a",
            "beat b",
            "beat a",
            "beat c",
        )
    ]
    # a has given back what b gets. That it is to give back more, for c, it does not hear.
    assert "log CurrentMemberAssignment g a 2 (was 2) state=1 has=t:0,1,2 gives=t:3,4,5" in told[-2]
    player.play("beat a owns=t:0,1,2")
    player.epochs["a"] = 2
    assert player.play("beat a owns=t:0,1,2") == ["a <- epoch 2"]
    assert player.play("beat a owns=t:0,1")[-1] == "a <- epoch 4"
    assert_replay_equals_live(player)


def test_a_static_member_that_is_back_commits_what_it_had_before_it_left() -> None:
    """It commits at epoch 0 until it hears of its new one."""
    player = Player()
    for line in (
        "config consumer_assignment_interval_ms=0",
        "topic t 2",
        "beat a instance=i1",
        "beat a instance=i1 epoch=-2",
        "beat a instance=i1 epoch=0",
    ):
        player.play(line)
    assert player.play("commit a t-0@7 member=a gen=0") == ["log offset g t-0 = 7", "a <- t-0 NONE"]
    assert player.play("commit a u-0@7 member=a gen=0") == ["a <- STALE_MEMBER_EPOCH"]
    assert_replay_equals_live(player)


def test_new_topics_are_found_though_the_log_refused_them_once() -> None:
    player = Player()
    for line in (
        "config consumer_assignment_interval_ms=0",
        "topic tea 1",
        "beat a regex=t.*",
        "advance 11000",
        "beat a",
    ):
        player.play(line)
    player.play("topic tee 1")
    player.play("beat a")
    player.play("refuse NOT_ENOUGH_REPLICAS")
    assert "the log refuses: NOT_ENOUGH_REPLICAS" in player.play("advance 1")
    player.play("advance 11000")
    player.play("beat a")
    player.play("advance 1")
    assert player.play("beat a")[-1] == "a <- epoch 3 tea:0;tee:0"
    assert_replay_equals_live(player)


def test_an_expression_that_matches_nothing_changes_nothing() -> None:
    player = Player()
    for line in ("config consumer_assignment_interval_ms=0", "topic tea 1", "beat a regex=x.*"):
        player.play(line)
    assert player.play("advance 0") == ["timer at +0: consumer-regex g", "log RegularExpression g x.* -"]
    assert player.play("describe-consumer")[0] == "Stable epoch 1 assigned 1 uniform"
    assert_replay_equals_live(player)
