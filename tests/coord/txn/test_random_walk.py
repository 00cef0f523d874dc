"""Seeded random walks: producers come, write, end, crash, time out; the broker loses its process; invariants hold.

KWIRE_TXN_SEEDS=10000 walks that many histories.
"""

from __future__ import annotations

import os
import random

import pytest

from kwire.coord.txn.beginning import ProducerIdentity
from kwire.coord.txn.metadata import MAX_EPOCH
from kwire.coord.txn.states import PREPARED, TransactionState
from kwire.errors import ErrorCode
from kwire.wire.messages.end_txn import EndTxnResponse
from kwire.wire.messages.init_producer_id import InitProducerIdResponse
from tests.coord.txn.script import Player, assert_replay_equals_live

SEEDS = int(os.environ.get("KWIRE_TXN_SEEDS", "20"))
STEPS = 200
STEPS_PER_REPLAY = 20
IDS = ["a", "b", "c"]
SPOTS = ["t-0", "t-1", "u-0"]


class Walk:
    """One walk over three transactional ids. That each step is in the table and none completes without its markers is
    checked by the player."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.player = Player()
        self.player.play("config id_expiration_ms=200000 expiration_interval_ms=100000")
        self.current: dict[str, ProducerIdentity] = {}
        self.fenced: dict[str, set[ProducerIdentity]] = {name: set() for name in IDS}
        self.states: set[TransactionState] = set()
        self.said: set[str] = set()
        self.is_held = False

    def step(self) -> None:
        rng, player = self.rng, self.player
        name = rng.choice(IDS)
        version = rng.choice([0, 2, 2])
        action = rng.random()
        if action < 0.18:
            own = rng.choice(["", "", " pid=own epoch=own", " pid=own epoch=3"]) if name in player.producers else ""
            player.play(f"init {name} timeout={rng.choice([1000, 30_000, 60_000])}{own}")
        elif action < 0.50:
            player.play(f"add {name} {rng.choice(SPOTS)} {rng.choice(SPOTS)} v={version}{self.whose(name)}")
        elif action < 0.72:
            player.play(f"end {name} {rng.choice(['commit', 'abort'])} v={version}{self.whose(name)}")
        elif action < 0.76:
            player.play("release" if self.is_held else "hold")
            self.is_held = not self.is_held
        elif action < 0.80:
            codes = ["NOT_LEADER_OR_FOLLOWER", "UNKNOWN_TOPIC_OR_PARTITION", "INVALID_PRODUCER_EPOCH"]
            player.play(f"outcome {rng.choice(SPOTS)} {rng.choice(codes)}")
        elif action < 0.84:
            player.play("refuse NOT_COORDINATOR")
        elif action < 0.88:
            player.play("reload")
        elif action < 0.90:
            player.play(f"ids {rng.choice(['on', 'on', 'off'])}")
        elif action < 0.92:
            player.play(f"clock {rng.choice([-50_000, -1, 1, 20_000])}")
        elif action < 0.93 and name in player.shard.transactions:
            self.wear_out(name)
        else:
            player.play(f"advance {rng.choice([1, 100, 10_000, 70_000, 250_000])}")
        self.said.update(word for line in player.trace for word in line.split() if word in ErrorCode.__members__)

    def whose(self, name: str) -> str:
        """Mostly the producer itself, sometimes one of a past epoch."""
        return "" if self.rng.random() < 0.8 else f" epoch={self.rng.randrange(-1, 4)}"

    def wear_out(self, name: str) -> None:
        txn = self.player.shard.transactions[name]
        if txn.state not in PREPARED and txn.producer_epoch < MAX_EPOCH - 3:
            self.player.play(f"epoch {name} {MAX_EPOCH - self.rng.randrange(1, 3)}")

    def check(self) -> None:
        shard = self.player.shard
        self.check_producers()
        for name, txn in shard.transactions.items():
            self.states.add(txn.state)
            assert 0 <= txn.producer_epoch <= MAX_EPOCH
            if txn.state not in PREPARED:
                assert txn.producer_epoch < MAX_EPOCH, "the last epoch is for fencing only"
                assert txn.next_producer_id == -1
            assert bool(txn.partitions) == (txn.state in (TransactionState.ONGOING, *PREPARED))
            if txn.state is TransactionState.ONGOING:
                assert ("overdue", "") in shard.timers
            if txn.state in PREPARED:
                is_ordered = any(order.transactional_id == name for order in self.player.held or ())
                assert is_ordered or ("markers", name) in shard.timers
            assert ("expiry", "") in shard.timers or txn.state not in (
                TransactionState.EMPTY,
                TransactionState.COMPLETE_COMMIT,
                TransactionState.COMPLETE_ABORT,
            )

    def check_producers(self) -> None:
        """Epochs only rise, nobody is given an identity that was fenced, and ids are not shared."""
        for name, txn in self.player.shard.transactions.items():
            now = ProducerIdentity(txn.producer_id, txn.producer_epoch)
            last = self.current.get(name)
            if last is not None and last != now:
                assert now.producer_id != last.producer_id or now.epoch > last.epoch
                self.fenced[name].add(last)
            assert now not in self.fenced[name]
            self.current[name] = now
        for name in set(self.current) - set(self.player.shard.transactions):
            self.fenced[name].add(self.current.pop(name))
        ids = [txn.producer_id for txn in self.player.shard.transactions.values()]
        assert len(set(ids)) == len(ids)
        reply = self.player.last_reply
        if isinstance(reply, InitProducerIdResponse | EndTxnResponse) and not reply.error_code:
            assert reply.producer_epoch < MAX_EPOCH


@pytest.mark.parametrize("block", range((SEEDS + 19) // 20))
def test_invariants_hold(block: int) -> None:
    for seed in range(block * 20, block * 20 + 20):
        walk = Walk(seed)
        for step in range(1, STEPS + 1):
            walk.step()
            walk.check()
            if step % STEPS_PER_REPLAY == 0:
                assert_replay_equals_live(walk.player)
        # Left alone, everything that was decided is carried out, and everything that is open is aborted.
        if walk.is_held:
            walk.player.play("release")
        walk.player.play("ids on")
        walk.player.refuse_next = None
        walk.player.outcomes.clear()
        walk.player.play("advance 200000")
        walk.check()
        assert not any(
            txn.state in (TransactionState.ONGOING, *PREPARED) for txn in walk.player.shard.transactions.values()
        )


def test_walks_get_somewhere() -> None:
    """The walks would prove nothing if they never left the beginning."""
    states: set[TransactionState] = set()
    said: set[str] = set()
    for seed in range(10):
        walk = Walk(seed)
        for _ in range(STEPS):
            walk.step()
            walk.check()
        states |= walk.states
        said |= walk.said
    assert states == {state for state in TransactionState if state < TransactionState.DEAD}
    assert {
        "CONCURRENT_TRANSACTIONS",
        "INVALID_PRODUCER_ID_MAPPING",
        "INVALID_TXN_STATE",
        "PRODUCER_FENCED",
        "COORDINATOR_LOAD_IN_PROGRESS",
    } <= said
