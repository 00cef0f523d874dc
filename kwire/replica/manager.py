"""All partitions of which this broker holds a replica.

The controller tells it what to lead and what to drop (`apply`, `stop`); request handlers ask it for partitions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.log.config import LogConfig
from kwire.log.manager import LogManager
from kwire.named_tuple import NamedTuple
from kwire.replica.partition import Partition

if TYPE_CHECKING:
    from kwire.log.log import Log


class Assignment(Protocol):
    """What the controller decided about one partition (`kwire.cluster` holds the class)."""

    @property
    def topic(self) -> str: ...
    @property
    def topic_id(self) -> bytes: ...
    @property
    def partition(self) -> int: ...
    @property
    def leader(self) -> int: ...
    @property
    def leader_epoch(self) -> int: ...
    @property
    def replicas(self) -> list[int]: ...
    @property
    def isr(self) -> list[int]: ...
    @property
    def partition_epoch(self) -> int: ...
    @property
    def is_new(self) -> bool: ...
    @property
    def overrides(self) -> Mapping[str, str]: ...


logger = logging.getLogger("kwire.replica")


class TopicSettings(NamedTuple):
    """What of a topic's options its partitions need."""

    log: LogConfig
    min_insync_replicas: int


class ReplicaManager:
    """Partitions by name; leadership as the controller decided it.

    `settings_for` makes a topic's settings from its overrides. `on_leadership` callbacks are told of every partition
    whose leadership this broker gained or lost: `(topic_partition, leader_epoch, is_leader)`; `on_deleted` callbacks of
    partitions that are gone for good.
    """

    def __init__(
        self,
        broker_id: int,
        logs: LogManager,
        settings_for: Callable[[Mapping[str, str]], TopicSettings],
        now_ms: Callable[[], int],
    ) -> None:
        self._broker_id = broker_id
        self._logs = logs
        self._settings_for = settings_for
        self._now_ms = now_ms
        self._partitions: dict[TopicPartition, Partition] = {}
        self._of_topic: dict[str, list[Partition]] = {}
        self._offline: dict[TopicPartition, Assignment] = {}
        self.on_leadership: list[Callable[[TopicPartition, int, bool], None]] = []
        self.on_deleted: list[Callable[[list[TopicPartition]], None]] = []

    def __iter__(self) -> Iterator[Partition]:
        return iter(self._partitions.values())

    def get(self, topic: str, partition: int) -> Partition | None:
        """The local replica, or None."""
        return self._partitions.get((topic, partition))  # type: ignore[call-overload, no-any-return]  # equal keys

    def partition(self, topic: str, partition: int) -> Partition:
        """The local replica; UNKNOWN_TOPIC_OR_PARTITION without one, KAFKA_STORAGE_ERROR if its disk fails."""
        found = self._partitions.get((topic, partition))  # type: ignore[call-overload]  # equal keys
        if found is None:
            offline = (topic, partition) in self._offline
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR if offline else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        return found  # type: ignore[no-any-return]  # of the dict above

    async def apply(self, assignments: Iterable[Assignment]) -> None:
        """Take the roles that the controller decided; a partition that is new here gets its log.

        A partition whose log cannot be opened stays without a replica here; its requests meet KAFKA_STORAGE_ERROR.
        """
        now_ms = self._now_ms()
        settings: dict[str, TopicSettings] = {}
        for assignment in assignments:
            if self._broker_id not in assignment.replicas:
                continue
            name = TopicPartition(assignment.topic, assignment.partition)
            partition = self._partitions.get(name)
            if partition is None:
                topic = settings.get(assignment.topic)
                if topic is None:
                    topic = settings[assignment.topic] = self._settings_for(assignment.overrides)
                try:
                    log = self._logs.get_or_create(
                        name, assignment.topic_id, topic.log, now_ms, is_new=assignment.is_new
                    )
                    _ = log.log_end_offset  # Leading begins there; asking opens a log that was not closed cleanly.
                except KafkaError as error:
                    logger.error("%s is offline: %s", name, error.message)
                    self._offline[name] = assignment
                    continue
                partition = self._partitions[name] = Partition(name, assignment.topic_id, log, self._broker_id)
                partition.min_insync_replicas = topic.min_insync_replicas
                self._of_topic.setdefault(name.topic, []).append(partition)
            was_leader, old_epoch = partition.is_leader, partition.leader_epoch
            partition.become(
                assignment.leader,
                assignment.leader_epoch,
                list(assignment.replicas),
                list(assignment.isr),
                assignment.partition_epoch,
            )
            if partition.is_leader != was_leader or (partition.is_leader and partition.leader_epoch != old_epoch):
                self._tell(partition)

    async def reopen(self) -> None:
        """A directory is online again: go on in the logs that were read from it.

        Whoever follows the leadership of these partitions is told that it was lost and gained: what they hold in memory
        may be ahead of the log, or behind it.
        """
        now_ms = self._now_ms()
        for partition in list(self._partitions.values()):
            if not partition.log.is_failed:
                continue
            name, config = partition.topic_partition, partition.log.config
            try:
                log = self._logs.get_or_create(name, partition.topic_id, config, now_ms)
            except KafkaError as error:
                logger.error("%s stays offline: %s", name, error.message)
                continue
            partition.go_on_in(log)
            if partition.is_leader:
                for callback in self.on_leadership:
                    callback(name, partition.leader_epoch, False)
                self._tell(partition)
        unopened, self._offline = self._offline, {}
        await self.apply(unopened.values())

    async def stop(self, names: Iterable[TopicPartition], *, delete: bool) -> None:
        """Give these partitions up; with `delete`, their logs too."""
        names = list(names)
        for name in names:
            self._offline.pop(name, None)
            partition = self._partitions.pop(name, None)
            if partition is None:
                continue
            siblings = self._of_topic[name.topic]
            siblings.remove(partition)
            if not siblings:
                del self._of_topic[name.topic]
            was_leader = partition.is_leader
            partition.leader_id = -1
            partition.wake()
            if was_leader:
                self._tell(partition)
        if delete:
            # Also of those that are offline here: a log that could not be read has its directory all the same.
            self._logs.delete(names, self._now_ms())
            for callback in self.on_deleted:
                callback(names)

    def reconfigure(self, topic: str, overrides: Mapping[str, str]) -> None:
        """Apply a topic's changed options to its logs at once."""
        settings = self._settings_for(overrides)
        for partition in self._of_topic.get(topic, ()):
            partition.log.config = settings.log
            partition.min_insync_replicas = settings.min_insync_replicas

    def log_of(self, name: TopicPartition) -> Log:
        """The log of a led partition; KafkaError as `partition` and `Partition.check_leader`."""
        partition = self.partition(name.topic, name.partition)
        partition.check_leader()
        return partition.log

    def _tell(self, partition: Partition) -> None:
        for callback in self.on_leadership:
            callback(partition.topic_partition, partition.leader_epoch, partition.is_leader)
