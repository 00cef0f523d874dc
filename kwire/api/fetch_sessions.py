"""Fetch sessions (KIP-227): the broker remembers what a client fetches, so that requests and answers name only changes.

Rules: apache/kafka `FetchManager`, `FetchSessionCache`. A session is one client's list of partitions, in the order in
which they are served; partitions that gave records move to its end, so that all get their turn. The cache holds
`max.incremental.fetch.session.cache.slots` sessions; a full cache gives up the least recently used one if it has been
idle for long enough, else the newcomer fetches without a session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from kwire.errors import ErrorCode, KafkaError
from kwire.named_tuple import NamedTuple

if TYPE_CHECKING:
    from kwire.wire.messages.fetch import FetchRequest, PartitionData

NO_SESSION = 0
INITIAL_EPOCH = 0
FINAL_EPOCH = -1
MAX_EPOCH = 2**31 - 1
FIRST_VERSION_WITH_TOPIC_IDS = 13

Key = tuple[str | bytes, int]
"""Topic name or topic id, and partition."""


class FetchedPartition:
    """What one client wants of one partition, and what it was last told of it."""

    __slots__ = (
        "current_leader_epoch",
        "fetch_offset",
        "high_watermark",
        "last_fetched_epoch",
        "log_start_offset",
        "partition",
        "partition_max_bytes",
        "topic",
        "topic_id",
    )

    def __init__(self, topic: str, topic_id: bytes, partition: int) -> None:
        self.topic = topic
        self.topic_id = topic_id
        self.partition = partition
        self.fetch_offset = 0
        self.current_leader_epoch = -1
        self.last_fetched_epoch = -1
        self.partition_max_bytes = 0
        self.high_watermark = -1
        self.log_start_offset = -1

    def is_news(self, data: PartitionData, size: int) -> bool:
        """Whether an incremental answer must name this partition; what is told is remembered.

        An error is always told, and the next answer after it too.
        """
        told = size > 0 or data.diverging_epoch.end_offset >= 0
        if data.error_code:
            self.high_watermark = self.log_start_offset = -1
            return True
        if data.high_watermark != self.high_watermark or data.log_start_offset != self.log_start_offset:
            self.high_watermark = data.high_watermark
            self.log_start_offset = data.log_start_offset
            told = True
        return told


class FetchSession:
    """One client's partitions; `epoch` is the one that its next request must carry."""

    __slots__ = ("epoch", "last_used_ms", "partitions", "session_id", "uses_topic_ids")

    def __init__(self, session_id: int, partitions: dict[Key, FetchedPartition], uses_topic_ids: bool) -> None:
        self.session_id = session_id
        self.partitions = partitions
        self.uses_topic_ids = uses_topic_ids
        self.epoch = 1
        self.last_used_ms = 0

    def served(self, key: Key) -> None:
        """This partition gave records: it goes to the end of the queue."""
        partition = self.partitions.pop(key, None)
        if partition is not None:
            self.partitions[key] = partition


class FetchPlan(NamedTuple):
    """What one request fetches: `session` is None without one, `is_incremental` leaves out what is not news."""

    partitions: list[FetchedPartition]
    session: FetchSession | None
    is_incremental: bool


class FetchSessionCache:
    """All sessions of one broker. `new_id` gives a random positive int32."""

    def __init__(self, max_count: int, eviction_ms: int, new_id: Callable[[], int]) -> None:
        self._max_count = max_count
        self._eviction_ms = eviction_ms
        self._new_id = new_id
        self._sessions: dict[int, FetchSession] = {}  # Least recently used first.

    def __len__(self) -> int:
        return len(self._sessions)

    def plan(self, request: FetchRequest, version: int, now_ms: int) -> FetchPlan:
        """What this request fetches.

        FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR (the client changed
        between names and ids within a session).
        """
        uses_topic_ids = version >= FIRST_VERSION_WITH_TOPIC_IDS
        if request.session_epoch in (INITIAL_EPOCH, FINAL_EPOCH):
            if request.session_id != NO_SESSION:
                self._sessions.pop(request.session_id, None)
            partitions: dict[Key, FetchedPartition] = {}
            _update(partitions, request, uses_topic_ids)
            session = None
            if request.session_epoch == INITIAL_EPOCH and partitions:
                session = self._open(partitions, uses_topic_ids, now_ms)
            return FetchPlan(list(partitions.values()), session, False)
        session = self._sessions.pop(request.session_id, None)
        if session is None:
            raise KafkaError(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
        self._sessions[request.session_id] = session
        if session.uses_topic_ids != uses_topic_ids:
            raise KafkaError(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
        if session.epoch != request.session_epoch:
            raise KafkaError(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
        for key in _forgotten(request, uses_topic_ids):
            session.partitions.pop(key, None)
        _update(session.partitions, request, uses_topic_ids)
        if not session.partitions:
            del self._sessions[request.session_id]
            return FetchPlan([], None, False)
        session.epoch = 1 if session.epoch == MAX_EPOCH else session.epoch + 1
        session.last_used_ms = now_ms
        return FetchPlan(list(session.partitions.values()), session, True)

    def _open(self, partitions: dict[Key, FetchedPartition], uses_topic_ids: bool, now_ms: int) -> FetchSession | None:
        if len(self._sessions) >= self._max_count:
            oldest = next(iter(self._sessions.values()), None)
            if oldest is None or now_ms - oldest.last_used_ms < self._eviction_ms:
                return None
            del self._sessions[oldest.session_id]
        session_id = self._new_id()
        while session_id in self._sessions or session_id == NO_SESSION:
            session_id = self._new_id()
        session = FetchSession(session_id, partitions, uses_topic_ids)
        session.last_used_ms = now_ms
        self._sessions[session_id] = session
        return session


def _update(partitions: dict[Key, FetchedPartition], request: FetchRequest, uses_topic_ids: bool) -> None:
    for topic in request.topics:
        name: str | bytes = topic.topic_id if uses_topic_ids else topic.topic
        for wanted in topic.partitions:
            key = (name, wanted.partition)
            known = partitions.get(key)
            if known is None:
                known = partitions[key] = FetchedPartition(topic.topic, topic.topic_id, wanted.partition)
            known.fetch_offset = wanted.fetch_offset
            known.current_leader_epoch = wanted.current_leader_epoch
            known.last_fetched_epoch = wanted.last_fetched_epoch
            known.partition_max_bytes = wanted.partition_max_bytes


def _forgotten(request: FetchRequest, uses_topic_ids: bool) -> Iterable[Key]:
    for topic in request.forgotten_topics_data:
        name: str | bytes = topic.topic_id if uses_topic_ids else topic.topic
        for partition in topic.partitions:
            yield name, partition
