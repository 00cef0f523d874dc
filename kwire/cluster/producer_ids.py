"""Producer ids, unique in the cluster: each broker takes a block of 1000 through a conditional write.

The znode `/latest_producer_id_block` holds the block that was taken last (`ProducerIdBlockZnode`);
apache/kafka `ZooKeeperProducerIdManager`.
"""

from __future__ import annotations

import asyncio
import logging

from kwire.cluster.store import BadVersionError, MetadataStore, StoreError
from kwire.cluster.znodes import ProducerIdBlock, ProducerIdBlockZnode
from kwire.errors import ErrorCode, KafkaError

logger = logging.getLogger("kwire.cluster")

BLOCK_SIZE = 1000
MAX_PRODUCER_ID = 2**63 - 1


class ProducerIdManager:
    """Hands out ids from this broker's current block, and takes the next block when it is used up."""

    def __init__(self, store: MetadataStore, broker_id: int) -> None:
        self._store = store
        self._broker_id = broker_id
        self._next = 0
        self._end = 0  # Exclusive.
        self._lock = asyncio.Lock()
        self._sent: asyncio.Task[None] | None = None

    async def next_id(self) -> int:
        """An id that no producer of the cluster had before; UNKNOWN_SERVER_ERROR once 2**63 are used up."""
        await self.reserve()
        return self.take()

    @property
    def is_ready(self) -> bool:
        """Whether `take` has an id at hand."""
        return self._next < self._end

    async def reserve(self) -> None:
        """Return when an id is at hand: nothing is awaited if one is, so that it is still there for the caller."""
        if self._next >= self._end:
            async with self._lock:
                if self._next >= self._end:
                    await self._take_block()

    def take(self) -> int:
        """The id at hand; COORDINATOR_LOAD_IN_PROGRESS without one, for those who cannot wait: the next block is taken
        meanwhile (apache/kafka `RPCProducerIdManager`).
        """
        if self._next >= self._end:
            if self._sent is None or self._sent.done():
                self._sent = asyncio.get_running_loop().create_task(self._send_for_block())
            raise KafkaError(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
        producer_id = self._next
        self._next += 1
        return producer_id

    async def _send_for_block(self) -> None:
        try:
            await self.reserve()
        except (KafkaError, StoreError) as error:  # Whoever asks next sends again.
            logger.warning("no producer ids can be had: %s", error)

    async def _take_block(self) -> None:
        path = ProducerIdBlockZnode.PATH
        while True:
            data, stat = await self._store.get(path)
            last = ProducerIdBlockZnode.decode(data)
            start = 0 if last is None else last.last + 1
            if start > MAX_PRODUCER_ID - BLOCK_SIZE:
                raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, "all producer ids are used up")
            block = ProducerIdBlock(self._broker_id, start, start + BLOCK_SIZE - 1)
            try:
                await self._store.set(path, ProducerIdBlockZnode.encode(block), stat.version)
            except BadVersionError:
                continue  # Another broker was faster: the next block is behind its.
            self._next, self._end = start, start + BLOCK_SIZE
            return
