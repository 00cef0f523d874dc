"""Seeded random walks over one share partition: members read, acknowledge, fall silent, die; the process dies, too.

The invariants are those of `kwire.share.partition`.
"""

from __future__ import annotations

import pytest

from kwire.coord.share.shard import ShareShard
from kwire.coord.share.state import ShareKey
from kwire.errors import ErrorCode
from kwire.share.states import ACQUIRED, TERMINAL
from kwire.wire.messages.share_fetch import AcknowledgementBatch
from tests.share.world import (
    GROUP,
    TOPIC,
    World,
    assert_replay_equals_live,
    assert_same_entries,
    assert_sound,
)
from tests.walks import walk
from tests.walks.walk import Follower, assert_holds, seen_by

MEMBERS = ["a", "b", "c"]
LIMIT = 3


class Walk(walk.Walk):
    """One history."""

    COMPACTS = 0.0  # The log of share states is cut off at its beginning, never compacted.

    def __init__(self, seed: int, told: list[str] | None = None) -> None:
        super().__init__(seed, told)
        self.world = World()
        self.follower = self.new_follower()
        self.play(f"config delivery_count_limit={LIMIT}")
        if self.rng.random() < 0.3:
            self.play("config isolation_level=read_committed")
        self.done: set[int] = set()
        self.start = 0
        self.producer = 10

    @property
    def log(self) -> list[bytearray]:
        return self.world.persister.log

    def new_follower(self) -> Follower[ShareShard]:
        return self.world.persister.follower()

    def play(self, line: str) -> list[str]:
        trace = self.world.play(line)
        self.tell(line, trace)
        self.seen.update(word for said in trace for word in said.split() if word in ErrorCode.__members__)
        return trace

    def step(self) -> None:
        rng, world = self.rng, self.world
        action = rng.random()
        who = rng.choice(MEMBERS)
        if action < 0.16:
            self.play(f"produce {rng.randint(1, 6)}")
        elif action < 0.19:
            self.transaction()
        elif action < 0.50:
            mode = rng.choice(["batch", "batch", "limit"])
            self.fetch(f"fetch {who} max={rng.choice([1, 2, 5, 500])} batch={rng.choice([1, 3, 500])} mode={mode}")
        elif action < 0.78:
            self.acknowledge(who)
        elif action < 0.83:
            self.play(f"advance {rng.choice([1000, 15_000, 30_000])}")
        elif action < 0.86:
            self.play(f"end {who}")
        elif action < 0.90:
            self.play("hold" if not world.persister.holds else f"settle {rng.choice(['', 'NOT_COORDINATOR'])}")
        elif action < 0.93:
            self.play("refuse COORDINATOR_LOAD_IN_PROGRESS")
        elif action < 0.95:
            self.play(f"jump {rng.choice([10_000, 40_000])}")
        elif action < 0.965:
            self.lose_the_beginning()
        elif action < 0.975:
            self.play("take-over")
            assert self.world.core.start_offset >= self.start
        elif action < 0.985:
            self.hear_of_the_leader_before(who)
        else:
            self.play("restart")

    def hear_of_the_leader_before(self, who: str) -> None:
        """It may write what it wants: nothing comes of it."""
        persister = self.world.persister
        entry = persister.shard.entries[ShareKey(GROUP, TOPIC, 0)]
        before, holds = entry.state, persister.holds
        persister.holds = False
        trace = self.play(f"late {who}")
        persister.holds = holds
        assert entry.state == before
        assert f"{who} <- NONE" not in trace

    def transaction(self) -> None:
        self.producer += 1
        first = self.world.log.high_watermark
        self.play(f"produce {self.rng.randint(1, 3)} producer={self.producer}")
        self.play(f"abort {self.producer} {first}")

    def fetch(self, line: str) -> None:
        """Whoever gets records gets none that are done with, nor somebody else's."""
        before = self.owners()
        trace = self.play(line)
        gained = {offset for offset, who in self.owners().items() if before.get(offset) != who}
        assert gained.isdisjoint(before), trace
        assert gained.isdisjoint(self.done), trace
        for batch in self.world.core.in_flight:
            for run in batch.runs:
                assert run.state != ACQUIRED or run.deliveries <= LIMIT, trace

    def acknowledge(self, who: str) -> None:
        """Mostly what the member has, sometimes anything; one type or one for each offset."""
        rng = self.rng
        batches = []
        last = -1
        for first, end in self.runs_of(who):
            if rng.random() < 0.3:
                continue
            if rng.random() < 0.3 and first < end:
                first += 1
            kinds = [rng.choice([0, 1, 1, 1, 2, 2, 3, 4])]
            if rng.random() < 0.3:
                kinds = [rng.choice([0, 1, 2, 3, 4]) for _ in range(first, end + 1)]
            batches.append(AcknowledgementBatch(first_offset=first, last_offset=end, acknowledge_types=kinds))
            last = end
        if rng.random() < 0.1:
            first = max(last + 1, rng.randint(0, self.world.log.high_watermark + 2))
            batches.append(
                AcknowledgementBatch(first_offset=first, last_offset=first + rng.randint(0, 3), acknowledge_types=[1])
            )
        if batches:
            self.world.trace = []
            self.world.acknowledge(who, batches)
            self.world.persister.written.clear()
            self.seen.update(line.split()[-1] for line in self.world.trace)
            self.tell(f"{who} acknowledges {batches}", self.world.trace)

    def lose_the_beginning(self) -> None:
        log = self.world.log
        offset = self.rng.randint(log.start_offset, min(log.high_watermark, log.start_offset + 4))
        self.play(f"log-start {offset}")

    def runs_of(self, who: str) -> list[tuple[int, int]]:
        return [
            (run.first, run.last) for batch in self.world.core.in_flight for run in batch.runs if run.member_id == who
        ]

    def owners(self) -> dict[int, str]:
        return {
            offset: run.member_id
            for batch in self.world.core.in_flight
            for run in batch.runs
            if run.member_id
            for offset in range(run.first, run.last + 1)
        }

    def check(self) -> None:
        """What the share coordinator knows to be done with, and that it stays so."""
        assert_sound(self.world)
        state = self.world.persister.shard.entries[ShareKey(GROUP, TOPIC, 0)].state
        assert state.start_offset >= self.start
        self.start = state.start_offset
        stored = {
            offset
            for batch in state.batches
            if batch.state in TERMINAL
            for offset in range(batch.first, batch.last + 1)
        }
        left = {offset for offset in self.done if offset >= state.start_offset}
        assert left <= stored, sorted(left - stored)
        self.done |= stored | set(range(self.start))
        # Locks on what the log has lost run out by themselves.
        begins = self.world.core.start_offset
        assert not {offset for offset in self.owners() if offset >= begins} & self.done

    def follow(self) -> None:
        persister = self.world.persister
        assert_same_entries(self.follower.follow(persister.log, 0), persister.shard)

    def come_to_rest(self) -> None:
        """Everybody accepts what there is; then nothing is left."""
        world = self.world
        self.play("restart")
        world.persister.refuses = None
        for _ in range(500):
            self.play("advance 30000")
            self.play("fetch a")
            for first, last in self.runs_of("a"):
                self.play(f"ack a {first}-{last}:accept")
            if not world.core.in_flight and world.core.start_offset >= world.log.high_watermark:
                assert_replay_equals_live(world)
                return
        raise AssertionError(world.show())


@pytest.mark.parametrize("seed", range(60))
def test_invariants_hold(seed: int) -> None:
    assert_holds(Walk, seed)


def test_walks_get_somewhere() -> None:
    assert seen_by(Walk, range(20)) >= {"INVALID_RECORD_STATE", "INVALID_REQUEST", "NOT_LEADER_OR_FOLLOWER", "NONE"}
