"""The pure core of one partition of `__share_group_state`: the states of its share partitions.

A state begins with a snapshot; changes are updates, and after enough of them comes the next snapshot. Nobody writes
with an older leader epoch than somebody has read with, nor with an older state epoch than that of the last
initialisation: a share-partition leader that was replaced is kept out, and so is one that has missed a reset. A fresh
core that is fed the log knows what the live one knows. The random walks of `kwire.share.partition` hold both.
(KIP-932; apache/kafka `ShareCoordinatorShard`.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from kwire.coord.decision import Decision, ReplyKey
from kwire.coord.formats import RecordFormat
from kwire.coord.records import CoordinatorRecord
from kwire.coord.share.config import ShareCoordinatorConfig
from kwire.coord.share.state import (
    NO_COUNT,
    NO_EPOCH,
    NO_START_OFFSET,
    NO_STATE,
    ShareKey,
    ShareState,
    StateBatch,
    batch_messages,
    batches_from,
    combined,
    state_from,
)
from kwire.coord.timers import Timers
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.share_records import ShareSnapshotKey, ShareSnapshotValue, ShareUpdateKey, ShareUpdateValue

SHARE_FORMATS: dict[int, RecordFormat] = {
    0: RecordFormat(ShareSnapshotKey, ShareSnapshotValue, 0),
    1: RecordFormat(ShareUpdateKey, ShareUpdateValue, 0),
}
"""Record types of `__share_group_state`."""

COLD_SNAPSHOTS = "cold snapshots"
PRUNE = "prune"
"""The timers; the order to prune has the same name."""

NO_UPDATES = -1
"""The very first update counts as none, as it does in Apache Kafka."""


class Change(NamedTuple):
    """What a share-partition leader writes; `batches` are about the offsets that have changed."""

    state_epoch: int
    leader_epoch: int
    start_offset: int
    complete_count: int
    batches: tuple[StateBatch, ...]


class Outcome(NamedTuple):
    """What became of one share partition: its state, after a change the one before it; or why not."""

    state: ShareState = NO_STATE
    error: KafkaError | None = None


class _Entry:
    """One share partition: its state, the largest epochs that were seen, the updates since its last snapshot.

    `is_old`: there was no snapshot since the shard's last mark.
    """

    __slots__ = ("is_old", "leader_epoch", "state", "state_epoch", "update_count")

    def __init__(self, state: ShareState) -> None:
        self.state = state
        self.leader_epoch = NO_EPOCH
        self.state_epoch = NO_EPOCH
        self.update_count = NO_UPDATES
        self.is_old = False

    def see_leader(self, epoch: int) -> None:
        self.leader_epoch = max(self.leader_epoch, epoch)


class ShareShard:
    """All share partitions whose key hashes to one partition.

    `exists(topic_id, partition)`: whether there is such a partition in the cluster.
    """

    __slots__ = ("_config", "_exists", "_mark", "_unneeded_before", "entries", "timers")

    formats: Mapping[int, RecordFormat] = SHARE_FORMATS

    def __init__(self, config: ShareCoordinatorConfig, exists: Callable[[bytes, int], bool]) -> None:
        self._config = config
        self._exists = exists
        self._mark = self._unneeded_before = 0
        self.entries: dict[ShareKey, _Entry] = {}
        self.timers: Timers[str] = Timers()

    # Requests

    def initialize(
        self, key: ShareKey, state_epoch: int, start_offset: int, reply_key: ReplyKey, now_ms: int
    ) -> Decision:
        """The partition begins, or begins anew, at `start_offset` (-1: where its leader says).

        Raises INVALID_REQUEST, FENCED_STATE_EPOCH, UNKNOWN_TOPIC_OR_PARTITION.
        """
        _check_partition(key)
        entry = self.entries.get(key)
        if entry is not None and NO_EPOCH != state_epoch < entry.state_epoch:
            raise KafkaError(ErrorCode.FENCED_STATE_EPOCH)
        self._check_exists(key)
        snapshot_epoch = 0 if entry is None else entry.state.snapshot_epoch + 1
        state = ShareState(snapshot_epoch, state_epoch, NO_EPOCH, start_offset, NO_COUNT, (), now_ms, now_ms)
        out = Decision()
        out.record(_snapshot_key(key), state.snapshot())
        out.reply(reply_key, Outcome(state))
        return out

    def read(self, key: ShareKey, leader_epoch: int, reply_key: ReplyKey, now_ms: int) -> Decision:
        """The state, for a leader of this epoch, which is the only one to write from now on.

        Raises INVALID_REQUEST (also for a partition that was not initialised), FENCED_LEADER_EPOCH,
        UNKNOWN_TOPIC_OR_PARTITION.
        """
        _check_partition(key)
        entry = self._entry(key, "Read operation on uninitialized share partition not allowed.")
        if entry.leader_epoch > leader_epoch:
            raise KafkaError(ErrorCode.FENCED_LEADER_EPOCH)
        self._check_exists(key)
        state = entry.state
        out = Decision()
        if leader_epoch not in (NO_EPOCH, entry.leader_epoch):
            change = Change(state.state_epoch, leader_epoch, state.start_offset, state.complete_count, ())
            out.records.append(self._changed(key, entry, change, leader_epoch, now_ms))
        out.reply(reply_key, Outcome(state))
        return out

    def write(self, key: ShareKey, change: Change, reply_key: ReplyKey, now_ms: int) -> Decision:
        """Remember a change.

        Raises INVALID_REQUEST (also for a partition that was not initialised), FENCED_LEADER_EPOCH,
        FENCED_STATE_EPOCH, UNKNOWN_TOPIC_OR_PARTITION.
        """
        _check_partition(key)
        entry = self._entry(key, "Write operation on uninitialized share partition not allowed.")
        if NO_EPOCH != change.leader_epoch < entry.leader_epoch:
            raise KafkaError(ErrorCode.FENCED_LEADER_EPOCH)
        if NO_EPOCH != change.state_epoch < entry.state_epoch:
            raise KafkaError(ErrorCode.FENCED_STATE_EPOCH)
        self._check_exists(key)
        out = Decision()
        out.records.append(self._changed(key, entry, change, entry.state.leader_epoch, now_ms))
        out.reply(reply_key, Outcome(entry.state))
        return out

    def delete(self, key: ShareKey, reply_key: ReplyKey) -> Decision:
        """Forget the partition, if it is known. Raises INVALID_REQUEST, UNKNOWN_TOPIC_OR_PARTITION."""
        _check_partition(key)
        self._check_exists(key)
        out = Decision()
        entry = self.entries.get(key)
        if entry is not None:
            out.record(_snapshot_key(key), None)
        out.reply(reply_key, Outcome(NO_STATE if entry is None else entry.state))
        return out

    def summary(self, key: ShareKey) -> ShareState:
        """Where the partition stands; `NO_STATE` if it is not known. Raises as `delete`."""
        _check_partition(key)
        self._check_exists(key)
        entry = self.entries.get(key)
        return NO_STATE if entry is None else entry.state

    def forget_gone(self) -> Decision:
        """Forget the states of partitions that exist no more."""
        out = Decision(atomic=False)
        for key in self.entries:
            if not self._exists(key.topic_id, key.partition):
                out.record(_snapshot_key(key), None)
        return out

    def unneeded_before(self, end_offset: int) -> int:
        """Below which offset the log holds nothing that counts; `end_offset` is where it ends now.

        Offsets are not looked at one by one: once every state known at one call has had its next snapshot, the log
        before that call is spent, and the end of the log is marked anew.
        """
        if not any(entry.is_old for entry in self.entries.values()):
            for entry in self.entries.values():
                entry.is_old = True
            self._unneeded_before, self._mark = self._mark, end_offset
        return self._unneeded_before

    def _entry(self, key: ShareKey, text: str) -> _Entry:
        entry = self.entries.get(key)
        if entry is None:
            raise KafkaError(ErrorCode.INVALID_REQUEST, text)
        return entry

    def _check_exists(self, key: ShareKey) -> None:
        if not self._exists(key.topic_id, key.partition):
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)

    def _changed(
        self, key: ShareKey, entry: _Entry, change: Change, leader_epoch: int, now_ms: int
    ) -> CoordinatorRecord:
        """An update, or a snapshot when enough updates have come since the last one."""
        state = entry.state
        if max(entry.update_count, 0) < self._config.updates_per_snapshot:
            update = ShareUpdateValue(
                snapshot_epoch=state.snapshot_epoch,
                leader_epoch=leader_epoch,
                start_offset=change.start_offset,
                delivery_complete_count=change.complete_count,
                state_batches=batch_messages(combined(change.batches, change.start_offset)),
            )
            update_key = ShareUpdateKey(group_id=key.group_id, topic_id=key.topic_id, partition=key.partition)
            return CoordinatorRecord(update_key, update)
        start = state.start_offset if change.start_offset == NO_START_OFFSET else change.start_offset
        snapshot = ShareState(
            state.snapshot_epoch + 1,
            state.state_epoch,
            leader_epoch,
            start,
            change.complete_count,
            combined((*state.batches, *change.batches), start),
            now_ms,
            now_ms,
        )
        return CoordinatorRecord(_snapshot_key(key), snapshot.snapshot())

    # The runtime's side

    def replay(self, record: CoordinatorRecord, producer_id: int, now_ms: int) -> None:
        """Make one record of the log true."""
        key, value = record
        share_key = ShareKey(key.group_id, key.topic_id, key.partition)
        entry = self.entries.get(share_key)
        if isinstance(key, ShareSnapshotKey):
            if value is None:
                self.entries.pop(share_key, None)
                return
            state = state_from(value)
            if entry is None:
                entry = self.entries[share_key] = _Entry(state)
            entry.state = state
            entry.is_old = False
            entry.state_epoch = max(entry.state_epoch, value.state_epoch)
            if entry.update_count >= self._config.updates_per_snapshot:
                entry.update_count = 0
        elif value is None:
            return
        elif entry is None:
            # The snapshot before it is gone: the log was pruned between the two.
            entry = self.entries[share_key] = _Entry(
                ShareState(
                    value.snapshot_epoch,
                    NO_EPOCH,
                    value.leader_epoch,
                    value.start_offset,
                    value.delivery_complete_count,
                    batches_from(value.state_batches),
                )
            )
            entry.update_count = 0
        else:
            entry.state = entry.state.updated(value)
            entry.update_count += 1
        entry.see_leader(value.leader_epoch)

    def on_refused(self, decision: Decision, code: ErrorCode, now_ms: int) -> Decision:
        """Nothing was promised to anybody."""
        return Decision()

    def replay_marker(self, producer_id: int, committed: bool) -> None:
        """No transaction writes here."""

    def on_loaded(self, now_ms: int) -> Decision:
        """The log is read to its end."""
        self.timers.schedule(COLD_SNAPSHOTS, now_ms + self._config.cold_snapshot_interval_ms)
        self.timers.schedule(PRUNE, now_ms + self._config.prune_interval_ms)
        return Decision()

    def on_unloaded(self, now_ms: int) -> Decision:
        """Another broker leads the partition; nobody waits for anything but the log."""
        self.timers.cancel(COLD_SNAPSHOTS)
        self.timers.cancel(PRUNE)
        return Decision()

    def on_timer(self, key: Any, now_ms: int) -> Decision:
        """States that nobody has changed for long get a snapshot, so that the log before it may go; or it goes."""
        if key == PRUNE:
            self.timers.schedule(PRUNE, now_ms + self._config.prune_interval_ms)
            out = Decision()
            out.orders.append(PRUNE)
            return out
        self.timers.schedule(COLD_SNAPSHOTS, now_ms + self._config.cold_snapshot_interval_ms)
        out = Decision(atomic=False)
        if all(entry.state.created_ms != entry.state.written_ms for entry in self.entries.values()):
            return out
        for share_key, entry in self.entries.items():
            state = entry.state
            if now_ms - state.written_ms >= self._config.cold_snapshot_interval_ms:
                cold = state._replace(snapshot_epoch=state.snapshot_epoch + 1, written_ms=now_ms)
                out.record(_snapshot_key(share_key), cold.snapshot())
        return out


def _snapshot_key(key: ShareKey) -> ShareSnapshotKey:
    return ShareSnapshotKey(group_id=key.group_id, topic_id=key.topic_id, partition=key.partition)


def _check_partition(key: ShareKey) -> None:
    if key.partition < 0:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "The partition id cannot be a negative number.")


def keys_of(group_id: str, topics: Iterable[Any]) -> list[ShareKey]:
    """The share partitions that a request names, in its order."""
    return [
        ShareKey(group_id, topic.topic_id, partition.partition) for topic in topics for partition in topic.partitions
    ]
