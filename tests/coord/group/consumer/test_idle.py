"""Which heartbeats go the short way, and that it keeps the session. That both ways agree: `consumer_heartbeats`."""

from __future__ import annotations

from typing import Any

import pytest

from kwire.coord.group.consumer.member import Requester
from kwire.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse
from tests.coord.group.script import Player

SESSION_MS = 45_000


def settled(*more: str) -> Player:
    """Static member `a` with both partitions of `t`, at epoch 2."""
    player = Player()
    player.play("topic t 2")
    player.play("beat a instance=i")
    player.play("beat a instance=i")
    for command in more:
        player.play(command)
    return player


def idle(player: Player, requester: Requester | None = None, **said: Any) -> ConsumerGroupHeartbeatResponse | None:
    fields = {"group_id": "g", "member_id": "a", "member_epoch": 2, "instance_id": "i"}
    request = ConsumerGroupHeartbeatRequest(**{**fields, **said})
    return player.shard.consumer.idle_heartbeat(request, requester or Requester("a", "/a"), player.now_ms)


def test_an_idle_member_is_told_its_epoch_and_stays_alive() -> None:
    player = settled()
    for _ in range(3):
        player.play(f"advance {SESSION_MS - 1}")
        answer = idle(player)
        assert answer is not None
        assert (answer.error_code, answer.member_id, answer.member_epoch) == (0, "a", 2)
        assert (answer.heartbeat_interval_ms, answer.assignment) == (5000, None)
    player.play(f"advance {SESSION_MS}")
    assert idle(player) is None
    assert not player.shard.consumer.groups["g"].members


def test_a_groups_own_options_hold() -> None:
    player = settled()
    player.config.consumer.group_overrides = lambda group_id: {
        "consumer.heartbeat.interval.ms": "6000",
        "consumer.session.timeout.ms": "50000",
    }
    answer = idle(player)
    assert answer is not None
    assert answer.heartbeat_interval_ms == 6000
    player.play("advance 49999")
    assert "a" in player.shard.consumer.groups["g"].members


@pytest.mark.parametrize(
    "said",
    [
        {"group_id": "another"},
        {"member_id": "b"},
        {"member_epoch": 1},
        {"member_epoch": 3},
        {"member_epoch": -2},
        {"instance_id": "j"},
        {"rack_id": "r"},
        {"rebalance_timeout_ms": 60_000},
        {"subscribed_topic_names": ["t"]},
        {"subscribed_topic_regex": "t.*"},
        {"server_assignor": "range"},
        {"topic_partitions": []},
        {"requester": Requester("another", "/a")},
        {"requester": Requester("a", "/b")},
    ],
)
def test_who_says_anything_is_listened_to(said: dict[str, Any]) -> None:
    player = settled()
    assert idle(player) is not None
    assert idle(player, **said) is None


@pytest.mark.parametrize(
    "happening",
    [
        "topic t 3",
        "topic u 1",
        "beat b",
        "beat b regex=t.*",
    ],
)
def test_where_something_has_happened_the_member_is_looked_at(happening: str) -> None:
    assert idle(settled(happening)) is None
