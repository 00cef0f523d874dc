"""Markers that end transactions, into the partitions that this broker leads (KIP-98).

Committed offsets are a coordinator's business: it appends the markers of its own partitions, so that it learns at once
which offsets count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.log.producer_state import Marker
from kwire.replica.manager import ReplicaManager
from kwire.wire.control import EndTransactionMarker, build_end_transaction_marker

GROUP_METADATA_TOPIC = "__consumer_offsets"


class EndOfTransaction(Protocol):
    """What a marker says, and where to."""

    @property
    def producer_id(self) -> int: ...
    @property
    def producer_epoch(self) -> int: ...
    @property
    def committed(self) -> bool: ...
    @property
    def version(self) -> int: ...
    @property
    def partitions(self) -> Iterable[TopicPartition]: ...


class LocalMarkerWriter:
    """Writes markers at once.

    `end_offsets_transaction(partition, batch, producer_id, committed)` appends the marker of a partition of
    `__consumer_offsets`; it raises KafkaError. `exists(topic, partition)` is what the metadata says of a partition that
    has no replica here.
    """

    def __init__(
        self,
        replicas: ReplicaManager,
        now_ms: Callable[[], int],
        *,
        exists: Callable[[str, int], bool],
        end_offsets_transaction: Callable[[int, bytearray, int, bool], None],
    ) -> None:
        self._replicas = replicas
        self._now_ms = now_ms
        self._exists = exists
        self._end_offsets_transaction = end_offsets_transaction

    def write(self, order: EndOfTransaction, coordinator_epoch: int) -> list[ErrorCode]:
        """What came of each partition, in their order.

        NONE; UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER (it is somewhere else), INVALID_PRODUCER_EPOCH,
        TRANSACTION_COORDINATOR_FENCED, NOT_ENOUGH_REPLICAS, KAFKA_STORAGE_ERROR, COORDINATOR_LOAD_IN_PROGRESS.
        """
        now_ms = self._now_ms()
        marker = EndTransactionMarker(order.committed, coordinator_epoch)
        # One batch serves every partition: appending patches the offset and the leader epoch in.
        batch = build_end_transaction_marker(
            marker, producer_id=order.producer_id, producer_epoch=order.producer_epoch, timestamp=now_ms
        )
        outcomes = []
        for partition in order.partitions:
            try:
                self._write_one(partition, order, batch, Marker(*marker), now_ms)
                outcomes.append(ErrorCode.NONE)
            except KafkaError as error:
                outcomes.append(error.code)
        return outcomes

    def _write_one(
        self, name: TopicPartition, order: EndOfTransaction, batch: bytearray, marker: Marker, now_ms: int
    ) -> None:
        partition = self._replicas.get(name.topic, name.partition)
        if partition is None:
            if self._exists(name.topic, name.partition):
                raise KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
            partition = self._replicas.partition(name.topic, name.partition)
        partition.check_leader()
        partition.check_marker(order.producer_id, order.producer_epoch, order.version)
        if name.topic == GROUP_METADATA_TOPIC:
            self._end_offsets_transaction(name.partition, batch, order.producer_id, order.committed)
        else:
            partition.append_own(memoryview(batch), now_ms=now_ms, marker=marker)
