"""Seeded random walks over one classic group: members join, sync, leave, fall silent, restart.

The invariants are those of `kwire.coord.group.classic`.
"""

from __future__ import annotations

import pytest

from kwire.coord.group.shard import GroupShard
from kwire.coord.group.states import GroupState
from kwire.errors import ErrorCode
from tests.coord.group.hard_state import assert_same_hard_state
from tests.coord.group.script import Player, assert_replay_equals_live, follower
from tests.walks import walk
from tests.walks.walk import Follower, assert_holds, seen_by

SILENCE_MS = 400_000
"""Longer than every timeout of the walks together, the five minutes of a new member among them."""
CLIENTS = ["a", "b", "c", "d", "e"]
INSTANCES = {"d": "i1", "e": "i2"}


class Walk(walk.Walk):
    """One walk over one group."""

    STEPS = 200

    def __init__(self, seed: int, told: list[str] | None = None) -> None:
        super().__init__(seed, told)
        self.player = Player()
        self.follower = self.new_follower()
        self.play(f"config initial_rebalance_delay_ms={self.rng.choice([0, 3000])} max_size=4")
        self.highest_generation = 0

    @property
    def log(self) -> list[bytearray]:
        return self.player.log

    def new_follower(self) -> Follower[GroupShard]:
        return follower(self.player)

    def play(self, line: str) -> None:
        trace = self.player.play(line)
        self.tell(line, trace)
        self.seen.update(word for said in trace for word in said.split() if word in ErrorCode.__members__)

    def step(self) -> None:
        rng, player = self.rng, self.player
        who = rng.choice(CLIENTS)
        instance = f" instance={INSTANCES[who]}" if who in INSTANCES else ""
        member = rng.choice(["", "", "", " member=none", " member=ghost"])
        action = rng.random()
        if action < 0.40:
            if who in player.waiting.values():
                return
            protocols = rng.choice(["range", "range,sticky", "sticky,range", "sticky"])
            version, rebalance_ms = rng.choice([3, 4, 9]), rng.choice([20_000, 20_000, 20_000, 0])
            self.play(f"join {who}{instance}{member} protocols={protocols} v={version} rebalance={rebalance_ms}")
        elif action < 0.62:
            give = ",".join(f"{name}:{name}{rng.randrange(100)}" for name in CLIENTS)
            self.play(f"sync {who}{instance} give={give}")
        elif action < 0.72:
            self.play(f"heartbeat {who}{instance}")
        elif action < 0.80:
            self.play(f"commit {who} t-{rng.randrange(3)}@{rng.randrange(1000)}{instance}{member}")
        elif action < 0.85:
            self.play(f"leave {who}{instance}{member}")
        elif action < 0.87:
            self.play(rng.choice(["delete-groups g", "delete-offsets g t-0", "delete-partitions t-1"]))
        elif action < 0.89:
            self.play("refuse NOT_ENOUGH_REPLICAS")
        elif action < 0.90:
            self.reload()
        elif action < 0.905:
            self.come_to_rest()
        else:
            self.play(f"advance {rng.choice([1, 1000, 4000, 9000, 21000])}")

    def reload(self) -> None:
        self.play("reload")
        self.highest_generation = 0  # A generation that was not stored may be made again.

    def compact(self) -> None:
        super().compact()
        if "g" not in self.follower.follow(self.log, self.player.now_ms).groups:
            # Its offsets were all that the log knew of the group: without them it lives until the next start.
            self.reload()

    def check(self) -> None:
        group = self.player.shard.groups.get("g")
        if group is None:
            self.highest_generation = 0
            assert_no_timers_for_nobody(self.player.shard)
            return
        self.seen.add(group.state.value)
        members = group.members
        assert group.generation_id >= self.highest_generation
        self.highest_generation = group.generation_id
        if members:
            assert group.leader_id in members
        else:
            assert group.leader_id is None
            assert group.state in (GroupState.EMPTY, GroupState.PREPARING_REBALANCE)
        assert group.state is not GroupState.EMPTY or not members
        assert group.awaiting_join_count == sum(member.awaits_join for member in members.values())
        assert not group.pending_join_members & members.keys()
        assert group.pending_sync_members <= members.keys()
        assert group.static_members == {
            member.group_instance_id: member_id
            for member_id, member in members.items()
            if member.group_instance_id is not None
        }
        counted: dict[str, int] = {}
        for member in members.values():
            for protocol in member.protocols:
                counted[protocol] = counted.get(protocol, 0) + 1
        assert group.supported_protocols == counted
        if group.state in (GroupState.COMPLETING_REBALANCE, GroupState.STABLE):
            assert group.awaiting_join_count == 0
            assert all(group.protocol_name in member.protocols for member in members.values())
        if group.state is not GroupState.COMPLETING_REBALANCE:
            assert not any(member.sync_key for member in members.values())
        self.check_who_waits()
        assert_no_timers_for_nobody(self.player.shard)

    def check_who_waits(self) -> None:
        """Nobody waits who is not remembered, and nobody is remembered who does not wait."""
        remembered = {
            key
            for group in self.player.shard.groups.values()
            for member in group.members.values()
            for key in (member.join_key, member.sync_key)
            if key
        }
        assert set(self.player.waiting) == remembered

    def follow(self) -> None:
        assert_same_hard_state(self.player.shard, self.follower.follow(self.player.log, self.player.now_ms))

    def come_to_rest(self) -> None:
        """Nobody sends anything any more: whoever waits is answered, and every member is given up."""
        self.play("refuse NOT_ENOUGH_REPLICAS")
        self.play(f"advance {SILENCE_MS}")
        assert not self.player.waiting
        group = self.player.shard.groups.get("g")
        assert group is None or (group.state is GroupState.EMPTY and not group.pending_join_members)
        self.check()
        assert_replay_equals_live(self.player)


def assert_no_timers_for_nobody(shard: GroupShard) -> None:
    """Whatever has a deadline is there, a static member's old id apart: its deadline passes without a trace."""
    for kind, group_id, member_id in shard.timers._deadlines:
        if kind in ("join", "sync"):
            assert group_id in shard.groups
        if kind == "join":
            assert shard.groups[group_id].state is GroupState.PREPARING_REBALANCE
        if kind == "sync":
            assert shard.groups[group_id].pending_sync_members
        if kind == "session" and not member_id.startswith("i"):
            group = shard.groups[group_id]
            assert member_id in group.members or member_id in group.pending_join_members


@pytest.mark.parametrize("seed", range(60))
def test_invariants_hold(seed: int) -> None:
    assert_holds(Walk, seed)


def test_walks_get_somewhere() -> None:
    assert seen_by(Walk, range(10)) >= {
        *(state.value for state in GroupState if state is not GroupState.DEAD),
        "REBALANCE_IN_PROGRESS",
        "ILLEGAL_GENERATION",
        "UNKNOWN_MEMBER_ID",
        "FENCED_INSTANCE_ID",
        "MEMBER_ID_REQUIRED",
        "INCONSISTENT_GROUP_PROTOCOL",
        "GROUP_MAX_SIZE_REACHED",
    }
