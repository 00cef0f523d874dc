"""Scripts for the transaction core: commands in, a trace out, kept as text under tests/scripts, reviewed as a diff.

A command is a line that starts in the first column, `verb id key=value ...`; the indented lines below it are what the
core answered, wrote and ordered. Run the tests with KWIRE_REWRITE_SCRIPTS=1 to write the traces anew. The player
remembers each transactional id's producer (`pid=` and `epoch=` override it) and carries marker orders out at once, as
long as `hold` does not keep them back; `outcome` is what comes of the next ones. After a script, and at every `reload`,
a fresh core is fed the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kwire.config.broker_config import BrokerConfig
from kwire.coord.decision import Decision
from kwire.coord.records import NO_PRODUCER, CoordinatorRecord, encode_records
from kwire.coord.txn.beginning import NOBODY, ProducerIdentity
from kwire.coord.txn.config import TransactionConfig
from kwire.coord.txn.inspection import described, listed, read_filter
from kwire.coord.txn.markers import SETTLED, MarkerOrder
from kwire.coord.txn.shard import TransactionShard
from kwire.coord.txn.states import COMPLETE, NAMES, TRANSITIONS, TransactionState
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.wire.messages.end_txn import EndTxnRequest, EndTxnResponse
from kwire.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from kwire.wire.messages.list_transactions import ListTransactionsRequest
from tests.walks.walk import Decoded, Follower

START_MS = 1_000_000
SPEED_LIMIT = 100_000
"""Timers that one `advance` may fire before the player suspects that time stands still."""


def transaction_config(**changes: int) -> TransactionConfig:
    """Kafka's defaults except for `changes`, by the names of `TransactionConfig`."""
    config = TransactionConfig.from_options(BrokerConfig({}, profile="kafka").get)
    for name, value in changes.items():
        assert hasattr(config, name), name
        setattr(config, name, value)
    return config


