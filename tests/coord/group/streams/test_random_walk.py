"""Seeded random walks: instances join, give back slowly, lose answers, fall silent, are started again; topics change.

The invariants are those of `kwire.coord.group.streams.groups`.
"""

from __future__ import annotations

import pytest

from kwire.coord.group.shard import GroupShard
from kwire.coord.group.streams.coordinator import decide_heartbeat, streams_groups
from kwire.coord.group.streams.group import STABLE, StreamsGroup
from kwire.coord.group.streams.groups import HeartbeatResult
from kwire.coord.group.streams.member import Requester
from kwire.coord.group.streams.tasks import Tasks, tasks_from
from kwire.errors import ErrorCode
from kwire.wire.messages.streams_group_heartbeat import (
    StreamsGroupHeartbeatRequest,
    StreamsGroupHeartbeatResponse,
)
from tests.coord.group.hard_state import assert_same_hard_state
from tests.coord.group.script import assert_replay_equals_live, follower
from tests.coord.group.streams.player import StreamsPlayer, messages_of, word_count
from tests.walks import walk
from tests.walks.walk import Follower, assert_holds, seen_by

NAMES = ["a", "b", "c", "d", "e"]
PROCESSES = {"a": "p", "b": "p", "c": "q", "d": "r", "e": "s"}
REBALANCE_MS = 20_000
CALM_MS = [5500] * 11 + [1100] * 14
"""Rounds of heartbeats: the session timeout of those who were left behind passes, and some more assignments."""


