"""The one part of a coordinator with an event loop: it carries out what pure cores decide.

One shard per partition of the internal topic that this broker leads. A request runs `decide(shard, key, now)`, then,
without letting anybody else in between: its records are appended as one batch, each is replayed, and the replies go
out; at once if the batch is committed (a replication factor of one), otherwise when it is. Replies of later decisions,
reads included, queue up behind it, so that nobody sees what may yet be lost. (apache/kafka `CoordinatorRuntime`.)

A decision's orders (markers to write into other partitions) are handed over before its replies go out, so that work
that can be done at once is done when the client hears of it.

A shard's deadlines are data; one timer of the event loop waits for the nearest of all. They are about time that passes:
when the machine's clock is set, they move along with it. Loading replays the log in slices and lets others run between
them; meanwhile the partition's requests get COORDINATOR_LOAD_IN_PROGRESS.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar

from kwire.clock import Clock
from kwire.coord.answers import Answer, OnDemand, when_all
from kwire.coord.clock_watch import ClockWatch
from kwire.coord.coordinator_log import APPEND_ERRORS, CoordinatorLog, CoordinatorShard
from kwire.coord.decision import Decision, ReplyKey
from kwire.coord.loading import replay_slice
from kwire.coord.records import NO_PRODUCER, encode_records
from kwire.coord.slot import Slot, unavailable
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition, random_uuid
from kwire.wire.codec import WireError

__all__ = ["Answer", "CoordinatorRuntime", "OnDemand", "random_uuid", "when_all"]

logger = logging.getLogger("kwire.coord")

LOAD_SLICE_BYTES = 16 * 1024
"""How much log is replayed before others may run: some 250 records, a few milliseconds' worth."""

SPLIT_ABOVE_RECORDS = 1000
"""Records of a decision that is not atomic go into batches of at most so many."""

S = TypeVar("S", bound=CoordinatorShard)
R = TypeVar("R")
Refusal: TypeAlias = Callable[[ErrorCode], R]


