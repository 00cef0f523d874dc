"""Seeded random walks: consumers join, give back slowly, lose answers, fall silent, are started again.

The invariants are those of `kwire.coord.group.consumer.groups`.
"""

from __future__ import annotations

import random

import pytest

from kwire.coord.group.consumer.group import STABLE, ConsumerGroup
from kwire.coord.group.consumer.member import Requester
from kwire.coord.group.shard import GroupShard
from kwire.errors import ErrorCode
from kwire.wire.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from tests.coord.group.consumer_heartbeats import heartbeat
from tests.coord.group.hard_state import assert_same_hard_state
from tests.coord.group.script import Player, assert_replay_equals_live, follower
from tests.walks import walk
from tests.walks.walk import Follower, assert_holds, seen_by

NAMES = ["a", "b", "c", "d", "e"]
INSTANCES = {"d": "i1", "e": "i2"}
REBALANCE_MS = 20_000
FULL_EVERY = 0.3
CALM_MS = [5500] * 10 + [1100] * 12
"""Rounds of heartbeats: the session timeout of those who were left behind passes, and some more assignments."""

Owned = dict[bytes, frozenset[int]]


class Client:
    """A consumer as KIP-848 wants it: it gives back before it takes, and says everything after a lost answer."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.member_id = name
        self.epoch = 0
        self.owned: Owned = {}
        self.target: Owned = {}
        self.must_say_all = True
        self.starts = 0
        self.regex = False

    def request(self, rng: random.Random) -> ConsumerGroupHeartbeatRequest:
        full = self.must_say_all or self.epoch == 0 or rng.random() < FULL_EVERY
        return ConsumerGroupHeartbeatRequest(
            group_id="g",
            member_id=self.member_id,
            member_epoch=self.epoch,
            instance_id=INSTANCES.get(self.name),
            rebalance_timeout_ms=REBALANCE_MS if full else -1,
            subscribed_topic_names=None if not full or self.regex else ["t", "u"],
            subscribed_topic_regex="[tu]" if full and self.regex else None,
            topic_partitions=[
                TopicPartitions(topic_id=topic_id, partitions=sorted(partitions))
                for topic_id, partitions in self.owned.items()
                if partitions
            ],
        )

    def give_back(self) -> None:
        self.owned = {topic_id: own & self.target.get(topic_id, frozenset()) for topic_id, own in self.owned.items()}
        self.owned = {topic_id: own for topic_id, own in self.owned.items() if own}

    def take(self) -> None:
        """Own the target; not after an answer was lost, which may have said that there is less of it by now."""
        self.give_back()
        if self.must_say_all:
            return
        self.owned = {**self.target}

    def heard(self, response: ConsumerGroupHeartbeatResponse) -> None:
        code = ErrorCode(response.error_code)
        if code is ErrorCode.NONE:
            self.epoch = response.member_epoch
            self.must_say_all = False
            if response.assignment is not None:
                self.target = {
                    part.topic_id: frozenset(part.partitions) for part in response.assignment.topic_partitions
                }
        elif code is not ErrorCode.UNRELEASED_INSTANCE_ID:
            self.start_again()

    def start_again(self) -> None:
        """Fenced, or a new process: nothing is owned, and the id is a new one."""
        self.starts += 1
        self.member_id = f"{self.name}{self.starts}"
        self.epoch, self.owned, self.target, self.must_say_all = 0, {}, {}, True


class Walk(walk.Walk):
    """One walk over one group."""

    def __init__(self, seed: int, told: list[str] | None = None) -> None:
        super().__init__(seed, told)
        self.player = Player()
        self.player.shows_records = told is not None
        self.follower = self.new_follower()
        self.play(f"config consumer_assignment_interval_ms={self.rng.choice([0, 1000])}")
        self.play("topic t 3")
        self.clients = {name: Client(name) for name in NAMES}
        self.highest_epoch = 0

    @property
    def log(self) -> list[bytearray]:
        return self.player.log

    def new_follower(self) -> Follower[GroupShard]:
        return follower(self.player)

    def play(self, line: str) -> None:
        self.tell(line, self.player.play(line))

    @property
    def group(self) -> ConsumerGroup | None:
        return self.player.shard.consumer.groups.get("g")

    def beat(self, client: Client, request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse | None:
        """The answer; None if the log refused."""
        player = self.player
        player.trace = []
        key = 1
        decision = heartbeat(player.shard, request, Requester(client.name, "/h"), "new", key, player.now_ms)
        is_refused = bool(decision.records) and player.refuse_next is not None
        player._carry_out(decision, 0)
        if self.told is not None:
            self.tell(f"{client.name}: {request}", [*player.trace, *decision.replies])
        if is_refused:
            return None
        (response,) = [response for reply_key, response in decision.replies if reply_key == key]
        assert isinstance(response, ConsumerGroupHeartbeatResponse)
        return response

    def step(self) -> None:
        rng, player = self.rng, self.player
        client = self.clients[rng.choice(NAMES)]
        action = rng.random()
        if action < 0.60:
            response = self.beat(client, client.request(rng))
            if response is None or rng.random() < 0.08:
                client.must_say_all = True
            else:
                client.heard(response)
        elif action < 0.75:
            self.move(client)
        elif action < 0.79:
            self.leave(client)
        elif action < 0.82:
            self.tell(f"{client.name} starts again")
            client.start_again()
        elif action < 0.84:
            client.regex = not client.regex
            client.must_say_all = True
        elif action < 0.87:
            name = rng.choice(["t", "u"])
            topic = player.topics.topics.get(name)
            count = len(topic.partitions) if topic else 0
            self.play(f"topic {name} {count + rng.choice([1, 2])}" if count < 8 else f"topic {name}")
        elif action < 0.89:
            player.refuse_next = ErrorCode.NOT_ENOUGH_REPLICAS
        elif action < 0.91:
            self.play("reload")
        else:
            self.play(f"advance {rng.choice([1, 500, 5000, 12_000, 25_000])}")

    def move(self, client: Client) -> None:
        """The client does what it was told last, in part or as a whole."""
        self.rng.choice([client.give_back, client.take])()
        self.tell(f"{client.name} has {client.owned}")

    def leave(self, client: Client) -> None:
        epoch = self.rng.choice([-1, -2]) if client.name in INSTANCES else -1
        client.owned = {}
        request = ConsumerGroupHeartbeatRequest(
            group_id="g", member_id=client.member_id, member_epoch=epoch, instance_id=INSTANCES.get(client.name)
        )
        self.beat(client, request)
        client.start_again()

    def check(self) -> None:
        group = self.group
        if group is None:
            return
        self.seen.add(group.state)
        assert group.group_epoch >= self.highest_epoch
        self.highest_epoch = group.group_epoch
        assert group.group_epoch >= group.assignment_epoch
        has: dict[tuple[bytes, int], str] = {}
        for member in group.members.values():
            self.seen.add(member.has.state.name)
            assert member.member_epoch <= group.assignment_epoch
            for owned in (member.has.assigned, member.has.pending_revocation):
                for topic_id, partitions in owned.items():
                    for partition in partitions:
                        assert (topic_id, partition) not in has, "two owners"
                        has[topic_id, partition] = member.member_id
        assert has == group.owners
        for client in self.clients.values():
            if client.member_id in group.members:
                for topic_id, partitions in client.owned.items():
                    assert all(has.get((topic_id, partition)) == client.member_id for partition in partitions)

    def follow(self) -> None:
        assert_same_hard_state(self.player.shard, self.follower.follow(self.player.log, self.player.now_ms))

    def come_to_rest(self) -> None:
        """Nobody fails any more; everybody is brought to one stable group."""
        player = self.player
        player.refuse_next = None
        for name in ("t", "u"):
            if name not in player.topics.topics:
                self.play(f"topic {name} 2")
        for client in self.clients.values():
            client.regex, client.must_say_all = False, True
        for pause_ms in CALM_MS:
            self.play(f"advance {pause_ms}")
            for client in self.clients.values():
                client.take()
                response = self.beat(client, client.request(self.rng))
                assert response is not None
                client.heard(response)
                self.check()
        group = self.group
        assert group is not None
        assert group.state == STABLE
        partitions = sum(len(topic.partitions) for topic in player.topics.topics.values())
        sizes = [sum(map(len, member.has.assigned.values())) for member in group.members.values()]
        assert len(group.owners) == partitions
        assert sum(sizes) == partitions
        assert max(sizes) - min(sizes) <= 1
        assert_replay_equals_live(player)


@pytest.mark.parametrize("seed", range(50))
def test_invariants_hold(seed: int) -> None:
    assert_holds(Walk, seed)


def test_walks_get_somewhere() -> None:
    """The walks would prove nothing if nobody ever had to give back, wait, or was fenced."""
    assert seen_by(Walk, range(5)) >= {
        "STABLE",
        "UNREVOKED_PARTITIONS",
        "UNRELEASED_PARTITIONS",
        "Assigning",
        "Reconciling",
        "Stable",
    }
