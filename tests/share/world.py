"""Share partitions without a broker: a log in memory, the share coordinator's core as persister, a clock by hand.

Scripts (tests/scripts/share_*.txt) are commands in, a trace out; `play` takes one command. After each one the state of
the partition is written as its runs. A `restart` forgets everything but the log and the share coordinator's records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, NamedTuple

from kwire.config.broker_config import BrokerConfig
from kwire.coord.records import NO_PRODUCER, encode_records
from kwire.coord.share.config import ShareCoordinatorConfig
from kwire.coord.share.shard import Change, ShareShard
from kwire.coord.share.state import ShareKey, StateBatch
from kwire.errors import ErrorCode, KafkaError
from kwire.share.acquiring import Wish
from kwire.share.config import ShareConfig
from kwire.share.fetching import ShareFetch
from kwire.share.manager import Outcomes, SharePartitionManager
from kwire.share.partition import SharePartition
from kwire.share.ports import FetchedLog, SharePartitionKey, StateToStore, StoredState
from kwire.share.sessions import TopicIdPartition
from kwire.share.states import ACQUIRED, STATE_NAMES
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker
from kwire.wire.messages.read_share_group_state import StateBatch as StoredBatch
from kwire.wire.messages.share_fetch import AcknowledgementBatch
from kwire.wire.record_batch import read_header, set_offset_and_epoch
from kwire.wire.records import build_batch
from tests.walks.walk import Decoded, Follower

GROUP = "g"
TOPIC = b"t" * 16
WHERE = TopicIdPartition(TOPIC, 0)
TYPES = {"gap": 0, "accept": 1, "release": 2, "reject": 3, "renew": 4}
START_MS = 1_000_000


class Aborted(NamedTuple):
    """A transaction that was aborted."""

    producer_id: int
    first_offset: int


class LogForTests:
    """Record batches in a list."""

    def __init__(self) -> None:
        self.watchers: set[Callable[[], None]] = set()
        self.leader_epoch = 0
        self.start_offset = 0
        self.high_watermark = 0
        self.batches: list[bytearray] = []
        self.aborted: list[Aborted] = []

    def append(self, count: int, **options: Any) -> None:
        batch = build_batch([(START_MS, None, b"x", ())] * count, **options)
        set_offset_and_epoch(batch, 0, self.high_watermark, 0)
        self.batches.append(batch)
        self.high_watermark += count

    def compact(self, offset: int) -> None:
        """Take the batch away that holds this offset; others stay where they are."""
        self.batches = [batch for batch in self.batches if not base_of(batch) <= offset <= last_of(batch)]

    def offset_at(self, timestamp_ms: int) -> int | None:
        return None

    def read(self, offset: int, max_bytes: int, *, read_committed: bool) -> FetchedLog:
        if not self.start_offset <= offset <= self.high_watermark:
            raise KafkaError(ErrorCode.OFFSET_OUT_OF_RANGE)
        data = b""
        for batch in self.batches:
            if last_of(batch) >= offset and (not data or len(data) + len(batch) <= max_bytes):
                data += bytes(batch)
        return FetchedLog(data, self.aborted if read_committed else ())


def base_of(batch: bytearray) -> int:
    return read_header(batch).base_offset


def last_of(batch: bytearray) -> int:
    return read_header(batch).last_offset


class PersisterForTests:
    """The share coordinator's core; it can be made to refuse the next write, or to be slow."""

    def __init__(self) -> None:
        self.log: list[bytearray] = []
        self.decoded: Decoded = {}
        self.config = ShareCoordinatorConfig(BrokerConfig({}).get)
        self.shard = self.fed()
        self.now_ms = START_MS
        self.refuses: ErrorCode | None = None
        self.holds = False
        self.held: list[Callable[[ErrorCode | None], None]] = []
        self.written: list[str] = []

    def fed(self) -> ShareShard:
        """A fresh core that knows the log."""
        return self.follower().follow(self.log, 0)

    def follower(self) -> Follower[ShareShard]:
        """A core that knows nothing yet."""
        return Follower(
            ShareShard(self.config, lambda topic_id, partition: topic_id == TOPIC and partition == 0), self.decoded
        )

    def carry_out(self, operation: Callable[[ShareShard], Any]) -> Any:
        decision = operation(self.shard)
        if decision.records:
            self.log.append(encode_records(decision.records, self.now_ms))
            for record in decision.records:
                self.shard.replay(record, NO_PRODUCER, self.now_ms)
        return decision.replies[0][1].state

    def initialize(self, start_offset: int, state_epoch: int = 1) -> None:
        key = ShareKey(GROUP, TOPIC, 0)
        self.carry_out(lambda shard: shard.initialize(key, state_epoch, start_offset, 1, self.now_ms))

    def read(self, key: SharePartitionKey, leader_epoch: int, done: Callable[[StoredState | KafkaError], None]) -> None:
        try:
            state = self.carry_out(lambda shard: shard.read(ShareKey(*key), leader_epoch, 1, self.now_ms))
        except KafkaError as error:
            done(error)
            return
        batches = [
            StoredBatch(first_offset=first, last_offset=last, delivery_state=kind, delivery_count=count)
            for first, last, kind, count in state.batches
        ]
        done(StoredState(state.start_offset, state.state_epoch, batches))

    def write(self, key: SharePartitionKey, state: StateToStore, done: Callable[[KafkaError | None], None]) -> None:
        def settle(code: ErrorCode | None) -> None:
            if code is not None:
                done(KafkaError(code))
                return
            change = Change(
                state.state_epoch,
                state.leader_epoch,
                state.start_offset,
                state.complete_count,
                tuple(StateBatch(*batch) for batch in state.batches),
            )
            batches = " ".join(f"{b.first}-{b.last}:{STATE_NAMES[b.state]}x{b.deliveries}" for b in state.batches)
            self.written.append(f"start={state.start_offset} done={state.complete_count} {batches}")
            try:
                self.carry_out(lambda shard: shard.write(ShareKey(*key), change, 1, self.now_ms))
            except KafkaError as error:
                done(error)
                return
            done(None)

        if self.holds:
            self.held.append(settle)
            return
        refuses, self.refuses = self.refuses, None
        settle(refuses)


