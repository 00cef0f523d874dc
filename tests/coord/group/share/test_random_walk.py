"""Seeded random walks over one share group: members come, go, fall silent; topics come and go; shards are reloaded.

KWIRE_WALKS says how many seeds are walked; a few by default. What must hold after each step: epochs only rise, and no
target has a partition without a state. At the end everybody beats until nothing changes: then every partition that
somebody subscribes to is somebody's, and loads differ by one at most where all subscribe to the same.
"""

from __future__ import annotations

import os
import random

import pytest

from kwire.coord.group.share.coordinator import share_groups
from kwire.coord.group.share.group import ShareGroup
from tests.coord.group.share.script import Player, assert_replay_equals_live

WALKS = int(os.environ.get("KWIRE_WALKS", "20"))
STEPS = 150
STEPS_PER_REPLAY = 25
MEMBERS = ["a", "b", "c", "d", "e"]
TOPICS = ["t", "u", "v"]


class Walk:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.player = Player()
        self.player.play(f"config assignment_interval_ms={self.rng.choice([0, 1000])}")
        self.player.play("topic t 3")
        self.alike = self.rng.random() < 0.5
        self.epoch = 0

    def step(self) -> None:
        rng, player = self.rng, self.player
        who = rng.choice(MEMBERS)
        action = rng.random()
        if action < 0.55:
            self.beat(who)
        elif action < 0.62:
            player.play(f"beat {who} epoch=-1")
            player.epochs[who] = 0
        elif action < 0.66:
            player.play(f"beat {who} epoch={rng.randint(1, 30)}")
        elif action < 0.76 and player.orders:
            player.play(rng.choice(["made", "made", "failed"]))
        elif action < 0.82:
            name = rng.choice(TOPICS)
            known = player.topics.topics.get(name)
            count = rng.choice([0, len(known.partitions) + 1]) if known is not None else rng.randint(1, 3)
            if count or known is not None:
                player.play(f"topic {name} {count}")
                player.play("forget-topics")
        elif action < 0.92:
            player.play(f"advance {rng.choice([500, 5000, 20_000, 40_000])}")
        elif action < 0.94:
            player.play(f"jump {rng.choice([-60_000, 10_000])}")
        elif action < 0.96:
            player.play("refuse NOT_COORDINATOR")
        else:
            player.play("reload")
            player.orders.clear()
        self.look()

    def beat(self, who: str) -> None:
        group = share_groups(self.player.shard).groups.get("g")
        known = group is not None and who in group.members
        topics = ",".join(TOPICS if self.alike else self.rng.sample(TOPICS, self.rng.randint(1, 3)))
        if not known:
            self.player.epochs[who] = 0
        says_it = not known or self.rng.random() < 0.15
        self.player.play(f"beat {who} topics={topics}" if says_it else f"beat {who}")

    def look(self) -> None:
        group = share_groups(self.player.shard).groups.get("g")
        if group is None:
            return
        assert group.group_epoch >= self.epoch
        self.epoch = group.group_epoch
        assert group.group_epoch >= group.assignment_epoch
        assert all(member.member_epoch <= group.assignment_epoch for member in group.members.values())
        made = {topic_id: topic.partitions for topic_id, topic in group.known_stages.initialized.items()}
        alive = {topic.topic_id for topic in self.player.topics.topics.values()}
        for target in group.targets.values():
            for topic_id, partitions in target.items():
                assert topic_id not in alive or partitions <= made.get(topic_id, frozenset())

    def rest(self) -> ShareGroup | None:
        """Everybody beats, and the persister works, until nothing changes."""
        player = self.player
        player.refuse_next = None
        for _ in range(8):
            player.play("advance 31000")
            for group in list(share_groups(player.shard).groups.values()):
                for member_id, member in list(group.members.items()):
                    player.epochs[member_id] = member.member_epoch
                    player.play(f"beat {member_id}")
                if "g" in player.orders:
                    player.play("made")
        return share_groups(player.shard).groups.get("g")


@pytest.mark.parametrize("seed", range(WALKS))
def test_walk(seed: int) -> None:
    walk = Walk(seed)
    for step in range(STEPS):
        walk.step()
        if step % STEPS_PER_REPLAY == 0:
            assert_replay_equals_live(walk.player)
    group = walk.rest()
    assert_replay_equals_live(walk.player)
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
        for name, topic in walk.player.topics.topics.items()
        if name in subscribed
    }
    assert assigned == expected
    if len({member.topic_names for member in group.members.values()}) == 1:
        loads = [sum(map(len, member.assigned.values())) for member in group.members.values()]
        assert max(loads) - min(loads) <= 1, loads