class CoordinatorRuntime(Generic[S]):
    """Shards by partition number of `topic`, and the requests that wait for them."""

    def __init__(
        self,
        topic: str,
        new_shard: Callable[[], S],
        log: CoordinatorLog,
        clock: Clock,
        *,
        commit_timeout_ms: int = 5000,
        compression: int = 0,
        load_slice_bytes: int = LOAD_SLICE_BYTES,
        on_order: Callable[[int, int, Any], None] | None = None,
    ) -> None:
        """`on_order(partition, leader epoch, order)` takes the orders of the cores' decisions."""
        self._topic = topic
        self._new_shard = new_shard
        self._log = log
        self._watch = ClockWatch(clock)
        self._commit_timeout_ms = commit_timeout_ms
        self._compression = compression
        self._load_slice_bytes = min(load_slice_bytes, LOAD_SLICE_BYTES)
        self._on_order = on_order
        self._slots: dict[int, Slot[S]] = {}
        self._parked: dict[ReplyKey, tuple[asyncio.Future[Any], Refusal[Any]]] = {}
        self._last_key: ReplyKey = 0
        self._armed_ms: int | None = None
        self._alarm: asyncio.TimerHandle | None = None

    # Requests

    def perform(
        self, partition: int, decide: Callable[[S, ReplyKey, int], Decision], refuse: Callable[[ErrorCode], R]
    ) -> Answer[R]:
        """Decide, append, replay; the response, or a future of it when it has to wait.

        Every error ends as `refuse(code)`: a KafkaError of `decide`, the log's (mapped), NOT_COORDINATOR or
        COORDINATOR_LOAD_IN_PROGRESS where there is no shard.
        """
        slot = self._slots.get(partition)
        if slot is None or slot.state is not slot.ACTIVE:
            return refuse(unavailable(slot))
        now_ms = self._now_ms()
        self._last_key = key = self._last_key + 1
        try:
            decision = decide(slot.shard, key, now_ms)
        except KafkaError as error:
            self._arm(slot)
            return refuse(error.code)
        refusal = self._store(slot, decision, now_ms)
        self._arm(slot)
        if refusal is not None:
            return refuse(refusal)
        if not self._is_committed(slot):
            self._defer(slot, decision)
            return self._park(key, refuse)
        if decision.orders:
            self._hand_over(slot, decision)
        answer: Any = None
        for reply_key, response in decision.replies:
            if reply_key == key:
                answer = response
            else:
                self._deliver(reply_key, response)
        return self._park(key, refuse) if answer is None else answer

    def read(self, partition: int, ask: Callable[[S, int], R], refuse: Callable[[ErrorCode], R]) -> Answer[R]:
        """What a shard knows, or a change that no log needs to hold (a heartbeat): `ask(shard, now)`.

        An answer of None is returned at once: this was nothing to be read.
        """
        slot = self._slots.get(partition)
        if slot is None or slot.state is not slot.ACTIVE:
            return refuse(unavailable(slot))
        try:
            answer = ask(slot.shard, self._now_ms())
        except KafkaError as error:
            self._arm(slot)
            return refuse(error.code)
        self._arm(slot)
        if answer is None or self._is_committed(slot):
            return answer
        self._last_key = key = self._last_key + 1
        deferred = Decision()
        deferred.reply(key, answer)
        self._defer(slot, deferred)
        return self._park(key, refuse)

    def act(self, partition: int, decide: Callable[[S, int], Decision]) -> None:
        """Carry out a decision that nobody waits for: as soon as the partition is loaded, if it is led here at all."""
        slot = self._slots.get(partition)
        if slot is not None and slot.state is slot.LOADING:
            slot.postponed.append(decide)
        elif slot is not None and slot.state is slot.ACTIVE:
            now_ms = self._now_ms()
            self._carry_out(slot, decide(slot.shard, now_ms), now_ms)
            self._arm(slot)

    def end_transaction(self, partition: int, batch: bytearray, *, producer_id: int, committed: bool) -> None:
        """Append the control batch that ends a producer's transaction, and let the core know.

        Raises KafkaError: COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR, or what the log says.
        """
        slot = self._slots.get(partition)
        if slot is None or slot.state is not slot.ACTIVE:
            raise KafkaError(unavailable(slot))
        slot.last_offset = self._log.append(slot.partition, batch, self._now_ms())
        slot.shard.replay_marker(producer_id, committed)

    def partitions(self) -> list[int]:
        """The partitions that this broker coordinates, loaded or not."""
        return list(self._slots)

    def _park(self, key: ReplyKey, refuse: Callable[[ErrorCode], R]) -> asyncio.Future[R]:
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._parked[key] = (future, refuse)
        return future

    def _deliver(self, key: ReplyKey, response: object) -> None:
        parked = self._parked.pop(key, None)
        if parked is not None and not parked[0].done():
            parked[0].set_result(response)

    def _refuse(self, key: ReplyKey, code: ErrorCode) -> None:
        parked = self._parked.pop(key, None)
        if parked is not None and not parked[0].done():
            parked[0].set_result(parked[1](code))

    # The log

    def _store(self, slot: Slot[S], decision: Decision, now_ms: int) -> ErrorCode | None:
        """Append and replay. If the log refuses: why, in a coordinator's words; whoever waits is told."""
        if not decision.records:
            return None
        try:
            self._append(slot, decision, now_ms)
        except KafkaError as error:
            self._carry_out(slot, slot.shard.on_refused(decision, error.code, now_ms), now_ms)
            for key, _ in decision.replies:
                self._refuse(key, error.code)
            return error.code
        return None

    def _append(self, slot: Slot[S], decision: Decision, now_ms: int) -> None:
        records = decision.records
        step = len(records) if decision.atomic else SPLIT_ABOVE_RECORDS
        producer_id = NO_PRODUCER if decision.producer is None else decision.producer[0]
        for start in range(0, len(records), step):
            part = records[start : start + step]
            batch = encode_records(part, now_ms, compression=self._compression, producer=decision.producer)
            try:
                slot.last_offset = self._log.append(slot.partition, batch, now_ms)
            except KafkaError as error:
                logger.warning("%s: the log refused %d records: %s", slot.partition, len(part), error)
                raise KafkaError(APPEND_ERRORS.get(error.code, error.code), error.message) from error
            for record in part:
                slot.shard.replay(record, producer_id, now_ms)

    def _is_committed(self, slot: Slot[S]) -> bool:
        """Whether everything appended is committed; if the log cannot say so, `committed` finds out why."""
        if slot.last_offset <= slot.committed_offset:
            return not slot.deferred
        if slot.deferred:
            return False
        try:
            slot.committed_offset = self._log.high_watermark(slot.partition) - 1
        except KafkaError:
            return False
        return slot.last_offset <= slot.committed_offset

    def _hand_over(self, slot: Slot[S], decision: Decision) -> None:
        if self._on_order is not None:
            for order in decision.orders:
                self._on_order(slot.partition.partition, slot.epoch, order)

    def _defer(self, slot: Slot[S], decision: Decision) -> None:
        if not decision.replies and not decision.orders:
            return
        loop = asyncio.get_running_loop()
        slot.deferred.append((slot.last_offset, loop.time() + self._commit_timeout_ms / 1000, decision))
        if slot.waiter is None:
            slot.waiter = loop.create_task(self._await_commits(slot))

    async def _await_commits(self, slot: Slot[S]) -> None:
        """Send the queued replies in order, each when its offset is committed, or refuse it when it takes too long.

        Orders are not given up with the replies: the decision stands, and counts once it is committed.
        """
        while slot.deferred:
            offset, deadline, decision = slot.deferred[0]
            code, is_late = ErrorCode.NONE, False
            try:
                async with asyncio.timeout_at(deadline):
                    await self._log.committed(slot.partition, offset)
            except TimeoutError:
                code, is_late = ErrorCode.COORDINATOR_NOT_AVAILABLE, True
            except KafkaError as error:
                code = APPEND_ERRORS.get(error.code, error.code)
            except Exception:
                logger.exception("%s: nobody knows whether offset %d is committed", slot.partition, offset)
                code = ErrorCode.UNKNOWN_SERVER_ERROR
            slot.deferred.popleft()
            if code is ErrorCode.NONE:
                self._hand_over(slot, decision)
            for key, response in decision.replies:
                if code is ErrorCode.NONE:
                    self._deliver(key, response)
                else:
                    self._refuse(key, code)
            if is_late and decision.orders:
                decision.replies = []
                self._defer(slot, decision)
        slot.waiter = None

    # Deadlines

    def _now_ms(self) -> int:
        now_ms, jump_ms = self._watch.read()
        if jump_ms:
            for slot in self._slots.values():
                slot.shard.timers.shift(jump_ms)
            if self._armed_ms is not None:
                self._armed_ms += jump_ms
        return now_ms

    def _arm(self, slot: Slot[S]) -> None:
        deadline_ms = slot.shard.timers.next_deadline(self._armed_ms)
        if deadline_ms is None or (self._armed_ms is not None and deadline_ms >= self._armed_ms):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._armed_ms = deadline_ms
        delay_ms = max(deadline_ms - self._now_ms(), 1)
        self._alarm = asyncio.get_running_loop().call_later(delay_ms / 1000, self.run_due_timers)

    def run_due_timers(self) -> None:
        """Carry out what is due on every shard and set the alarm for what is next. The alarm calls it."""
        now_ms = self._now_ms()
        for slot in list(self._slots.values()):
            if slot.state is slot.ACTIVE:
                while (key := slot.shard.timers.pop_due(now_ms)) is not None:
                    try:
                        self._carry_out(slot, slot.shard.on_timer(key, now_ms), now_ms)
                    except Exception:  # One group's trouble must not stop everybody's clock.
                        logger.exception("%s: the deadline %s came to nothing", slot.partition, key)
        self._armed_ms = None
        for slot in self._slots.values():
            self._arm(slot)

    def _carry_out(self, slot: Slot[S], decision: Decision, now_ms: int) -> None:
        """Perform what no request asked for."""
        if self._store(slot, decision, now_ms) is not None or not (decision.replies or decision.orders):
            return
        if not self._is_committed(slot):
            self._defer(slot, decision)
            return
        self._hand_over(slot, decision)
        for key, response in decision.replies:
            self._deliver(key, response)

    # Leadership

    def on_elected(self, partition: int, leader_epoch: int) -> None:
        """This broker leads the partition now: load it. A log that fits one slice is loaded on return."""
        slot = self._slots.get(partition)
        if slot is not None and slot.state is not slot.FAILED:
            slot.epoch = max(slot.epoch, leader_epoch)
            return
        slot = Slot(TopicPartition(self._topic, partition), leader_epoch, self._new_shard())
        self._slots[partition] = slot
        try:
            offset = self._load_slice(slot, self._log.start_offset(slot.partition))
            if offset is None:
                self._activate(slot)
            else:
                slot.load = asyncio.get_running_loop().create_task(self._load_rest(slot, offset))
        except Exception as error:  # Whatever it is, the partition has no coordinator and the broker goes on.
            self._fail(slot, error)

    async def _load_rest(self, slot: Slot[S], offset: int | None) -> None:
        try:
            while offset is not None:
                await asyncio.sleep(0)
                offset = self._load_slice(slot, offset)
            self._activate(slot)
        except Exception as error:  # Whatever it is, the partition has no coordinator and the broker goes on.
            self._fail(slot, error)

    def _load_slice(self, slot: Slot[S], offset: int) -> int | None:
        """Replay one slice; the offset to go on from, None at the end."""
        now_ms = self._now_ms()
        piece = replay_slice(self._log, slot.partition, slot.shard, offset, self._load_slice_bytes, now_ms)
        slot.skipped_count += piece.skipped_count
        return piece.next_offset

    def _activate(self, slot: Slot[S]) -> None:
        now_ms = self._now_ms()
        slot.last_offset = self._log.end_offset(slot.partition) - 1
        slot.state = slot.ACTIVE
        slot.load = None
        if slot.skipped_count:
            logger.warning("%s: %d records belong to newer coordinators: skipped", slot.partition, slot.skipped_count)
        self._carry_out(slot, slot.shard.on_loaded(now_ms), now_ms)
        self._arm(slot)
        while slot.postponed:
            self.act(slot.partition.partition, slot.postponed.popleft())

    def _fail(self, slot: Slot[S], error: Exception) -> None:
        foreseen = isinstance(error, (KafkaError, WireError, OSError))
        text = "%s cannot be loaded, and has no coordinator: %s"
        logger.error(text, slot.partition, error, exc_info=None if foreseen else error)
        slot.state = slot.FAILED
        slot.load = None

    def on_resigned(self, partition: int) -> None:
        """Another broker leads the partition, or nobody: everything that waits is told NOT_COORDINATOR."""
        slot = self._slots.pop(partition, None)
        if slot is None:
            return
        for task in (slot.load, slot.waiter):
            if task is not None:
                task.cancel()
        for _, _, decision in slot.deferred:
            for key, _ in decision.replies:
                self._refuse(key, ErrorCode.NOT_COORDINATOR)
        for key, response in slot.shard.on_unloaded(self._now_ms()).replies:
            self._deliver(key, response)

    def stop(self) -> None:
        """Answer whoever waits and let go of every partition; nothing runs afterwards."""
        for partition in list(self._slots):
            self.on_resigned(partition)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
