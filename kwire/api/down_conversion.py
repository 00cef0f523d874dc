"""Old consumers: the batches of a Fetch response as the message sets that Fetch versions 0-3 may carry.

v0-1 know magic 0, v2-3 magic 1. As in Apache Kafka (`LazyDownConversionRecords`) the size of a partition's records is
settled first, and the records are converted while they are sent: the size is that of the stored batches, or of the
first converted piece if that is larger, so that a client always gets on. What is converted is cut at that size, and
what is missing from it is filled with the head of a message that nobody has room for, which clients take for the torn
end that they expect of any fetch. So a response of 50 MB costs one piece of memory, and one piece of time at a turn;
a batch that decompresses to much is left to a thread.
"""

from __future__ import annotations

import logging
from asyncio import Lock, Task, ensure_future, get_running_loop, sleep
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import cast

from kwire.api.context import RequestContext
from kwire.api.fetch_sessions import FetchedPartition
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.down_conversion import Pace, down_converted
from kwire.wire.legacy import frames
from kwire.wire.messages.fetch import FetchResponse, PartitionData
from kwire.wire.parts import FileRange, Part, PieceStream, part_size
from kwire.wire.primitives import WireError
from kwire.wire.record_batch import LOG_OVERHEAD, RECORD_BATCH_OVERHEAD

logger = logging.getLogger(__name__)

FIRST_VERSION_WITH_MAGIC_1 = 2

_READ_BYTES = 256 * 1024
_FILL_BYTES = 128 * 1024
_LENGTH_BYTES = 4


async def converted(
    response: FetchResponse | Awaitable[FetchResponse], wanted: Sequence[FetchedPartition], context: RequestContext
) -> FetchResponse:
    """The response with every partition's records converted, or that partition's error in their place.

    `wanted` are the partitions of the request, in the response's order, which without a session is the request's.
    UNSUPPORTED_VERSION where `message.downconversion.enable` is false, UNSUPPORTED_COMPRESSION_TYPE for zstd,
    CORRUPT_MESSAGE for what cannot be read, NOT_LEADER_OR_FOLLOWER for a file that cannot: these versions have no
    KAFKA_STORAGE_ERROR.
    """
    if isinstance(response, Awaitable):
        response = await response
    magic = 1 if context.api_version >= FIRST_VERSION_WITH_MAGIC_1 else 0
    answered = [(topic, data) for topic in response.responses for data in topic.partitions]
    offsets = {(asked.topic, asked.partition): asked.fetch_offset for asked in wanted}
    for topic, data in answered:
        if data.error_code != ErrorCode.NONE:
            continue
        try:
            partition = context.services.replicas.partition(topic.topic, data.partition_index)
            if not partition.log.config.message_downconversion_enable:
                raise KafkaError(ErrorCode.UNSUPPORTED_VERSION)
            for stored in cast("list[Part]", data.records):
                offset = offsets[topic.topic, data.partition_index]
                data.records = [await _stream(stored, magic, offset, context.services.heavy_work)]
        except KafkaError as error:
            _refuse(data, error.code)
        except OSError as error:
            logger.error("%s-%d cannot be read: %s", topic.topic, data.partition_index, error)
            _refuse(data, ErrorCode.KAFKA_STORAGE_ERROR)
        except WireError as error:
            logger.error("%s-%d cannot be converted: %s", topic.topic, data.partition_index, error)
            _refuse(data, ErrorCode.CORRUPT_MESSAGE)
    return response


def _refuse(data: PartitionData, code: ErrorCode) -> None:
    data.error_code = ErrorCode.NOT_LEADER_OR_FOLLOWER if code is ErrorCode.KAFKA_STORAGE_ERROR else code
    data.high_watermark = data.last_stable_offset = data.log_start_offset = -1
    data.records = b""


class _Conversion:
    """The pieces of one partition's records; heavy ones are made in a thread, one for all connections at a time."""

    __slots__ = ("_made", "_pace", "_pieces", "_task", "_turn")

    def __init__(self, stored: Part, magic: int, first_offset: int, turn: Lock) -> None:
        self._pace = Pace()
        self._pieces = _pieces(stored, magic, first_offset, self._pace)
        self._turn = turn
        self._made: Callable[[], bytes] | None = None
        self._task: Task[None] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        made, self._made = self._made, None
        return next(self._pieces) if made is None else made()

    async def make_heavy(self) -> None:
        """Have the next piece made in a thread if that takes long."""
        if self._pace.is_heavy and self._made is None:
            async with self._turn:
                self._made = await get_running_loop().run_in_executor(None, self._next)

    def _next(self) -> Callable[[], bytes]:
        """Make the next piece; what gives it, or raises what making it has raised."""
        try:
            piece = next(self._pieces, None)
        except Exception as error:
            return partial(_fail, error)
        return partial(_end) if piece is None else lambda: piece

    def when_ready(self, call: Callable[[], object]) -> None:
        """As `PieceStream` says."""
        if self._pace.is_heavy:
            self._task = ensure_future(self.make_heavy())
            self._task.add_done_callback(lambda task: call())
        else:
            call()


def _fail(error: Exception) -> bytes:
    raise error


def _end() -> bytes:
    raise StopIteration


async def _stream(stored: Part, magic: int, first_offset: int, turn: Lock) -> PieceStream:
    """The converted records, of which the first piece is made already, and others had their turn while it was."""
    pieces = _Conversion(stored, magic, first_offset, turn)
    first: bytes | None = b""
    while first == b"":
        await pieces.make_heavy()
        first = next(pieces, None)
        await sleep(0)
    size = max(part_size(stored), len(first or b""))
    return PieceStream(size, _exactly(size, chain((first or b"",), pieces)), pieces.when_ready)


def _pieces(stored: Part, magic: int, first_offset: int, pace: Pace) -> Iterator[bytes]:
    """What the stored batches become, read a quarter of a megabyte at a time, or one batch if that is larger."""
    position, size = 0, part_size(stored)
    read_bytes = _READ_BYTES
    while position < size:
        data = _read(stored, position, min(read_bytes, size - position))
        end = 0
        for at, length, _ in frames(data):
            end = at + length
        if end:
            yield from down_converted(data, to_magic=magic, first_offset=first_offset, pace=pace)
            position += end
            read_bytes = _READ_BYTES
        elif len(data) == size - position:
            return
        else:
            read_bytes = int.from_bytes(data[8:LOG_OVERHEAD], "big") + LOG_OVERHEAD


def _read(stored: Part, position: int, size: int) -> bytes | memoryview:
    if isinstance(stored, FileRange):
        return FileRange(stored.fd, stored.position + position, size, stored.owner).read()
    assert isinstance(stored, bytes | bytearray | memoryview)
    return memoryview(stored)[position : position + size]


def _exactly(size: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces, cut or filled to `size` bytes; an error ends them early, and the next fetch starts with it."""
    left = size
    try:
        while left:
            piece = next(pieces, None)
            if piece is None:
                break
            yield piece[:left]
            left -= min(left, len(piece))
    except (KafkaError, WireError) as error:
        logger.info("a converted response ends %d bytes early: %s", left, error)
    if left:
        # Offset -1, and a length beyond what is left of the response.
        head = b"\xff" * 8 + max(left + 1, RECORD_BATCH_OVERHEAD).to_bytes(_LENGTH_BYTES, "big")
        yield head[:left]
        left -= min(left, len(head))
    while left:
        yield bytes(min(left, _FILL_BYTES))
        left -= min(left, _FILL_BYTES)
