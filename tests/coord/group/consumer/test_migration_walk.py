"""Seeded random walks through live migration: classic and consumer members come, live and go in one group.

The invariants are those of `kwire.coord.group.consumer.migration`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kwire.coord.decision import Decision
from kwire.coord.group.consumer.group import STABLE
from kwire.coord.group.consumer.member import Requester
from kwire.coord.group.members import JoiningClient
from kwire.coord.group.shard import GroupShard
from kwire.coord.group.states import GroupState
from kwire.coord.group.subscriptions import encode_assignment, read_assignment
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.heartbeat import HeartbeatRequest
from kwire.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from kwire.wire.messages.leave_group import LeaveGroupRequest, MemberIdentity
from kwire.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse
from tests.coord.group.consumer.test_random_walk import Client
from tests.coord.group.consumer_heartbeats import heartbeat
from tests.coord.group.hard_state import assert_same_hard_state
from tests.coord.group.script import Player, assert_replay_equals_live, follower, subscription
from tests.walks import walk
from tests.walks.walk import Follower, assert_holds, seen_by

CALM_MS = [5000] * 12 + [1000] * 16
"""Rounds of heartbeats: the timeouts of those who were left behind pass, and some more rebalances."""
SUBSCRIPTION = subscription("t,u", {})


class Listening(Player):
    """A player that keeps the answers by key."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[int, Any] = {}

    def _say(self, key: int, response: Any) -> None:
        self.answers[key] = response

    def ask(self, decide: Callable[[int], Decision]) -> int:
        """The key under which the answer is, or will be."""
        self.last_key += 1
        key = self.last_key
        try:
            decision = decide(key)
        except KafkaError as error:
            self.answers[key] = error.code
            return key
        refuses = self.refuse_next if decision.records else None
        self._carry_out(decision, key)
        if refuses is not None:
            self.answers[key] = refuses
        return key


class ClassicClient:
    """A consumer of the eager classic protocol: it gives everything up, joins, and syncs; a leader shares out."""

    def __init__(self, name: str) -> None:
        self.name, self.member_id, self.generation = name, "", -1
        self.owned: dict[str, list[int]] = {}
        self.in_group = False
        self.waits_for: tuple[str, int] | None = None

    def act(self, player: Listening) -> None:
        """Whatever comes next for this client."""
        if self.waits_for is not None:
            self.look(player)
        elif self.in_group:
            self.heartbeat(player)
        else:
            self.join(player)

    def join(self, player: Listening) -> None:
        self.owned = {}
        request = JoinGroupRequest(
            group_id="g",
            session_timeout_ms=30_000,
            rebalance_timeout_ms=20_000,
            member_id=self.member_id,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=SUBSCRIPTION)],
        )
        client = JoiningClient(self.name, "/h", True, True)
        player.uuids += 1
        uuid = f"u{player.uuids}"
        shard = player.shard
        self.waits_for = ("join", player.ask(lambda key: shard.join(request, client, uuid, key, player.now_ms)))
        self.look(player)

    def look(self, player: Listening) -> None:
        assert self.waits_for is not None
        answer = player.answers.pop(self.waits_for[1], None)
        if answer is None:
            return
        self.waits_for = None
        code = answer if isinstance(answer, ErrorCode) else ErrorCode(answer.error_code)
        if isinstance(answer, JoinGroupResponse) and code in (ErrorCode.NONE, ErrorCode.MEMBER_ID_REQUIRED):
            self.member_id = answer.member_id
            if code is ErrorCode.NONE:
                self.generation = answer.generation_id
                self.sync(player, answer)
        elif isinstance(answer, SyncGroupResponse) and code is ErrorCode.NONE:
            parts = read_assignment(answer.assignment).assigned_partitions if answer.assignment else []
            self.owned = {part.topic: list(part.partitions) for part in parts}
            self.in_group = True
        else:
            self.failed(code)

    def sync(self, player: Listening, joined: JoinGroupResponse) -> None:
        given = []
        if joined.leader == self.member_id:
            given = share_out(player, [member.member_id for member in joined.members])
        request = SyncGroupRequest(
            group_id="g", generation_id=self.generation, member_id=self.member_id, assignments=given
        )
        shard = player.shard
        self.waits_for = ("sync", player.ask(lambda key: shard.sync(request, key, player.now_ms)))
        self.look(player)

    def heartbeat(self, player: Listening) -> None:
        request = HeartbeatRequest(group_id="g", generation_id=self.generation, member_id=self.member_id)
        try:
            code = player.shard.heartbeat(request, player.now_ms)
        except KafkaError as error:
            code = error.code
        if code is not ErrorCode.NONE:
            self.failed(code)

    def failed(self, code: ErrorCode) -> None:
        self.owned, self.in_group = {}, False
        if code in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
            self.member_id = ""

    def leave(self, player: Listening) -> None:
        identity = MemberIdentity(member_id=self.member_id, group_instance_id=None)
        request = LeaveGroupRequest(group_id="g", members=[identity])
        player.ask(lambda key: player.shard.leave(request, key, player.now_ms))
        self.waits_for = None
        self.failed(ErrorCode.UNKNOWN_MEMBER_ID)


