"""All share partitions that this broker serves, the sessions of their members, and the one alarm for all locks.

Everything happens in one turn of the event loop unless the persister takes longer: outcomes go to callbacks.
(apache/kafka `SharePartitionManager`.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from kwire.errors import ErrorCode, KafkaError
from kwire.share.acknowledging import AcknowledgementBatch, acknowledge
from kwire.share.config import ShareConfig
from kwire.share.partition import NEVER_MS
from kwire.share.ports import FindLog, PartitionLog, Persister, SharePartitionKey
from kwire.share.served import FENCING, ServedPartition
from kwire.share.sessions import ShareSession, ShareSessions, TopicIdPartition

Outcomes: TypeAlias = dict[TopicIdPartition, KafkaError | None]
"""What became of the acknowledgements of each partition; None where they hold."""


class Alarm(Protocol):
    """A wake-up that may be called off."""

    def cancel(self) -> None: ...


class SharePartitionManager:
    """Share partitions by group, topic id and number.

    `call_later(seconds, callback)` wakes once: the event loop's own.
    """

    def __init__(
        self,
        config: ShareConfig,
        find_log: FindLog,
        persister: Persister,
        now_ms: Callable[[], int],
        call_later: Callable[[float, Callable[[], None]], Alarm],
    ) -> None:
        self.config = config
        self.sessions = ShareSessions(config.max_sessions)
        self._find_log = find_log
        self._persister = persister
        self.now_ms = now_ms
        self._call_later = call_later
        self._served: dict[SharePartitionKey, ServedPartition] = {}
        self._next_to_load: list[ServedPartition] | None = None
        self._alarm: Alarm | None = None
        self._armed_ms = NEVER_MS

    def partition(self, group_id: str, where: TopicIdPartition) -> ServedPartition:
        """The partition as this group has it, loading at first.

        Raises what `FindLog` names, and why it could not be loaded.
        """
        key = SharePartitionKey(group_id, where.topic_id, where.partition)
        served = self._served.get(key)
        if served is not None and served.leader_epoch != served.log.leader_epoch:
            self._drop(served)
            served = None
        if served is None:
            log = self._find_log(where.topic_id, where.partition)
            served = self._served[key] = ServedPartition(key, log, self.config, self._persister, self.now_ms)
            self._load(served)
        if served.failure is not None:
            self._drop(served)
            raise served.failure
        return served

    def _load(self, served: ServedPartition) -> None:
        """The first one at once, all others of this turn of the event loop in the next one.

        So a member's first fetch brings what its first partition has and does not wait for the others. Apache Kafka
        loads each by itself and answers likewise, and clients' tests count on it.
        """
        if self._next_to_load is not None:
            self._next_to_load.append(served)
            return
        self._next_to_load = []
        self._call_later(0, self._load_next)
        served.load(self.config)

    def _load_next(self) -> None:
        waiting, self._next_to_load = self._next_to_load or (), None
        for served in waiting:
            if served.phase is served.LOADING:
                served.load(self.config)

    # Members

    def acknowledge(
        self,
        group_id: str,
        member_id: str,
        said: Mapping[TopicIdPartition, Sequence[AcknowledgementBatch]],
        done: Callable[[Outcomes], None],
    ) -> None:
        """Carry out acknowledgements; per partition UNKNOWN_TOPIC_OR_PARTITION (it is not being read), what
        `acknowledge` names, and what the persister said.
        """
        outcomes: Outcomes = {}

        def finish(where: TopicIdPartition, error: KafkaError | None) -> None:
            outcomes[where] = error
            if len(outcomes) == len(said):
                done(outcomes)

        for where, batches in said.items():
            served = self._served.get(SharePartitionKey(group_id, *where))
            if served is None or served.phase is not served.ACTIVE:
                finish(where, KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
                continue
            try:
                update = acknowledge(served.core, member_id, batches, self.now_ms())
            except KafkaError as error:
                finish(where, error)
                continue
            self._arm(served)
            served.store(update, self._finisher(served, where, finish))
        if not said:
            done(outcomes)

    def _finisher(
        self,
        served: ServedPartition,
        where: TopicIdPartition,
        finish: Callable[[TopicIdPartition, KafkaError | None], None],
    ) -> Callable[[KafkaError | None], None]:
        def done(error: KafkaError | None) -> None:
            self._on_stored(served, error)
            finish(where, error)

        return done

    def release_session(self, group_id: str, member_id: str) -> None:
        """The member's session ends, if there is one: what it has locked is free for others."""
        session = self.sessions.close(group_id, member_id)
        for where in () if session is None else session.partitions:
            served = self._served.get(SharePartitionKey(group_id, *where))
            if served is not None and served.phase is served.ACTIVE:
                self._release(served, member_id)

    def _release(self, served: ServedPartition, member_id: str) -> None:
        served.store(served.core.release(member_id), lambda error: self._on_stored(served, error))

    def _on_stored(self, served: ServedPartition, error: KafkaError | None) -> None:
        """The persister has answered. What it refused is locked again, until it was to be anyway."""
        if error is not None and self._served.get(served.key) is served:
            self._arm(served)
        self.fence_after(served, error)

    def on_disconnect(self, session: ShareSession) -> None:
        """A member's connection is gone, and its session; with a group's last one goes what is known of it here."""
        group_id, member_id = session.group_id, session.member_id
        if self.sessions.get(group_id, member_id) is session:
            self.release_session(group_id, member_id)
        if not self.sessions.has_members(group_id):
            self.drop_group(group_id)

    # What is not to be served any more

    def drop_group(self, group_id: str) -> None:
        """Forget the group's partitions: whoever asks again gets what the persister has."""
        self._drop_all(served for served in self._served.values() if served.key.group_id == group_id)

    def drop_logs(self, is_gone: Callable[[PartitionLog], bool]) -> None:
        """This broker does not lead these partitions any more, or not in the same epoch."""
        self._drop_all(served for served in self._served.values() if is_gone(served.log))

    def fence_after(self, served: ServedPartition, error: KafkaError | None) -> None:
        """Forget a partition whose leader or state is another one by now."""
        if error is not None and error.code in FENCING:
            self._drop(served)

    def _drop_all(self, doomed: Iterable[ServedPartition]) -> None:
        for served in list(doomed):
            self._drop(served)

    def _drop(self, served: ServedPartition) -> None:
        if self._served.get(served.key) is served:
            del self._served[served.key]
        served.fence()

    def stop(self) -> None:
        """Nothing runs afterwards. Locks are not kept: whoever loads the state next gives the records out again."""
        for served in self._served.values():
            served.phase = served.GONE  # What the persister says from now on is said to nobody.
        self._served.clear()
        self._next_to_load = None
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    # Locks

    def note_locks(self, served: ServedPartition) -> None:
        """Locks were given out or prolonged."""
        self._arm(served)

    def _arm(self, served: ServedPartition) -> None:
        deadline_ms = served.core.next_deadline_ms
        if deadline_ms >= self._armed_ms:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._armed_ms = deadline_ms
        delay_ms = max(deadline_ms - self.now_ms(), 1)
        self._alarm = self._call_later(delay_ms / 1000, self.run_due_locks)

    def run_due_locks(self, *_: Any) -> None:
        """Free what was locked for too long, and set the alarm for what is next. The alarm calls it."""
        now_ms = self.now_ms()
        self._alarm = None
        self._armed_ms = NEVER_MS
        for served in list(self._served.values()):
            if served.core.next_deadline_ms <= now_ms:
                served.expire()
            self._arm(served)