class AlarmForTests:
    def cancel(self) -> None:
        pass


class World:
    """One share partition and its members."""

    def __init__(self, start_offset: int = 0) -> None:
        self.log = LogForTests()
        self.persister = PersisterForTests()
        self.persister.initialize(start_offset)
        self.options: dict[str, str] = {}
        self.now_ms = START_MS
        self.trace: list[str] = []
        self.outcomes: list[str] = []
        self._next_turn: list[Callable[[], None]] = []
        self.manager = self.fresh()
        self.replaced: SharePartitionManager | None = None

    def fresh(self) -> SharePartitionManager:
        config = ShareConfig(BrokerConfig({}).get, lambda group_id: self.options)
        return SharePartitionManager(
            config,
            lambda topic_id, partition: self.log,
            self.persister,
            lambda: self.now_ms,
            self._call_later,
        )

    def _call_later(self, seconds: float, callback: Callable[[], None]) -> AlarmForTests:
        """What is due at once is called with the next command: that is another turn of the loop. Locks are not."""
        if not seconds:
            self._next_turn.append(callback)
        return AlarmForTests()

    @property
    def core(self) -> SharePartition:
        return self.manager.partition(GROUP, WHERE).core

    def play(self, line: str) -> list[str]:
        """The trace of one command."""
        due, self._next_turn = self._next_turn, []
        for callback in due:
            callback()
        self.trace = []
        verb, *words = line.split()
        names = [word for word in words if "=" not in word]
        options = dict(word.split("=", 1) for word in words if "=" in word)
        getattr(self, f"_{verb.replace('-', '_')}")(*names, **options)
        self.trace += [f"wrote {text}" for text in self.persister.written]
        self.persister.written.clear()
        self.trace.append(self.show())
        return self.trace

    def show(self) -> str:
        try:
            core = self.core
        except KafkaError as error:
            return f"not loaded: {error.code.name}"
        runs = " | ".join(
            " ".join(
                f"{run.first}-{run.last} {STATE_NAMES[run.state]}x{run.deliveries}"
                + (f" {run.member_id}" if run.member_id else "")
                + (" ?" if run.update is not None else "")
                for run in batch.runs
            )
            for batch in core.in_flight
        )
        return f"[{core.start_offset} {core.end_offset}] {runs}".rstrip()

    # Commands

    def _config(self, **options: str) -> None:
        self.options.update({f"share.{name.replace('_', '.')}": value for name, value in options.items()})

    def _produce(self, *counts: str, producer: str = "") -> None:
        for count in counts:
            fields: dict[str, Any] = {}
            if producer:
                fields = {"producer_id": int(producer), "producer_epoch": 0, "base_sequence": 0, "transactional": True}
            self.log.append(int(count), **fields)

    def _abort(self, producer: str, first: str) -> None:
        """A marker, and what the log tells readers of the transaction."""
        marker = build_end_transaction_marker(
            EndTransactionMarker(False, 0),
            producer_id=int(producer),
            producer_epoch=0,
            timestamp=START_MS,
            base_offset=self.log.high_watermark,
        )
        self.log.batches.append(marker)
        self.log.high_watermark += 1
        self.log.aborted.append(Aborted(int(producer), int(first)))

    def _compact(self, offset: str) -> None:
        self.log.compact(int(offset))

    def _log_start(self, offset: str) -> None:
        self.log.start_offset = int(offset)

    def _fetch(self, who: str, max: str = "500", batch: str = "500", mode: str = "batch") -> None:
        wish = Wish(who, int(max), int(batch), 1 if mode == "limit" else 0)
        fetch = ShareFetch(self.manager, GROUP, [WHERE], wish, max_bytes=1 << 20, min_bytes=1)
        results = fetch.attempt(True)
        assert results is not None
        fetched = results.get(WHERE)
        if fetched is None:
            self.trace.append(f"{who} <- nothing to read")
        elif fetched.error is not None:
            self.trace.append(f"{who} <- {fetched.error.code.name}")
        else:
            got = " ".join(f"{first}-{last}x{count}" for first, last, count in fetched.acquired)
            self.trace.append(f"{who} <- {got or 'nothing'}")

    def _ack(self, who: str, *said: str) -> None:
        """`0-2:accept`, or a type for each offset: `0-2:accept,gap,release`."""
        batches = []
        for text in said:
            offsets, types = text.split(":")
            first, _, last = offsets.partition("-")
            kinds = [TYPES.get(name, 9) for name in types.split(",")]
            batches.append(
                AcknowledgementBatch(first_offset=int(first), last_offset=int(last or first), acknowledge_types=kinds)
            )
        self.acknowledge(who, batches)

    def acknowledge(
        self, who: str, batches: Sequence[AcknowledgementBatch], manager: SharePartitionManager | None = None
    ) -> None:
        def done(outcomes: Outcomes) -> None:
            error = outcomes[WHERE]
            self.trace.append(f"{who} <- {'NONE' if error is None else error.code.name}")

        (manager or self.manager).acknowledge(GROUP, who, {WHERE: batches}, done)

    def _session(self, who: str) -> None:
        self.manager.sessions.open(GROUP, who, [WHERE])

    def _end(self, who: str) -> None:
        """The member's session is over."""
        self._session(who)
        _ = self.core
        self.manager.release_session(GROUP, who)

    def _advance(self, milliseconds: str) -> None:
        self.now_ms += int(milliseconds)
        self.persister.now_ms = self.now_ms
        self.manager.run_due_locks()

    def _jump(self, milliseconds: str) -> None:
        """Time passes; the alarm is late."""
        self.now_ms += int(milliseconds)

    def _refuse(self, code: str) -> None:
        self.persister.refuses = ErrorCode[code]

    def _hold(self) -> None:
        self.persister.holds = True

    def _settle(self, code: str = "") -> None:
        self.persister.holds = False
        held, self.persister.held = self.persister.held, []
        for settle in held:
            settle(ErrorCode[code] if code else None)

    def _initialize(self, start_offset: str, epoch: str = "1") -> None:
        self.persister.initialize(int(start_offset), int(epoch))

    def _leader(self, epoch: str) -> None:
        self.log.leader_epoch = int(epoch)

    def _restart(self) -> None:
        """The process is gone: what is left is in the logs. Whoever waited for the persister waits no more."""
        self.persister.held.clear()
        self.persister.holds = False
        self.persister.shard = self.persister.fed()
        self.manager = self.fresh()

    def _take_over(self) -> None:
        """Another broker leads the partition; the one before has not heard of it."""
        self.log = copy(self.log)
        self.log.leader_epoch += 1
        self.replaced, self.manager = self.manager, self.fresh()

    def _late(self, who: str) -> None:
        """The leader before is told that `who` accepts all that it has of it.

        But for what the log has lost by then: of that there is nothing to write, and everybody is told that it is well.
        """
        if self.replaced is None:
            return
        core = self.replaced.partition(GROUP, WHERE).core
        batches = [
            AcknowledgementBatch(first_offset=run.first, last_offset=run.last, acknowledge_types=[TYPES["accept"]])
            for batch in core.in_flight
            for run in batch.runs
            if run.member_id == who and run.last >= core.start_offset
        ]
        if batches:
            self.acknowledge(who, batches, self.replaced)

    def _tell(self) -> None:
        """What the share coordinator has, and how many records are done with."""
        state = self.persister.shard.entries[ShareKey(GROUP, TOPIC, 0)].state
        batches = " ".join(f"{b.first}-{b.last}:{STATE_NAMES[b.state]}x{b.deliveries}" for b in state.batches)
        self.trace.append(f"state start={state.start_offset} done={state.complete_count} {batches}".rstrip())


def assert_sound(world: World) -> None:
    """The invariants of `SharePartition` that a single state can show."""
    try:
        core = world.core
    except KafkaError:
        return
    assert core.start_offset <= core.end_offset + 1
    previous = None
    for batch in core.in_flight:
        assert previous is None or batch.first > previous
        expected = batch.first
        for run in batch.runs:
            assert run.first == expected <= run.last, core.in_flight.batches
            assert (run.state == ACQUIRED) == bool(run.member_id), run
            expected = run.last + 1
        assert expected == batch.last + 1
        previous = batch.last
    if core.in_flight:
        assert core.end_offset >= core.in_flight.last_offset


def assert_replay_equals_live(world: World) -> None:
    """A fresh share coordinator that is fed the log knows what the live one knows."""
    assert_same_entries(world.persister.fed(), world.persister.shard)


def assert_same_entries(fed: ShareShard, live: ShareShard) -> None:
    """Both know the same of every share partition."""
    assert fed.entries.keys() == live.entries.keys()
    for key, entry in live.entries.items():
        for name in entry.__slots__:
            assert getattr(fed.entries[key], name) == getattr(entry, name), name
