"""One partition on this broker: its log, and the role that the controller gave the local replica.

Appending as leader moves the high watermark at once when the local replica is the only one in sync; otherwise it waits
for the followers' fetches. Rules: apache/kafka `kafka.cluster.Partition`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kwire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kwire.ids import TopicPartition
    from kwire.log.log import Log, LogAppendInfo, LogSlice
    from kwire.log.producer_state import Marker
    from kwire.log.record_checks import Prepared


FIRST_VERSION_WITH_EPOCH_BUMP = 2
"""The `transaction.version` from which on the end of a transaction has an epoch of its own (KIP-890)."""


class Partition:
    """The local replica of one partition.

    `watchers` are called, without arguments, whenever the high watermark or the start of the log has moved, or the
    role has changed: that is how a waiting fetch or produce request learns of it.
    """

    __slots__ = (
        "in_sync_replicas",
        "leader_epoch",
        "leader_id",
        "local_id",
        "log",
        "min_insync_replicas",
        "partition_epoch",
        "replicas",
        "topic_id",
        "topic_partition",
        "watchers",
    )

    def __init__(self, topic_partition: TopicPartition, topic_id: bytes, log: Log, local_id: int) -> None:
        self.topic_partition = topic_partition
        self.topic_id = topic_id
        self.log = log
        self.local_id = local_id
        self.leader_id = -1
        self.leader_epoch = -1
        self.partition_epoch = -1
        self.min_insync_replicas = 1
        self.replicas: list[int] = []
        self.in_sync_replicas: list[int] = []
        self.watchers: set[Callable[[], None]] = set()

    @property
    def is_leader(self) -> bool:
        """Whether the local replica leads."""
        return self.leader_id == self.local_id

    def become(
        self, leader_id: int, leader_epoch: int, replicas: list[int], in_sync: list[int], partition_epoch: int
    ) -> None:
        """Take the role that the controller decided. An older leader epoch is ignored (KIP-101)."""
        if leader_epoch < self.leader_epoch:
            return
        started_leading = leader_id == self.local_id and leader_epoch > self.leader_epoch
        self.leader_id = leader_id
        self.leader_epoch = leader_epoch
        self.replicas = replicas
        self.in_sync_replicas = in_sync
        self.partition_epoch = partition_epoch
        if started_leading:
            self.log.assign_epoch_start(leader_epoch, self.log.log_end_offset)
        self._advance_high_watermark()
        self.wake()

    def go_on_in(self, log: Log) -> None:
        """The log was opened anew; what was appended to it is there, and the role is what it was."""
        self.log = log
        if self.is_leader:
            log.assign_epoch_start(self.leader_epoch, log.log_end_offset)
        self._advance_high_watermark()
        self.wake()

    def check_leader(self, current_leader_epoch: int = -1) -> None:
        """Raise unless this replica leads and the client's view of the leader epoch is ours (KIP-320).

        NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH (the client is behind), UNKNOWN_LEADER_EPOCH (it is ahead).
        A negative epoch means that the client does not know one. KAFKA_STORAGE_ERROR before all of them when the
        log's directory is offline.
        """
        if self.log.is_failed:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{self.log.directory} is offline")
        if current_leader_epoch >= 0 and current_leader_epoch != self.leader_epoch:
            if current_leader_epoch < self.leader_epoch:
                raise KafkaError(ErrorCode.FENCED_LEADER_EPOCH)
            raise KafkaError(ErrorCode.UNKNOWN_LEADER_EPOCH)
        if self.leader_id != self.local_id:
            raise KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER)

    def append_plain(self, records: memoryview, required_acks: int, now_ms: int) -> LogAppendInfo | None:
        """`append` for the common batch (`Log.append_plain`); None for any other, and where `append` would refuse."""
        in_sync = len(self.in_sync_replicas)
        if self.leader_id != self.local_id or (required_acks == -1 and in_sync < self.min_insync_replicas):
            return None
        # A leader is always in sync: if one replica is, it is the local one.
        info = self.log.append_plain(records, self.leader_epoch, now_ms, alone=in_sync == 1)
        if self.watchers and info is not None and in_sync == 1:
            self.wake()
        return info

    def append(
        self,
        records: memoryview,
        *,
        required_acks: int,
        now_ms: int,
        produce_version: int,
        prepared: Prepared | None = None,
    ) -> LogAppendInfo:
        """Append a producer's batch as leader.

        With acks=-1 the in-sync replicas must be at least `min.insync.replicas`, capped at the number of replicas
        (NOT_ENOUGH_REPLICAS). Other errors are those of `Log.append_as_leader`.
        """
        if self.leader_id != self.local_id:
            raise KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        if required_acks == -1 and len(self.in_sync_replicas) < self.min_insync_replicas:
            self._check_in_sync_replicas()
        info = self.log.append_as_leader(
            records,
            leader_epoch=self.leader_epoch,
            now_ms=now_ms,
            produce_version=produce_version,
            prepared=prepared,
        )
        self._advance_high_watermark()
        return info

    def append_own(self, records: memoryview, *, now_ms: int, marker: Marker | None = None) -> LogAppendInfo:
        """Append a batch that this broker made (a coordinator's records), with the checks of acks=all.

        `marker` is what it says of a transaction, for those who know: nobody needs to parse it then.
        """
        self.check_leader()
        if len(self.in_sync_replicas) < self.min_insync_replicas:
            self._check_in_sync_replicas()
        info = self.log.append_as_leader(
            records, leader_epoch=self.leader_epoch, now_ms=now_ms, from_client=False, marker=marker
        )
        self._advance_high_watermark()
        return info

    def check_marker(self, producer_id: int, producer_epoch: int, transaction_version: int) -> None:
        """INVALID_PRODUCER_EPOCH for a marker that is here already, or late (KIP-1228).

        Under `transaction.version` 2 the epoch was raised for the marker, so it is above whatever the producer wrote.
        What else makes a marker invalid shows when it is appended.
        """
        if transaction_version >= FIRST_VERSION_WITH_EPOCH_BUMP:
            known = self.log.producers.entries.get(producer_id)
            if known is not None and producer_epoch <= known.epoch:
                raise KafkaError(
                    ErrorCode.INVALID_PRODUCER_EPOCH,
                    f"a marker of epoch {producer_epoch}, but producer {producer_id} is at {known.epoch}",
                )

    def read(self, offset: int, max_bytes: int, *, read_committed: bool, min_one_message: bool) -> LogSlice:
        """Records for a consumer: up to the high watermark, or the last stable offset if `read_committed`."""
        log = self.log
        up_to = log.last_stable_offset if read_committed else log.high_watermark
        return log.read(offset, max_bytes, up_to=up_to, min_one_message=min_one_message)

    def delete_records(self, offset: int) -> int:
        """Move the log's start to `offset`, -1 meaning the high watermark; the new start (KIP-107).

        OFFSET_OUT_OF_RANGE beyond the high watermark or below -1; POLICY_VIOLATION where only compaction removes.
        """
        self.check_leader()
        if "delete" not in self.log.config.cleanup_policy:
            raise KafkaError(ErrorCode.POLICY_VIOLATION, "records are deleted only where cleanup.policy has delete")
        target = self.log.high_watermark if offset == -1 else offset
        if target < 0 or target > self.log.high_watermark:
            raise KafkaError(ErrorCode.OFFSET_OUT_OF_RANGE)
        start = self.log.delete_records(target)
        self.wake()
        return start

    def _check_in_sync_replicas(self) -> None:
        effective_minimum = min(self.min_insync_replicas, len(self.replicas))
        if len(self.in_sync_replicas) < effective_minimum:
            raise KafkaError(
                ErrorCode.NOT_ENOUGH_REPLICAS,
                f"{len(self.in_sync_replicas)} of {effective_minimum} required replicas are in sync",
            )

    def _advance_high_watermark(self) -> None:
        if self.in_sync_replicas == [self.local_id] and self.is_leader:
            log = self.log
            if log.high_watermark != log.log_end_offset:
                log.update_high_watermark(log.log_end_offset)
                if self.watchers:
                    self.wake()

    def wake(self) -> None:
        """Tell every watcher that something moved."""
        for watcher in tuple(self.watchers):
            watcher()
