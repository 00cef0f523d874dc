"""Sends records in batches: one open batch per partition, several requests on their way to each leader.

Records with a key go where Java's client would put them; records without one fill a batch of one partition after the
other (KIP-480), so that batches are large and partitions even.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from kwire.cli.client import Client, ClientError, check
from kwire.cli.connection import Connection, Pending
from kwire.cli.partitioner import partition_for_key
from kwire.cli.record_input import InputRecord
from kwire.errors import INVALIDATES_METADATA, ErrorCode
from kwire.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kwire.wire.records import build_batch

BATCH_BYTES: Final = 512 * 1024
"""A batch is closed at this size, well below the broker's usual `message.max.bytes` of 1 MiB."""
MAX_IN_FLIGHT: Final = 5

_NEWEST_BY_NAME: Final = 12
_RECORD_OVERHEAD: Final = 24

WireRecord = tuple[int, bytes | None, bytes | None, Iterable[tuple[str | bytes, bytes | None]]]


class _Sent:
    """A batch on its way, kept until it is acknowledged."""

    __slots__ = ("batch", "connection", "partition", "pending", "record_count")

    def __init__(self, partition: int, batch: bytearray, record_count: int) -> None:
        self.partition = partition
        self.batch = batch
        self.record_count = record_count
        self.connection: Connection | None = None
        self.pending: Pending | None = None


class Producer:
    """Sends records to one topic, which is created if the broker creates topics on demand.

    `acks` is -1 (all in-sync replicas), 1 (the leader) or 0 (nobody answers, and nothing is known of failures);
    `compression` a codec's number. Counters: `records`, `bytes` (keys and values), `batches` acknowledged.
    """

    def __init__(self, client: Client, topic: str, *, acks: int = -1, compression: int = 0) -> None:
        self._client = client
        self._topic = topic
        self._acks = acks
        self._compression = compression
        self._leaders = self._look_up(create=True)
        self._open: dict[int, list[WireRecord]] = {}
        self._open_bytes: dict[int, int] = {}
        self._sticky = 0
        self._in_flight: dict[int, deque[_Sent]] = {}
        self.records = 0
        self.bytes = 0
        self.batches = 0
        self.last_offsets: dict[int, int] = {}

    def send(self, record: InputRecord) -> None:
        """Add a record; whole batches leave at once. Raises ClientError for a partition that does not exist."""
        partition = self._partition(record)
        timestamp = record.timestamp if record.timestamp is not None else time.time_ns() // 1_000_000
        size = len(record.key or b"") + len(record.value or b"")
        wire_size = size + _RECORD_OVERHEAD + sum(len(name) + len(value or b"") + 4 for name, value in record.headers)
        if self._open_bytes.get(partition, 0) + wire_size > BATCH_BYTES:
            self._close_batch(partition)
            if record.key is None and record.partition is None:
                partition = self._sticky
        self._open.setdefault(partition, []).append((timestamp, record.key, record.value, record.headers))
        self._open_bytes[partition] = self._open_bytes.get(partition, 0) + wire_size
        self.bytes += size

    def flush(self) -> None:
        """Send what is open; answers are taken later."""
        for partition in [partition for partition, records in self._open.items() if records]:
            self._close_batch(partition)

    def finish(self) -> None:
        """Send what is open and wait for every answer. Raises ClientError when a batch was not taken."""
        self.flush()
        for queue in self._in_flight.values():
            while queue:
                self._acknowledge(queue)

    def _partition(self, record: InputRecord) -> int:
        count = len(self._leaders)
        if record.partition is not None:
            if not 0 <= record.partition < count:
                raise ClientError(f"topic {self._topic} has no partition {record.partition}, only 0 to {count - 1}")
            return record.partition
        return self._sticky if record.key is None else partition_for_key(record.key, count)

    def _close_batch(self, partition: int) -> None:
        records = self._open.pop(partition, [])
        self._open_bytes.pop(partition, None)
        if partition == self._sticky:
            self._sticky = (self._sticky + 1) % len(self._leaders)
        if records:
            batch = build_batch(records, compression=self._compression)
            self._dispatch(_Sent(partition, batch, len(records)))

    def _dispatch(self, sent: _Sent) -> None:
        leader = self._leaders[sent.partition]
        connection = self._client.broker(leader)
        queue = self._in_flight.setdefault(leader, deque())
        while len(queue) >= MAX_IN_FLIGHT:
            self._acknowledge(queue)
        data = PartitionProduceData(index=sent.partition, records=memoryview(sent.batch))
        request = ProduceRequest(
            acks=self._acks,
            timeout_ms=int(self._client.timeout_s * 1000),
            topic_data=[TopicProduceData(name=self._topic, partition_data=[data])],
        )
        version = connection.version(ProduceRequest, _NEWEST_BY_NAME)
        sent.connection = connection
        sent.pending = connection.send(request, version=version, answered=self._acks != 0)
        if self._acks == 0:
            self._count(sent, -1)
        else:
            queue.append(sent)

    def _acknowledge(self, queue: deque[_Sent]) -> None:
        """Take the answer to the oldest batch of a leader; what a former leader refused goes to the new one."""
        sent = queue.popleft()
        assert sent.connection is not None
        assert sent.pending is not None
        answer = sent.connection.take(sent.pending)
        (result,) = answer.responses[0].partition_responses
        if result.error_code and ErrorCode(result.error_code) in INVALIDATES_METADATA:
            time.sleep(0.1)
            self._leaders = self._look_up(create=False)
            self._dispatch(sent)
            return
        message = result.error_message
        if result.record_errors:
            first = result.record_errors[0]
            message = f"{message or 'invalid records'}; record {first.batch_index}: {first.batch_index_error_message}"
        what = f"partition {sent.partition} of {self._topic} did not take a batch of {sent.record_count} records"
        check(result.error_code, message, what)
        self._count(sent, result.base_offset)

    def _count(self, sent: _Sent, base_offset: int) -> None:
        self.records += sent.record_count
        self.batches += 1
        if base_offset >= 0:
            self.last_offsets[sent.partition] = base_offset + sent.record_count - 1

    def _look_up(self, *, create: bool) -> list[int]:
        topic = self._client.topic(self._topic, create=create)
        return [partition.leader for partition in topic.partitions]


def codec_number(name: str) -> int:
    """The number of a codec by its name in Kafka."""
    from kwire.wire import compression

    number: Any = getattr(compression, name.upper())
    return int(number)
