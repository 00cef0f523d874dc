"""The share coordinator's core: snapshots and updates, epochs, and a log that says it all again."""

from __future__ import annotations

from typing import Any

import pytest

from kwire.config.broker_config import BrokerConfig
from kwire.coord.decision import Decision
from kwire.coord.records import NO_PRODUCER, decode_batches, encode_records
from kwire.coord.share.config import ShareCoordinatorConfig
from kwire.coord.share.shard import Change, ShareShard
from kwire.coord.share.state import ShareKey, StateBatch
from kwire.errors import ErrorCode, KafkaError

TOPIC = b"t" * 16
KEY = ShareKey("g", TOPIC, 0)
NOW_MS = 1_000_000


class World:
    def __init__(self, updates: int = 2) -> None:
        self.config = ShareCoordinatorConfig(BrokerConfig({}).get)
        self.config.updates_per_snapshot = updates
        self.topics = {TOPIC}
        self.log: list[bytearray] = []
        self.kinds: list[str] = []
        self.now_ms = NOW_MS
        self.shard = self.fresh()
        self.shard.on_loaded(self.now_ms)

    def fresh(self) -> ShareShard:
        shard = ShareShard(self.config, lambda topic_id, partition: topic_id in self.topics and partition < 2)
        for batch in self.log:
            for loaded in decode_batches(batch, shard.formats):
                for record in loaded.records:
                    shard.replay(record, NO_PRODUCER, self.now_ms)
        return shard

    def do(self, decision: Decision) -> Any:
        if decision.records:
            self.log.append(encode_records(decision.records, self.now_ms))
        for record in decision.records:
            kind = type(record.key).__name__.removeprefix("Share").removesuffix("Key")
            self.kinds.append(kind if record.value is not None else "Tombstone")
            self.shard.replay(record, NO_PRODUCER, self.now_ms)
        fresh = self.fresh()
        assert fresh.entries.keys() == self.shard.entries.keys()
        for key, entry in self.shard.entries.items():
            assert [getattr(fresh.entries[key], name) for name in entry.__slots__] == [
                getattr(entry, name) for name in entry.__slots__
            ]
        return decision.replies[0][1].state if decision.replies else None

    def initialize(self, epoch: int = 1, key: ShareKey = KEY) -> None:
        self.do(self.shard.initialize(key, epoch, 0, 1, self.now_ms))

    def write(
        self, *batches: tuple[int, int, int, int], start: int = -1, state_epoch: int = 1, leader: int = 0
    ) -> None:
        change = Change(state_epoch, leader, start, 0, tuple(StateBatch(*batch) for batch in batches))
        self.do(self.shard.write(KEY, change, 1, self.now_ms))

    def read(self, leader: int) -> Any:
        return self.do(self.shard.read(KEY, leader, 1, self.now_ms))


def code_of(action: Any, *arguments: Any, **named: Any) -> ErrorCode:
    with pytest.raises(KafkaError) as caught:
        action(*arguments, **named)
    return caught.value.code


def test_updates_and_then_a_snapshot() -> None:
    world = World(updates=2)
    world.initialize()
    for offset in range(7):
        world.write((offset, offset, 2, 1), start=offset)
    # The very first update counts as none.
    assert world.kinds == ["Snapshot", "Update", "Update", "Update", "Snapshot", "Update", "Update", "Snapshot"]
    state = world.shard.entries[KEY].state
    assert (state.snapshot_epoch, state.start_offset, state.batches) == (2, 6, ((6, 6, 2, 1),))


def test_a_new_leader_is_written_down() -> None:
    world = World()
    world.initialize()
    assert world.read(-1).leader_epoch == -1
    assert world.kinds == ["Snapshot"]
    world.read(4)
    world.read(4)
    assert world.kinds == ["Snapshot", "Update"]
    assert world.shard.entries[KEY].state.leader_epoch == 4
    assert code_of(world.read, 3) is ErrorCode.FENCED_LEADER_EPOCH
    assert code_of(world.write, leader=3) is ErrorCode.FENCED_LEADER_EPOCH
    # Initialising anew does not let an old leader in.
    world.initialize(epoch=2)
    assert code_of(world.read, 3) is ErrorCode.FENCED_LEADER_EPOCH
    assert code_of(world.write, state_epoch=1, leader=4) is ErrorCode.FENCED_STATE_EPOCH
    assert code_of(world.initialize, epoch=1) is ErrorCode.FENCED_STATE_EPOCH


def test_what_was_never_initialised() -> None:
    world = World()
    assert code_of(world.read, 0) is ErrorCode.INVALID_REQUEST
    assert code_of(world.write) is ErrorCode.INVALID_REQUEST
    assert code_of(world.initialize, key=KEY._replace(partition=2)) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert code_of(world.initialize, key=KEY._replace(partition=-1)) is ErrorCode.INVALID_REQUEST
    assert world.do(world.shard.delete(KEY, 1)).start_offset == -1
    assert world.kinds == []


def test_topics_that_are_gone() -> None:
    world = World()
    world.initialize()
    world.initialize(key=KEY._replace(partition=1))
    world.topics.clear()
    assert code_of(world.read, 0) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert code_of(world.write) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert code_of(world.shard.summary, KEY) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    world.do(world.shard.forget_gone())
    assert (world.kinds[-2:], world.shard.entries) == (["Tombstone", "Tombstone"], {})


def test_cold_states_get_a_snapshot() -> None:
    world = World()
    world.initialize()
    world.now_ms += world.config.cold_snapshot_interval_ms - 1
    assert world.shard.on_timer("cold snapshots", world.now_ms).records == []
    world.now_ms += 1
    world.do(world.shard.on_timer("cold snapshots", world.now_ms))
    assert world.kinds == ["Snapshot", "Snapshot"]
    world.now_ms += world.config.cold_snapshot_interval_ms
    # All there are are cold by now, and have been told so.
    assert world.shard.on_timer("cold snapshots", world.now_ms).records == []
    assert world.shard.timers.next_deadline() is not None
    world.shard.on_unloaded(world.now_ms)
    assert world.shard.timers.next_deadline() is None


def test_an_update_without_its_snapshot() -> None:
    world = World()
    world.initialize()
    world.write((0, 3, 2, 1), start=0)
    del world.log[0]
    entry = world.fresh().entries[KEY]
    assert entry.state.batches == ((0, 3, 2, 1),)


def test_what_snapshots_make_unnecessary() -> None:
    world = World()
    other = KEY._replace(partition=1)
    world.initialize()
    world.initialize(key=other)
    assert world.shard.on_timer("prune", world.now_ms).orders == ["prune"]
    assert world.shard.unneeded_before(2) == 0
    # Both are older than the mark, then one of them.
    assert world.shard.unneeded_before(5) == 0
    world.shard.entries[other].is_old = False
    assert world.shard.unneeded_before(6) == 0
    world.shard.entries[KEY].is_old = False
    # Nothing counts below 2 any more; the next mark is here.
    assert world.shard.unneeded_before(7) == 2
    assert world.shard.unneeded_before(9) == 2


def test_a_snapshot_makes_a_state_new() -> None:
    world = World()
    world.initialize()
    world.shard.unneeded_before(1)
    cold = world.shard.on_timer("cold snapshots", world.now_ms + world.config.cold_snapshot_interval_ms)
    (record,) = cold.records
    world.shard.replay(record, NO_PRODUCER, world.now_ms)
    assert world.shard.unneeded_before(3) == 1
