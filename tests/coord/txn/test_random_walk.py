"""Seeded random walks: producers come, write, end, crash, time out; the broker loses its process.

The invariants are those of `kwire.coord.txn.shard`.
"""

from __future__ import annotations

import pytest

from kwire.coord.txn.beginning import ProducerIdentity
from kwire.coord.txn.metadata import MAX_EPOCH
from kwire.coord.txn.shard import TransactionShard
from kwire.coord.txn.states import NAMES, PREPARED, TransactionState
from kwire.errors import ErrorCode
from kwire.wire.messages.end_txn import EndTxnResponse
from kwire.wire.messages.init_producer_id import InitProducerIdResponse
from tests.coord.txn.script import Player, assert_replay_equals_live
from tests.walks import walk
from tests.walks.walk import Follower, assert_holds, seen_by

IDS = ["a", "b", "c"]
SPOTS = ["t-0", "t-1", "u-0"]


class Walk(walk.Walk):
    """One walk over three transactional ids. That each step is in the table and none completes without its markers is
    checked by the player."""

    def __init__(self, seed: int, told: list[str] | None = None) -> None:
        super().__init__(seed, told)
        self.player = Player()
        self.follower = self.new_follower()
        self.play("config id_expiration_ms=200000 expiration_interval_ms=100000")
        self.current: dict[str, ProducerIdentity] = {}
        self.fenced: dict[str, set[ProducerIdentity]] = {name: set() for name in IDS}
        self.is_held = False

    @property
    def log(self) -> list[bytearray]:
        return self.player.log

    def new_follower(self) -> Follower[TransactionShard]:
        return Follower(self.player.new_shard(), self.player.decoded)

    def play(self, line: str) -> None:
        trace = self.player.play(line)
        self.tell(line, trace)
        self.seen.update(word for said in trace for word in said.split() if word in ErrorCode.__members__)

    def step(self) -> None:
        rng, player = self.rng, self.player
        name = rng.choice(IDS)
        version = rng.choice([0, 2, 2])
        action = rng.random()
        if action < 0.18:
            own = rng.choice(["", "", " pid=own epoch=own", " pid=own epoch=3"]) if name in player.producers else ""
            self.play(f"init {name} timeout={rng.choice([1000, 30_000, 60_000])}{own}")
            self.check_successor(name, is_new=not own)
        elif action < 0.50:
            self.play(f"add {name} {rng.choice(SPOTS)} {rng.choice(SPOTS)} v={version}{self.whose(name)}")
        elif action < 0.72:
            self.play(f"end {name} {rng.choice(['commit', 'abort'])} v={version}{self.whose(name)}")
        elif action < 0.76:
            self.play("release" if self.is_held else "hold")
            self.is_held = not self.is_held
        elif action < 0.80:
            codes = ["NOT_LEADER_OR_FOLLOWER", "UNKNOWN_TOPIC_OR_PARTITION", "INVALID_PRODUCER_EPOCH"]
            self.play(f"outcome {rng.choice(SPOTS)} {rng.choice(codes)}")
        elif action < 0.84:
            self.play("refuse NOT_COORDINATOR")
        elif action < 0.88:
            self.play("reload")
        elif action < 0.90:
            self.play(f"ids {rng.choice(['on', 'on', 'off'])}")
        elif action < 0.92:
            self.play(f"clock {rng.choice([-50_000, -1, 1, 20_000])}")
        elif action < 0.93 and name in player.shard.transactions:
            self.wear_out(name)
        else:
            self.play(f"advance {rng.choice([1, 100, 10_000, 70_000, 250_000])}")

    def whose(self, name: str) -> str:
        """Mostly the producer itself, sometimes one of a past epoch."""
        return "" if self.rng.random() < 0.8 else f" epoch={self.rng.randrange(-1, 4)}"

    def check_successor(self, name: str, *, is_new: bool) -> None:
        """A new producer fences whoever had the id: it is nobody that there ever was."""
        reply = self.player.last_reply
        if is_new and isinstance(reply, InitProducerIdResponse) and not reply.error_code:
            given = ProducerIdentity(reply.producer_id, reply.producer_epoch)
            assert given != self.current.get(name)
            assert given not in self.fenced[name]

    def wear_out(self, name: str) -> None:
        txn = self.player.shard.transactions[name]
        if txn.state not in PREPARED and txn.producer_epoch < MAX_EPOCH - 3:
            self.play(f"epoch {name} {MAX_EPOCH - self.rng.randrange(1, 3)}")

    def check(self) -> None:
        shard = self.player.shard
        self.check_producers()
        for name, txn in shard.transactions.items():
            self.seen.add(NAMES[txn.state])
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

    def follow(self) -> None:
        follower = self.follower.follow(self.player.log, self.player.now_ms)
        assert follower.transactions == self.player.shard.transactions

    def come_to_rest(self) -> None:
        """Left alone, everything that was decided is carried out, and everything that is open is aborted."""
        player = self.player
        if self.is_held:
            self.play("release")
        self.play("ids on")
        player.refuse_next = None
        player.outcomes.clear()
        self.play("advance 200000")
        self.check()
        assert not any(txn.state in (TransactionState.ONGOING, *PREPARED) for txn in player.shard.transactions.values())
        assert_replay_equals_live(player)


@pytest.mark.parametrize("seed", range(100))
def test_invariants_hold(seed: int) -> None:
    assert_holds(Walk, seed)


def test_walks_get_somewhere() -> None:
    assert seen_by(Walk, range(10)) >= {
        *(name for state, name in NAMES.items() if state < TransactionState.DEAD),
        "CONCURRENT_TRANSACTIONS",
        "INVALID_PRODUCER_ID_MAPPING",
        "INVALID_TXN_STATE",
        "PRODUCER_FENCED",
        "COORDINATOR_LOAD_IN_PROGRESS",
    }
