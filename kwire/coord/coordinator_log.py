"""What stands on both sides of the runtime, as Protocols: the log below it, a pure core above it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from kwire.coord.decision import Decision
from kwire.coord.formats import RecordFormat
from kwire.coord.records import CoordinatorRecord
from kwire.coord.timers import Timers
from kwire.errors import ErrorCode
from kwire.ids import TopicPartition

APPEND_ERRORS: Mapping[ErrorCode, ErrorCode] = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.REQUEST_TIMED_OUT: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER: ErrorCode.NOT_COORDINATOR,
    ErrorCode.KAFKA_STORAGE_ERROR: ErrorCode.NOT_COORDINATOR,
    ErrorCode.MESSAGE_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.RECORD_LIST_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.INVALID_FETCH_SIZE: ErrorCode.UNKNOWN_SERVER_ERROR,
}
"""What a coordinator's client is told when the log refuses (apache/kafka `CoordinatorOperationExceptionHelper`)."""


class CoordinatorLog(Protocol):
    """The partitions of the internal topic, as a coordinator uses them. Errors are KafkaErrors."""

    def append(self, partition: TopicPartition, records: bytearray, now_ms: int) -> int:
        """Append one batch as leader, with the durability of acks=all; its last offset."""
        ...

    def read(self, partition: TopicPartition, offset: int, max_bytes: int) -> bytes:
        """Whole batches from `offset` on, at least one if there is one; committed or not."""
        ...

    def start_offset(self, partition: TopicPartition) -> int:
        """The first offset that is kept."""
        ...

    def end_offset(self, partition: TopicPartition) -> int:
        """The offset that the next record gets."""
        ...

    def high_watermark(self, partition: TopicPartition) -> int:
        """The first offset that is not committed yet."""
        ...

    async def committed(self, partition: TopicPartition, offset: int) -> None:
        """Return once `offset` lies below the high watermark; NOT_LEADER_OR_FOLLOWER if it never will here."""
        ...


class CoordinatorShard(Protocol):
    """What the runtime asks of a core."""

    timers: Timers[Any]
    formats: Mapping[int, RecordFormat]

    def replay(self, record: CoordinatorRecord, producer_id: int, now_ms: int) -> None:
        """Make a record true; `producer_id` -1 outside of transactions."""
        ...

    def on_refused(self, decision: Decision, code: ErrorCode, now_ms: int) -> Decision:
        """The log did not take the records of this decision; what is to be done instead, without records of its own.

        Those whom the decision was to answer are told `code` unless the core answers them here.
        """
        ...

    def replay_marker(self, producer_id: int, committed: bool) -> None:
        """A producer's transaction is over."""
        ...

    def on_loaded(self, now_ms: int) -> Decision:
        """Everything is replayed; set the deadlines."""
        ...

    def on_unloaded(self, now_ms: int) -> Decision:
        """The partition goes elsewhere; its replies tell whoever waits."""
        ...

    def on_timer(self, key: Any, now_ms: int) -> Decision:
        """A deadline of `timers` has come."""
        ...