class Player:
    """Plays commands on one shard and keeps its log as encoded batches."""

    def __init__(self) -> None:
        self.config = transaction_config()
        self.now_ms = START_MS
        self.log: list[bytearray] = []
        self.decoded: Decoded = {}
        self.trace: list[str] = []
        self.producers: dict[str, ProducerIdentity] = {}
        self.next_id = 100
        self.has_ids = True
        self.refuse_next: ErrorCode | None = None
        self.held: list[MarkerOrder] | None = None
        self.outcomes: dict[TopicPartition, ErrorCode] = {}
        self.settled: set[tuple[int, int, bool, TopicPartition]] = set()
        self.wears_out = False
        self.last_reply: Any = None
        self.shard = self.new_shard()
        self.shard.on_loaded(self.now_ms)

    def new_shard(self) -> TransactionShard:
        return TransactionShard(self.config, self.take_producer_id)

    def take_producer_id(self) -> int:
        if not self.has_ids:
            raise KafkaError(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
        self.next_id += 1
        return self.next_id - 1

    def play(self, line: str) -> list[str]:
        """The trace of one command."""
        self.trace = []
        verb, *words = line.split()
        names = [word for word in words if "=" not in word]
        options = dict(word.split("=", 1) for word in words if "=" in word)
        handler: Callable[..., None] = getattr(self, f"_{verb.replace('-', '_')}")
        handler(*names, **options)
        return self.trace

    # Commands about the world

    def _config(self, **options: str) -> None:
        for name, value in options.items():
            assert hasattr(self.config, name), name
            setattr(self.config, name, int(value))

    def _ids(self, what: str) -> None:
        self.has_ids = what == "on"

    def _hold(self) -> None:
        self.held = []

    def _release(self) -> None:
        held, self.held = self.held or [], None
        for order in held:
            self._mark(order)

    def _outcome(self, spot: str, code: str) -> None:
        self.outcomes[_partition(spot)] = ErrorCode[code]

    def _refuse(self, code: str) -> None:
        self.refuse_next = ErrorCode[code]

    def _clock(self, milliseconds: str) -> None:
        """The clock jumps: forwards without waking anybody in between, or back."""
        self.now_ms += int(milliseconds)

    def _advance(self, milliseconds: str) -> None:
        target_ms = self.now_ms + int(milliseconds)
        for _ in range(SPEED_LIMIT):
            deadline_ms = self.shard.timers.next_deadline()
            if deadline_ms is None or deadline_ms > target_ms:
                self.now_ms = max(self.now_ms, target_ms)
                return
            self.now_ms = max(self.now_ms, deadline_ms)
            key = self.shard.timers.pop_due(self.now_ms)
            if key is None:
                continue
            self._carry_out(self.shard.on_timer(key, self.now_ms))
        raise AssertionError("time stands still")

    def _reload(self) -> None:
        """The process is gone, and what it was about to do with it; the log is not."""
        self.shard.on_unloaded(self.now_ms)
        if self.held is not None:
            self.held = []
        self.shard = self.fed()
        self._carry_out(self.shard.on_loaded(self.now_ms))

    def fed(self) -> TransactionShard:
        """A fresh core that knows the log."""
        return Follower(self.new_shard(), self.decoded).follow(self.log, self.now_ms)

    def _timers(self) -> None:
        timers = self.shard.timers
        for key in sorted(timers._deadlines, key=lambda key: (timers._deadlines[key], key)):
            self.trace.append(f"+{timers._deadlines[key] - START_MS}: {' '.join(part for part in key if part)}")

    def _epoch(self, name: str, value: str) -> None:
        """A producer that has come far: its id is given `value` as its epoch, as the log would have it."""
        from kwire.wire.messages.transaction_records import TransactionLogKey

        txn = self.shard.transactions[name]._replace(producer_epoch=int(value))
        out = Decision()
        out.record(TransactionLogKey(transactional_id=name), txn.to_value())
        self.wears_out = True
        self._carry_out(out)
        self.wears_out = False
        self.producers[name] = ProducerIdentity(txn.producer_id, int(value))

    # Requests

    def _init(
        self, name: str, timeout: str = "60000", pid: str | None = None, epoch: str | None = None, two: str = "no"
    ) -> None:
        expected = NOBODY
        if pid is not None or epoch is not None:
            known = self.producers.get(name, NOBODY)
            expected = ProducerIdentity(
                known.producer_id if pid in (None, "own") else int(pid or 0),
                known.epoch if epoch in (None, "own") else int(epoch or 0),
            )
        request = InitProducerIdRequest(
            transactional_id=name,
            transaction_timeout_ms=int(timeout),
            producer_id=expected.producer_id,
            producer_epoch=expected.epoch,
            enable2_pc=two == "yes",
        )
        self._request(name, lambda: self.shard.init_producer_id(request, 1, self.now_ms))

    def _add(self, name: str, *spots: str, pid: str | None = None, epoch: str | None = None, v: str = "0") -> None:
        partitions = frozenset(map(_partition, spots))
        producer = self._producer(name, pid, epoch)
        self._request(name, lambda: self.shard.add_partitions(name, producer, partitions, int(v), 1, self.now_ms))

    def _verify(self, name: str, *spots: str, pid: str | None = None, epoch: str | None = None) -> None:
        try:
            said = self.shard.verify_partitions(name, self._producer(name, pid, epoch), map(_partition, spots))
        except KafkaError as error:
            self.trace.append(f"{name} <- {error.code.name}")
            return
        self.trace += [f"{_spot(partition)} {code.name}" for partition, code in said.items()]

    def _end(self, name: str, how: str, pid: str | None = None, epoch: str | None = None, v: str = "0") -> None:
        producer = self._producer(name, pid, epoch)
        request = EndTxnRequest(
            transactional_id=name,
            producer_id=producer.producer_id,
            producer_epoch=producer.epoch,
            committed=how == "commit",
        )
        self._request(name, lambda: self.shard.end(request, 1, self.now_ms, bumps_epoch=v == "2"))

    def _describe(self, name: str) -> None:
        state = described(name, self.shard.transactions.get(name))
        if state.error_code:
            self.trace.append(ErrorCode(state.error_code).name)
            return
        where = [f"{topic.topic}-{index}" for topic in state.topics for index in topic.partitions]
        self.trace.append(
            f"{state.transaction_state} {state.producer_id}/{state.producer_epoch}"
            f" timeout={state.transaction_timeout_ms} since {_since(state.transaction_start_time_ms)} {where}"
        )

    def _list(self, states: str = "", pids: str = "", older: str = "-1", like: str = "") -> None:
        request = ListTransactionsRequest(
            state_filters=[name for name in states.split(",") if name],
            producer_id_filters=[int(number) for number in pids.split(",") if number],
            duration_filter=int(older),
        )
        wanted, unknown = read_filter(request, lambda name: like in name)
        for txn in listed(self.shard.transactions.values(), wanted, self.now_ms):
            self.trace.append(f"{txn.transactional_id} {txn.producer_id} {txn.transaction_state}")
        self.trace += [f"unknown state {name}" for name in unknown]

    # What comes of them

    def _producer(self, name: str, pid: str | None, epoch: str | None) -> ProducerIdentity:
        known = self.producers.get(name, NOBODY)
        return ProducerIdentity(
            known.producer_id if pid is None else int(pid), known.epoch if epoch is None else int(epoch)
        )

    def _request(self, name: str, decide: Callable[[], Decision]) -> None:
        self.last_reply = None
        try:
            decision = decide()
        except KafkaError as error:
            self.last_reply = error.code
            self.trace.append(f"{name} <- {error.code.name}")
            return
        if not self._carry_out(decision):
            return
        ((_, self.last_reply),) = decision.replies
        self.trace.append(f"{name} <- {self._said(name, self.last_reply)}")

    def _said(self, name: str, reply: Any) -> str:
        if isinstance(reply, ErrorCode):
            return reply.name
        assert isinstance(reply, InitProducerIdResponse | EndTxnResponse)
        if reply.error_code:
            return ErrorCode(reply.error_code).name
        self.producers[name] = ProducerIdentity(reply.producer_id, reply.producer_epoch)
        return f"{reply.producer_id}/{reply.producer_epoch}"

    def _carry_out(self, decision: Decision) -> bool:
        """Whether the log took it."""
        if decision.records and self.refuse_next is not None:
            code, self.refuse_next = self.refuse_next, None
            self.trace.append(f"the log refuses: {code.name}")
            self._carry_out(self.shard.on_refused(decision, code, self.now_ms))
            return False
        if decision.records:
            self.log.append(encode_records(decision.records, self.now_ms))
        for record in decision.records:
            self.trace.append(f"log {self._record(record)}")
            self._check_step(record)
            self.shard.replay(record, NO_PRODUCER, self.now_ms)
        for order in decision.orders:
            how = "COMMIT" if order.committed else "ABORT"
            where = " ".join(map(_spot, order.partitions))
            self.trace.append(f"order {how} {order.producer_id}/{order.producer_epoch} v{order.version} in {where}")
            if self.held is None:
                self._mark(order)
            else:
                self.held.append(order)
        return True

    def _check_step(self, record: CoordinatorRecord) -> None:
        """Every record is a step of the table, and none completes a transaction whose partitions lack their marker."""
        before = self.shard.transactions.get(record.key.transactional_id)
        if before is None:
            return
        after = TransactionState.DEAD if record.value is None else TransactionState(record.value.transaction_status)
        assert after in TRANSITIONS[before.state] or self.wears_out
        if after in COMPLETE and not self.wears_out:
            committed = after is TransactionState.COMPLETE_COMMIT
            for partition in before.partitions:
                assert (before.producer_id, before.producer_epoch, committed, partition) in self.settled

    def _mark(self, order: MarkerOrder) -> None:
        outcomes = [self.outcomes.pop(partition, ErrorCode.NONE) for partition in order.partitions]
        for partition, outcome in zip(order.partitions, outcomes, strict=True):
            if outcome in SETTLED:
                self.settled.add((order.producer_id, order.producer_epoch, order.committed, partition))
        self._carry_out(self.shard.on_markers(order, outcomes, self.now_ms))

    def _record(self, record: CoordinatorRecord) -> str:
        name, value = record.key.transactional_id, record.value
        if value is None:
            return f"{name} tombstone"
        partitions = value.transaction_partitions
        where = "none" if partitions is None else [f"{row.topic}:{row.partition_ids}" for row in partitions]
        following = f" next={value.next_producer_id}" if value.next_producer_id >= 0 else ""
        return (
            f"{name} {NAMES[TransactionState(value.transaction_status)]} {value.producer_id}/{value.producer_epoch}"
            f"{following} v{value.client_transaction_version} partitions={where}"
            f" since {_since(value.transaction_start_timestamp_ms)}"
        )


def assert_replay_equals_live(player: Player) -> None:
    """A fresh core that was fed the log knows what the live one knows."""
    assert player.fed().transactions == player.shard.transactions


def _since(instant_ms: int) -> str:
    return "never" if instant_ms < 0 else f"+{instant_ms - START_MS}"


def _partition(spot: str) -> TopicPartition:
    topic, index = spot.rsplit("-", 1)
    return TopicPartition(topic, int(index))


def _spot(partition: TopicPartition) -> str:
    return f"{partition.topic}-{partition.partition}"
