"""Seeded random walks over one share group: members come, go, fall silent; topics come and go; shards are reloaded.

The invariants are those of `kwire.coord.group.share.groups`.
"""

from __future__ import annotations

import pytest

from kwire.coord.group.shard import GroupShard
from kwire.coord.group.share.coordinator import share_groups
from kwire.coord.group.share.group import ShareGroup
from kwire.errors import ErrorCode
from tests.coord.group.hard_state import assert_same_hard_state
from tests.coord.group.share.script import Player, assert_replay_equals_live, follower
from tests.walks import walk
from tests.walks.walk import Follower, assert_holds, seen_by

MEMBERS = ["a", "b", "c", "d", "e"]
TOPICS = ["t", "u", "v"]


class Walk(walk.Walk):
    """One walk over one group."""

    def __init__(self, seed: int, told: list[str] | None = None) -> None:
        super().__init__(seed, told)
        self.player = Player()
        self.player.shows_records = told is not None
        self.follower = self.new_follower()
        self.play(f"config assignment_interval_ms={self.rng.choice([0, 1000])}")
        self.play("topic t 3")
        self.alike = self.rng.random() < 0.5
        self.epoch = 0

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
        who = rng.choice(MEMBERS)
        action = rng.random()
        if action < 0.55:
            self.beat(who)
        elif action < 0.62:
            self.play(f"beat {who} epoch=-1")
            player.epochs[who] = 0
        elif action < 0.66:
            self.play(f"beat {who} epoch={rng.randint(1, 30)}")
        elif action < 0.76 and player.orders:
            self.play(rng.choice(["made", "made", "failed"]))
        elif action < 0.82:
            name = rng.choice(TOPICS)
            known = player.topics.topics.get(name)
            count = rng.choice([0, len(known.partitions) + 1]) if known is not None else rng.randint(1, 3)
            if count or known is not None:
                self.play(f"topic {name} {count}")
                self.play("forget-topics")
        elif action < 0.92:
            self.play(f"advance {rng.choice([500, 5000, 20_000, 40_000])}")
        elif action < 0.94:
            self.play(f"jump {rng.choice([-60_000, 10_000])}")
        elif action < 0.96:
            self.play("refuse NOT_COORDINATOR")
        else:
            self.play("reload")
            player.orders.clear()

    def beat(self, who: str) -> None:
        group = share_groups(self.player.shard).groups.get("g")
        known = group is not None and who in group.members
        topics = ",".join(TOPICS if self.alike else self.rng.sample(TOPICS, self.rng.randint(1, 3)))
        if not known:
            self.player.epochs[who] = 0
        says_it = not known or self.rng.random() < 0.15
        self.play(f"beat {who} topics={topics}" if says_it else f"beat {who}")

    def check(self) -> None:
        group = share_groups(self.player.shard).groups.get("g")
        if group is None:
            return
        self.seen.add(group.state)
        assert group.group_epoch >= self.epoch
        self.epoch = group.group_epoch
        assert group.group_epoch >= group.assignment_epoch
        assert all(member.member_epoch <= group.assignment_epoch for member in group.members.values())
        made = {topic_id: topic.partitions for topic_id, topic in group.known_stages.initialized.items()}
        alive = {topic.topic_id for topic in self.player.topics.topics.values()}
        for target in group.targets.values():
            for topic_id, partitions in target.items():
                assert topic_id not in alive or partitions <= made.get(topic_id, frozenset())

    def follow(self) -> None:
        assert_same_hard_state(self.player.shard, self.follower.follow(self.player.log, self.player.now_ms))

    def come_to_rest(self) -> None:
        """Every partition that somebody subscribes to is somebody's, evenly where all subscribe to the same."""
        group = self.rest()
        assert_replay_equals_live(self.player)
        if group is None or not group.members:
            return
        subscribed = {name for member in group.members.values() for name in member.topic_names}
        assigned: dict[bytes, set[int]] = {}
        for member in group.members.values():
            assert member.member_epoch == group.assignment_epoch == group.group_epoch
            assert member.assigned == group.targets[member.member_id]
            for topic_id, partitions in member.assigned.items():
                assigned.setdefault(topic_id, set()).update(partitions)
        expected = {
            topic.topic_id: set(range(len(topic.partitions)))
            for name, topic in self.player.topics.topics.items()
            if name in subscribed
        }
        assert assigned == expected
        if len({member.topic_names for member in group.members.values()}) == 1:
            loads = [sum(map(len, member.assigned.values())) for member in group.members.values()]
            assert max(loads) - min(loads) <= 1, loads

    def rest(self) -> ShareGroup | None:
        """Everybody beats, and the persister works, until nothing changes."""
        player = self.player
        player.refuse_next = None
        for _ in range(8):
            self.play("advance 31000")
            for group in list(share_groups(player.shard).groups.values()):
                for member_id, member in list(group.members.items()):
                    player.epochs[member_id] = member.member_epoch
                    self.play(f"beat {member_id}")
                if "g" in player.orders:
                    self.play("made")
        return share_groups(player.shard).groups.get("g")


@pytest.mark.parametrize("seed", range(40))
def test_invariants_hold(seed: int) -> None:
    assert_holds(Walk, seed)


def test_walks_get_somewhere() -> None:
    assert seen_by(Walk, range(5)) >= {"Empty", "Stable", "FENCED_MEMBER_EPOCH", "UNKNOWN_MEMBER_ID"}
