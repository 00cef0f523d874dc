"""Seeded random walks over one share partition: members read, acknowledge, fall silent, die; the process dies, too.

KWIRE_WALKS says how many seeds are walked; a few by default. What must hold, beside `assert_sound` after each step: a
record that the persister knows to be done with is never given to anybody again; nobody gets a record that another one
has; no record is delivered more often than the limit; the start falls for nothing; and when everybody accepts what is
left, everything that was ever written is done with.
"""

from __future__ import annotations

import os
import random

import pytest

from kwire.coord.share.state import ShareKey
from kwire.share.states import ACQUIRED, TERMINAL
from kwire.wire.messages.share_fetch import AcknowledgementBatch
from tests.share.world import GROUP, TOPIC, World, assert_replay_equals_live, assert_sound

WALKS = int(os.environ.get("KWIRE_WALKS", "20"))
STEPS = 150
MEMBERS = ["a", "b", "c"]
LIMIT = 3


class Walk:
    """One history."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.world = World()
        self.world.play(f"config delivery_count_limit={LIMIT}")
        if self.rng.random() < 0.3:
            self.world.play("config isolation_level=read_committed")
        self.done: set[int] = set()
        self.start = 0
        self.producer = 10
        self.open_transactions: list[tuple[int, int]] = []

    def step(self) -> None:
        rng, world = self.rng, self.world
        action = rng.random()
        who = rng.choice(MEMBERS)
        if action < 0.16:
            world.play(f"produce {rng.randint(1, 6)}")
        elif action < 0.19:
            self.transaction()
        elif action < 0.50:
            mode = rng.choice(["batch", "batch", "limit"])
            self.fetch(f"fetch {who} max={rng.choice([1, 2, 5, 500])} batch={rng.choice([1, 3, 500])} mode={mode}")
        elif action < 0.78:
            self.acknowledge(who)
        elif action < 0.83:
            world.play(f"advance {rng.choice([1000, 15_000, 30_000])}")
        elif action < 0.86:
            world.play(f"end {who}")
        elif action < 0.90:
            world.play("hold" if not world.persister.holds else f"settle {rng.choice(['', 'NOT_COORDINATOR'])}")
        elif action < 0.93:
            world.play("refuse COORDINATOR_LOAD_IN_PROGRESS")
        elif action < 0.95:
            world.play(f"jump {rng.choice([10_000, 40_000])}")
        elif action < 0.97:
            self.lose_the_beginning()
        else:
            world.play("restart")
        assert_sound(world)
        self.look()

    def transaction(self) -> None:
        self.producer += 1
        first = self.world.log.high_watermark
        self.world.play(f"produce {self.rng.randint(1, 3)} producer={self.producer}")
        self.world.play(f"abort {self.producer} {first}")

    def fetch(self, line: str) -> None:
        """Whoever gets records gets none that are done with, nor somebody else's."""
        before = self.owners()
        trace = self.world.play(line)
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

    def lose_the_beginning(self) -> None:
        log = self.world.log
        offset = self.rng.randint(log.start_offset, min(log.high_watermark, log.start_offset + 4))
        self.world.play(f"log-start {offset}")

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

    def look(self) -> None:
        """What the share coordinator knows to be done with, and that it stays so."""
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

    def drain(self) -> None:
        """Everybody accepts what there is; then nothing is left."""
        world = self.world
        world.play("restart")
        world.persister.refuses = None
        for _ in range(500):
            world.play("advance 30000")
            world.play("fetch a")
            for first, last in self.runs_of("a"):
                world.play(f"ack a {first}-{last}:accept")
            if not world.core.in_flight and world.core.start_offset >= world.log.high_watermark:
                return
        raise AssertionError(world.show())


@pytest.mark.parametrize("seed", range(WALKS))
def test_walk(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(STEPS):
        walk.step()
    walk.drain()
    assert_replay_equals_live(walk.world)