class Instance:
    """A member as KIP-1071 wants it: it gives back before it takes.

    It says what it has when that has changed, and after a lost answer, which may have named other tasks.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.member_id = name
        self.starts = 0
        self.start_again()

    def start_again(self) -> None:
        """Fenced, or a new process: nothing is owned, and the id is a new one."""
        self.starts += 1
        self.member_id = f"{self.name}{self.starts}"
        self.epoch, self.owned, self.target, self.must_say_all = 0, Tasks(), Tasks(), True
        self.said = Tasks()

    def request(self) -> StreamsGroupHeartbeatRequest:
        joins = self.epoch == 0
        says = joins or self.must_say_all or self.owned != self.said
        self.said = self.owned
        return StreamsGroupHeartbeatRequest(
            group_id="g",
            member_id=self.member_id,
            member_epoch=self.epoch,
            endpoint_information_epoch=0,
            rebalance_timeout_ms=REBALANCE_MS if joins else -1,
            topology=word_count(["t"]) if joins else None,
            active_tasks=messages_of(self.owned.active) if says else None,
            standby_tasks=messages_of(self.owned.standby) if says else None,
            warmup_tasks=[] if says else None,
            process_id=PROCESSES[self.name] if joins else None,
        )

    def give_back(self) -> None:
        self.owned = Tasks(
            _common(self.owned.active, self.target.active), _common(self.owned.standby, self.target.standby)
        )

    def take(self) -> None:
        """Own the target; not after an answer was lost, which may have said that there is less of it by now."""
        self.give_back()
        if not self.must_say_all:
            self.owned = self.target

    def heard(self, response: StreamsGroupHeartbeatResponse) -> None:
        if response.error_code == ErrorCode.NONE:
            self.epoch = response.member_epoch
            self.must_say_all = False
            if response.active_tasks is not None:
                self.target = Tasks(tasks_from(response.active_tasks), tasks_from(response.standby_tasks or []))
        else:
            self.start_again()


def _common(some: object, others: object) -> dict[str, frozenset[int]]:
    assert isinstance(some, dict)
    assert isinstance(others, dict)
    both = {name: numbers & others.get(name, frozenset()) for name, numbers in some.items()}
    return {name: numbers for name, numbers in both.items() if numbers}


class Walk(walk.Walk):
    """One walk over one group."""

    def __init__(self, seed: int, told: list[str] | None = None) -> None:
        super().__init__(seed, told)
        self.player = StreamsPlayer()
        self.player.shows_records = told is not None
        self.follower = self.new_follower()
        for name, values in {
            "group.streams.assignment.interval.ms": [0, 1000],
            "group.streams.initial.rebalance.delay.ms": [0, 3000],
            "group.streams.num.standby.replicas": [0, 1, 2],
        }.items():
            self.player.options[name] = self.rng.choice(values)
        self.tell(f"options {self.player.options}")
        for name in ("t", "r", "c"):
            self.play(f"topic {name} 3")
        self.instances = {name: Instance(name) for name in NAMES}
        self.highest_epoch = 0

    @property
    def log(self) -> list[bytearray]:
        return self.player.log

    def new_follower(self) -> Follower[GroupShard]:
        return follower(self.player)

    def play(self, line: str) -> None:
        self.tell(line, self.player.play(line))

    @property
    def group(self) -> StreamsGroup | None:
        return streams_groups(self.player.shard).groups.get("g")

    def beat(self, instance: Instance, request: StreamsGroupHeartbeatRequest) -> StreamsGroupHeartbeatResponse | None:
        """The answer; None if the log refused."""
        player = self.player
        player.trace = []
        decision = decide_heartbeat(player.shard, request, Requester(instance.name, "/h"), 1, player.now_ms)
        is_refused = bool(decision.records) and player.refuse_next is not None
        player._carry_out(decision, 0)
        if self.told is not None:
            self.tell(f"{instance.name}: {request}", [*player.trace, *decision.replies])
        if is_refused:
            return None
        ((_, result),) = decision.replies
        assert isinstance(result, HeartbeatResult)
        return result.response

    def step(self) -> None:
        rng, player = self.rng, self.player
        instance = self.instances[rng.choice(NAMES)]
        action = rng.random()
        if action < 0.62:
            response = self.beat(instance, instance.request())
            if response is None or rng.random() < 0.08:
                instance.must_say_all = True
            else:
                instance.heard(response)
        elif action < 0.77:
            rng.choice([instance.give_back, instance.take])()
            self.tell(f"{instance.name} has {instance.owned}")
        elif action < 0.80:
            request = StreamsGroupHeartbeatRequest(
                group_id="g", member_id=instance.member_id, member_epoch=-1, endpoint_information_epoch=0
            )
            self.beat(instance, request)
            instance.start_again()
        elif action < 0.83:
            self.tell(f"{instance.name} starts again")
            instance.start_again()
        elif action < 0.86:
            self.change_topics()
        elif action < 0.87:
            player.options["group.streams.num.standby.replicas"] = rng.choice([0, 1, 2])
        elif action < 0.89:
            player.refuse_next = ErrorCode.NOT_ENOUGH_REPLICAS
        elif action < 0.91:
            self.play("reload")
        else:
            self.play(f"advance {rng.choice([1, 500, 5000, 12_000, 25_000])}")

    def change_topics(self) -> None:
        """A topic goes, or all come back, maybe wider."""
        topics = self.player.topics.topics
        if len(topics) == 3:
            self.play(f"topic {self.rng.choice(['t', 'r', 'c'])}")
            return
        count = self.rng.choice([3, 4])
        for name in ("t", "r", "c"):
            if name in topics:
                self.play(f"topic {name}")
            self.play(f"topic {name} {count}")

    def check(self) -> None:
        group = self.group
        if group is None:
            return
        self.seen.add(group.state)
        assert group.group_epoch >= self.highest_epoch
        self.highest_epoch = group.group_epoch
        assert group.group_epoch >= group.assignment_epoch
        running: dict[tuple[str, int], str] = {}
        held: dict[tuple[str, int, str], str] = {}
        for member in group.members.values():
            self.seen.add(member.has.state.name)
            assert member.member_epoch <= group.assignment_epoch
            for owned in (member.has.assigned, member.has.pending_revocation):
                for role, name, number in owned.by_role():
                    process = member.said.process_id
                    assert (name, number, process) not in held, "one directory of state, twice in use"
                    held[name, number, process] = member.member_id
                    assert group.owners[role, name, number][process] == 1
                    if role == "active":
                        assert (name, number) not in running, "runs twice"
                        running[name, number] = member.member_id
        assert sum(map(len, group.owners.values())) == len(held)
        for instance in self.instances.values():
            if instance.member_id in group.members:
                process = PROCESSES[instance.name]
                for tasks in (instance.owned.active, instance.owned.standby):
                    for name, numbers in tasks.items():
                        assert all(held.get((name, number, process)) == instance.member_id for number in numbers)

    def follow(self) -> None:
        assert_same_hard_state(self.player.shard, self.follower.follow(self.player.log, self.player.now_ms))

    def come_to_rest(self) -> None:
        """Nobody fails any more; everybody is brought to one stable group."""
        player = self.player
        player.refuse_next = None
        for name in ("t", "r", "c"):
            if name in player.topics.topics:
                self.play(f"topic {name}")
            self.play(f"topic {name} 4")
        for instance in self.instances.values():
            instance.must_say_all = True
        for pause_ms in CALM_MS:
            self.play(f"advance {pause_ms}")
            for instance in self.instances.values():
                instance.take()
                response = self.beat(instance, instance.request())
                assert response is not None
                instance.heard(response)
                self.check()
        group = self.group
        assert group is not None
        assert group.state == STABLE
        assert {member.said.client_id for member in group.members.values()} == set(NAMES)
        replicas = player.options["group.streams.num.standby.replicas"]
        for number in range(4):
            assert ("active", "0", number) in group.owners
            assert ("active", "1", number) in group.owners
            assert len(group.owners.get(("standby", "1", number), ())) == replicas
            assert ("standby", "0", number) not in group.owners
        sizes = [
            sum(1 for role, _, _ in member.has.assigned.by_role() if role == "active")
            for member in group.members.values()
        ]
        assert sum(sizes) == 8
        assert max(sizes) <= 2
        assert_replay_equals_live(player)


@pytest.mark.parametrize("seed", range(40))
def test_invariants_hold(seed: int) -> None:
    assert_holds(Walk, seed)


def test_walks_get_somewhere() -> None:
    """The walks would prove nothing if nobody ever had to give back, wait, or was fenced."""
    assert seen_by(Walk, range(5)) >= {
        "STABLE",
        "UNREVOKED_TASKS",
        "UNRELEASED_TASKS",
        "NotReady",
        "Assigning",
        "Reconciling",
        "Stable",
    }