def share_out(player: Listening, members: list[str]) -> list[SyncGroupRequestAssignment]:
    shares: dict[str, dict[bytes, frozenset[int]]] = {member: {} for member in members}
    place = 0
    for topic in player.topics.topics.values():
        for partition in topic.partitions:
            share = shares[members[place % len(members)]]
            share[topic.topic_id] = share.get(topic.topic_id, frozenset()) | {partition}
            place += 1
    return [
        SyncGroupRequestAssignment(member_id=member, assignment=encode_assignment(share, SUBSCRIPTION, player.topics))
        for member, share in shares.items()
    ]


class Walk(walk.Walk):
    """One walk over one group with members of both kinds."""

    def __init__(self, seed: int, told: list[str] | None = None) -> None:
        super().__init__(seed, told)
        self.player = Listening()
        self.player.shows_records = told is not None
        self.follower = self.new_follower()
        interval_ms = self.rng.choice([0, 1000])
        self.play(f"config consumer_assignment_interval_ms={interval_ms} initial_rebalance_delay_ms=0")
        self.play("topic t 4")
        self.play("topic u 1")
        self.consumers = [Client("a"), Client("b")]
        self.highest_epoch = 0
        self.classics = [ClassicClient(name) for name in ("x", "y", "z")]

    @property
    def log(self) -> list[bytearray]:
        return self.player.log

    def new_follower(self) -> Follower[GroupShard]:
        return follower(self.player)

    def play(self, line: str) -> None:
        self.tell(line, self.player.play(line))

    def act(self, classic: ClassicClient) -> None:
        self.player.trace = []
        classic.act(self.player)
        if self.told is not None:
            waits = classic.waits_for[0] if classic.waits_for else "-"
            what = f"{classic.member_id} generation {classic.generation} has {classic.owned} waits for {waits}"
            self.tell(f"{classic.name}: {what}", self.player.trace)

    def beat(self, client: Client, epoch: int | None = None) -> None:
        request = client.request(self.rng)
        request.subscribed_topic_regex = None
        if epoch is not None:
            request.member_epoch = epoch
        player = self.player
        player.trace = []
        requester = Requester(client.name, "/h")
        key = player.ask(lambda key: heartbeat(player.shard, request, requester, "", key, player.now_ms))
        answer = player.answers.pop(key)
        if self.told is not None:
            self.tell(f"{client.name}: {request}", [*player.trace, answer])
        if isinstance(answer, ErrorCode):
            client.must_say_all = True
        elif epoch is None:
            client.heard(answer)

    def step(self) -> None:
        rng, player = self.rng, self.player
        action = rng.random()
        consumer, classic = rng.choice(self.consumers), rng.choice(self.classics)
        if action < 0.30:
            self.beat(consumer)
        elif action < 0.40:
            rng.choice([consumer.give_back, consumer.take])()
            self.tell(f"{consumer.name} has {consumer.owned}")
        elif action < 0.46:
            self.beat(consumer, -1)
            consumer.start_again()
        elif action < 0.84:
            self.act(classic)
        elif action < 0.88:
            self.tell(f"{classic.name} leaves")
            classic.leave(player)
        elif action < 0.90:
            player.refuse_next = ErrorCode.NOT_ENOUGH_REPLICAS
        elif action < 0.92:
            self.play("reload")
            self.highest_epoch = 0  # A classic generation that was not stored may be made again.
        else:
            self.play(f"advance {rng.choice([1, 500, 5000, 11_000])}")

    def check(self) -> None:
        shard, topics = self.player.shard, self.player.topics
        assert not shard.groups.keys() & shard.consumer.groups.keys()
        group = shard.consumer.groups.get("g")
        self.check_epoch()
        if group is None:
            self.seen.add("classic" if "g" in shard.groups else "none")
            return
        self.seen.add("mixed" if 0 < group.classic_member_count < len(group.members) else "consumer")
        has: dict[tuple[str, int], str] = {}
        for (topic_id, partition), member_id in group.owners.items():
            topic = topics.topic_by_id(topic_id)
            assert topic is not None
            has[topic.name, partition] = member_id
        claims = sum(
            len(partitions)
            for member in group.members.values()
            for owned in (member.has.assigned, member.has.pending_revocation)
            for partitions in owned.values()
        )
        assert claims == len(has)
        for client in self.consumers:
            if client.member_id in group.members:
                for topic_id, numbers in client.owned.items():
                    assert all(group.owners.get((topic_id, number)) == client.member_id for number in numbers)
        for classic in self.classics:
            if classic.member_id in group.members:
                for name, owned in classic.owned.items():
                    assert all(has.get((name, number)) == classic.member_id for number in owned)

    def follow(self) -> None:
        assert_same_hard_state(self.player.shard, self.follower.follow(self.player.log, self.player.now_ms))

    def come_to_rest(self) -> None:
        """All converges, with members of one protocol or of both."""
        for consumers, classics in self.rng.sample([(2, 0), (0, 3), (1, 2), (2, 3)], 2):
            self.calm_down(consumers=consumers, classics=classics)
            assert_replay_equals_live(self.player)

    def check_epoch(self) -> None:
        """It does not fall while somebody is in the group; an empty one gives its id to a new one of either kind."""
        classic = self.player.shard.groups.get("g")
        group = self.player.shard.consumer.groups.get("g")
        epoch = 0
        if classic is not None and classic.members:
            epoch = classic.generation_id
        elif group is not None and group.members:
            epoch = group.group_epoch
        assert epoch >= self.highest_epoch or not epoch
        self.highest_epoch = epoch

    def calm_down(self, *, consumers: int, classics: int) -> None:
        """Only so many of each kind go on; the others leave."""
        player = self.player
        player.refuse_next = None
        for client in self.consumers[consumers:]:
            self.beat(client, -1)
        for classic in self.classics[classics:]:
            classic.leave(player)
        self.check_epoch()
        for pause_ms in CALM_MS:
            self.play(f"advance {pause_ms}")
            self.check_epoch()  # The last member may have been given up meanwhile.
            for client in self.consumers[:consumers]:
                client.take()
                self.beat(client)
                self.check()
            for classic in self.classics[:classics]:
                self.act(classic)
                self.check()
        owned = [(topic.name, p) for topic in player.topics.topics.values() for p in topic.partitions]
        seen = [(name, p) for classic in self.classics[:classics] for name, ps in classic.owned.items() for p in ps]
        for client in self.consumers[:consumers]:
            for topic_id, numbers in client.owned.items():
                topic = player.topics.topic_by_id(topic_id)
                assert topic is not None
                seen += [(topic.name, number) for number in numbers]
        assert sorted(seen) == sorted(owned)
        if consumers:
            assert player.shard.consumer.groups["g"].state == STABLE
        else:
            assert player.shard.groups["g"].state is GroupState.STABLE


@pytest.mark.parametrize("seed", range(40))
def test_a_group_survives_its_migrations(seed: int) -> None:
    assert_holds(Walk, seed)


def test_walks_see_every_kind_of_group() -> None:
    assert seen_by(Walk, range(4)) >= {"classic", "mixed", "consumer"}
