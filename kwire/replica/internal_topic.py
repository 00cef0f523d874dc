"""The partitions of an internal topic as their coordinator uses them (`kwire.coord.coordinator_log.CoordinatorLog`)."""

from __future__ import annotations

from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.log.log import Log
from kwire.replica.manager import ReplicaManager
from kwire.replica.partition import Partition
from kwire.replica.waiters import Waiter
from kwire.wire.parts import FileRange

COMMIT_TIMEOUT_MS = 30_000


class InternalTopic:
    """Appends with the durability of acks=all and reads what is not committed yet; errors are KafkaErrors."""

    def __init__(self, replicas: ReplicaManager) -> None:
        self._replicas = replicas

    def append(self, partition: TopicPartition, records: bytearray, now_ms: int) -> int:
        """One batch of the coordinator's own; its last offset."""
        return self._led(partition).append_own(memoryview(records), now_ms=now_ms).last_offset

    def read(self, partition: TopicPartition, offset: int, max_bytes: int) -> bytes:
        """Whole batches from `offset` on, at least one if there is one."""
        log = self._log(partition)
        records = log.read(offset, max_bytes, up_to=log.log_end_offset, min_one_message=True).records
        try:
            return records.read() if isinstance(records, FileRange) else records
        except OSError as error:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, str(error)) from error

    def start_offset(self, partition: TopicPartition) -> int:
        """The first offset that is kept."""
        return self._log(partition).log_start_offset

    def end_offset(self, partition: TopicPartition) -> int:
        """The offset that the next record gets."""
        return self._log(partition).log_end_offset

    def high_watermark(self, partition: TopicPartition) -> int:
        """The first offset that is not committed yet."""
        return self._log(partition).high_watermark

    async def committed(self, partition: TopicPartition, offset: int) -> None:
        """Return once `offset` is committed; NOT_LEADER_OR_FOLLOWER or REQUEST_TIMED_OUT if that does not come."""
        led = self._led(partition)

        def check(expired: bool) -> ErrorCode | None:
            if not led.is_leader:
                return ErrorCode.NOT_LEADER_OR_FOLLOWER
            if led.log.high_watermark > offset:
                return ErrorCode.NONE
            return ErrorCode.REQUEST_TIMED_OUT if expired else None

        code = check(False)
        if code is None:
            code = await Waiter([led], check, COMMIT_TIMEOUT_MS).future
        if code:
            raise KafkaError(code)

    def _led(self, name: TopicPartition) -> Partition:
        partition = self._replicas.partition(name.topic, name.partition)
        partition.check_leader()
        return partition

    def _log(self, name: TopicPartition) -> Log:
        return self._replicas.partition(name.topic, name.partition).log
