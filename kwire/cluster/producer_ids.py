"""Producer ids, taken from the store a thousand at a time (apache/kafka `ZkProducerIdManager`, KIP-730's block)."""

from __future__ import annotations

from asyncio import Lock

from kwire.cluster.store import BadVersionError, MetadataStore, StoreUnavailableError
from kwire.cluster.znodes import ProducerIdBlock, ProducerIdBlockZnode
from kwire.errors import ErrorCode, KafkaError

BLOCK_SIZE = 1000
MAX_PRODUCER_ID = (1 << 63) - 1


class ProducerIdManager:
    """Hands out ids that no broker of the cluster ever gives again; those of an unfinished block are lost at a stop."""

    def __init__(self, store: MetadataStore, broker_id: int) -> None:
        self._store = store
        self._broker_id = broker_id
        self._next = 0
        self._last = -1
        self._lock = Lock()

    async def next_id(self) -> int:
        """An id. Raises COORDINATOR_LOAD_IN_PROGRESS (retriable, as Kafka) when the store cannot give a block."""
        if self._next > self._last:
            async with self._lock:
                if self._next > self._last:
                    try:
                        block = await self._take_block()
                    except StoreUnavailableError as error:
                        raise KafkaError(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, str(error)) from error
                    self._next, self._last = block.first, block.last
        self._next += 1
        return self._next - 1

    async def _take_block(self) -> ProducerIdBlock:
        while True:
            data, stat = await self._store.get(ProducerIdBlockZnode.PATH)
            latest = ProducerIdBlockZnode.decode(data)
            first = 0 if latest is None else latest.last + 1
            if first > MAX_PRODUCER_ID - BLOCK_SIZE:
                raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, "All producer ids have been given out.")
            block = ProducerIdBlock(self._broker_id, first, first + BLOCK_SIZE - 1)
            try:
                await self._store.set(ProducerIdBlockZnode.PATH, ProducerIdBlockZnode.encode(block), stat.version)
            except BadVersionError:
                continue  # Another broker took that one.
            return block
