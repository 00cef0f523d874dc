"""A coordinator's log in memory: what the runtime and the cores are tested over."""

from __future__ import annotations

import asyncio

from kwire.errors import KafkaError
from kwire.ids import TopicPartition
from kwire.wire.record_batch import read_header, set_offset_and_epoch, verify


class MemoryLog:
    """Partitions as lists of batches. `commits_at_once` off holds the high watermark until `commit` is called.

    `refuse_next` makes the next append fail; `fence` makes everything about the high watermark fail.
    """

    def __init__(self, *, commits_at_once: bool = True) -> None:
        self.batches: dict[TopicPartition, list[bytes]] = {}
        self.ends: dict[TopicPartition, int] = {}
        self.watermarks: dict[TopicPartition, int] = {}
        self.commits_at_once = commits_at_once
        self.refuse_next: KafkaError | None = None
        self.fences: dict[TopicPartition, KafkaError] = {}
        self.appends = 0
        self.reads = 0
        self._moved = asyncio.Event()

    def append(self, partition: TopicPartition, records: bytearray, now_ms: int) -> int:
        if self.refuse_next is not None:
            error, self.refuse_next = self.refuse_next, None
            raise error
        base_offset = self.end_offset(partition)
        set_offset_and_epoch(records, 0, base_offset, 0)
        header = verify(records)
        assert header.size == len(records)
        self.batches.setdefault(partition, []).append(bytes(records))
        self.ends[partition] = header.last_offset + 1
        self.appends += 1
        if self.commits_at_once:
            self.watermarks[partition] = self.ends[partition]
        return header.last_offset

    def read(self, partition: TopicPartition, offset: int, max_bytes: int) -> bytes:
        self.reads += 1
        found = b""
        for batch in self.batches.get(partition, []):
            if read_header(batch).last_offset < offset:
                continue
            if found and len(found) + len(batch) > max_bytes:
                break
            found += batch
        return found

    def start_offset(self, partition: TopicPartition) -> int:
        return 0

    def end_offset(self, partition: TopicPartition) -> int:
        return self.ends.get(partition, 0)

    def high_watermark(self, partition: TopicPartition) -> int:
        if partition in self.fences:
            raise self.fences[partition]
        return self.watermarks.get(partition, 0)

    async def committed(self, partition: TopicPartition, offset: int) -> None:
        while self.high_watermark(partition) <= offset:
            await self._moved.wait()

    def fence(self, partition: TopicPartition, error: KafkaError) -> None:
        """This broker does not lead the partition any more."""
        self.fences[partition] = error
        self._moved.set()
        self._moved = asyncio.Event()

    def commit(self, partition: TopicPartition) -> None:
        """All replicas have everything."""
        self.watermarks[partition] = self.end_offset(partition)
        self._moved.set()
        self._moved = asyncio.Event()
