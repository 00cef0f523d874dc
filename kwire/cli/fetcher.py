"""Reads records: one long poll at a time to each leader, all leaders at once."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from kwire.cli.client import Client, ClientError, check
from kwire.cli.offsets import by_leader
from kwire.errors import INVALIDATES_METADATA, ErrorCode
from kwire.ids import TopicPartition
from kwire.wire.legacy import read_message_set
from kwire.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from kwire.wire.parts import Buffer
from kwire.wire.primitives import WireError
from kwire.wire.record_batch import batches, verify
from kwire.wire.record_codec import Record
from kwire.wire.records import read_records

MAX_WAIT_MS: Final = 500
PARTITION_BYTES: Final = 1 << 20
RESPONSE_BYTES: Final = 50 << 20

_NEWEST_BY_NAME: Final = 12
_MAGIC_POSITION: Final = 16


class Consumed(NamedTuple):
    """A record and where it was."""

    topic: str
    partition: int
    record: Record


class Fetcher:
    """Records of some partitions from given offsets on.

    `positions` is where each partition is read next; whoever consumes may change it between two polls. Records of
    control batches (transaction markers) are passed over; aborted transactions are shown (read_uncommitted).
    """

    def __init__(self, client: Client, positions: Mapping[TopicPartition, int]) -> None:
        self._client = client
        self.positions = dict(positions)
        self._leaders: dict[int, list[TopicPartition]] = {}

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read other partitions from now on."""
        self.positions = dict(positions)
        self._leaders = {}

    def poll(self, max_wait_ms: int = MAX_WAIT_MS) -> list[Consumed]:
        """What is there, after at most `max_wait_ms` when nothing is; by partition, in order. Raises ClientError."""
        if not self.positions:
            time.sleep(max_wait_ms / 1000)
            return []
        if not self._leaders:
            self._leaders = by_leader(self._client, self.positions)
        sent = []
        for leader, partitions in self._leaders.items():
            connection = self._client.broker(leader)
            version = connection.version(FetchRequest, _NEWEST_BY_NAME)
            sent.append((connection, connection.send(self._request(partitions, max_wait_ms), version=version)))
        consumed: list[Consumed] = []
        for connection, pending in sent:
            answer = connection.take(pending)
            check(answer.error_code, None, "records cannot be fetched")
            for topic in answer.responses:
                for partition in topic.partitions:
                    consumed.extend(self._records(TopicPartition(topic.topic, partition.partition_index), partition))
        return consumed

    def _request(self, partitions: list[TopicPartition], max_wait_ms: int) -> FetchRequest:
        topics: dict[str, list[FetchPartition]] = defaultdict(list)
        for tp in partitions:
            entry = FetchPartition(
                partition=tp.partition, fetch_offset=self.positions[tp], partition_max_bytes=PARTITION_BYTES
            )
            topics[tp.topic].append(entry)
        return FetchRequest(
            max_wait_ms=max_wait_ms,
            min_bytes=1,
            max_bytes=RESPONSE_BYTES,
            topics=[FetchTopic(topic=name, partitions=entries) for name, entries in topics.items()],
        )

    def _records(self, tp: TopicPartition, answer: Any) -> list[Consumed]:
        if answer.error_code and ErrorCode(answer.error_code) in INVALIDATES_METADATA:
            self._leaders = {}
            time.sleep(0.1)
            return []
        if answer.error_code == ErrorCode.OFFSET_OUT_OF_RANGE:
            raise ClientError(
                f"{tp} has no offset {self.positions[tp]} (kwire topic describe {tp.topic} shows its range)"
            )
        check(answer.error_code, None, f"{tp} cannot be read")
        if not answer.records:
            return []
        position = self.positions[tp]
        try:
            records, next_offset = decode_records(answer.records)
        except WireError as error:
            raise ClientError(f"{tp} holds records from offset {position} on that cannot be read: {error}") from None
        self.positions[tp] = max(position, next_offset)
        return [Consumed(tp.topic, tp.partition, record) for record in records if record.offset >= position]


def decode_records(data: Buffer) -> tuple[list[Record], int]:
    """The records in fetched bytes, and the offset after the last whole batch (-1 when there is none).

    A batch that the answer's size has cut off is left for the next fetch. Raises WireError.
    """
    if len(data) > _MAGIC_POSITION and data[_MAGIC_POSITION] < 2:
        old = list(read_message_set(data))
        return old, old[-1].offset + 1 if old else -1
    records: list[Record] = []
    next_offset = -1
    for position, header in batches(data):
        verify(data, position)
        next_offset = header.last_offset + 1
        if not header.is_control:
            records.extend(read_records(data, position))
    return records, next_offset
