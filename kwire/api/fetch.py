"""Fetch (key 1), versions 0-18: long-poll read.

v0-3 records of magic 0 (v0-1) and 1 (v2-3), converted while they are sent; v4 isolation level (KIP-98); v5 the log's
start; v7 sessions (KIP-227); v9 leader epochs (KIP-320); v10 zstd (KIP-110); v11 rack (KIP-392); v12 diverging epochs
(KIP-595); v13 topic ids (KIP-516).

A request is answered at once when it has `min_bytes`, an error, or no time to wait; otherwise it waits for one of its
partitions to move. Records are file ranges: the connection reads them when it sends.

Left out, being for clusters: followers' fetches, preferred read replicas, the new leader's address (KIP-951).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from kwire.api.context import RequestContext
from kwire.api.fetch_sessions import FetchedPartition, FetchPlan
from kwire.errors import ErrorCode, KafkaError
from kwire.replica.partition import Partition
from kwire.replica.waiters import Waiter
from kwire.wire.messages.fetch import (
    AbortedTransaction,
    EpochEndOffset,
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    PartitionData,
)
from kwire.wire.parts import Part, part_size

READ_COMMITTED = 1
LAST_VERSION_WITH_HARD_LIMIT = 2
FIRST_VERSION_WITH_BATCHES = 4
FIRST_VERSION_WITH_STORAGE_ERRORS = 6
FIRST_VERSION_WITH_ZSTD = 10
FIRST_VERSION_WITH_TOPIC_IDS = 13

Result = tuple[PartitionData, int, int]
"""What one partition is answered, the size of its records in bytes, and how many count for `min_bytes`."""


def handle(request: FetchRequest, context: RequestContext) -> FetchResponse | Awaitable[FetchResponse]:
    """Records now, or as soon as there are enough of them; for old versions converted."""
    plan = context.services.fetch_sessions.plan(request, context.api_version, context.now_ms)
    response = _fetch(request, context, plan)
    if context.api_version < FIRST_VERSION_WITH_BATCHES:
        from kwire.api.down_conversion import converted

        return converted(response, plan.partitions, context)
    return response


def _fetch(
    request: FetchRequest, context: RequestContext, plan: FetchPlan
) -> FetchResponse | asyncio.Future[FetchResponse]:
    fetch = _Fetch(request, context, plan)
    results = fetch.read()
    if fetch.is_complete or request.max_wait_ms <= 0 or not plan.partitions:
        return fetch.response(results)
    watched = [partition for partition in fetch.local if partition is not None]

    def check(expired: bool) -> FetchResponse | None:
        results = fetch.read()
        return fetch.response(results) if expired or fetch.is_complete else None

    return Waiter(watched, check, request.max_wait_ms).future


def error_response(request: FetchRequest, code: ErrorCode, message: str | None) -> FetchResponse:
    """`code` for the whole request: no session, no partitions."""
    return FetchResponse(error_code=code, session_id=0, responses=[], throttle_time_ms=0)


class _Fetch:
    """One request's reading; `read` may be called again until it is complete."""

    __slots__ = ("_context", "_max_bytes", "_min_bytes", "_plan", "_request", "is_complete", "local")

    def __init__(self, request: FetchRequest, context: RequestContext, plan: FetchPlan) -> None:
        self._request = request
        self._context = context
        self._plan = plan
        self._max_bytes = min(request.max_bytes, context.services.config.int("fetch.max.bytes"))
        self._min_bytes = min(request.min_bytes, self._max_bytes)
        self.is_complete = False
        self.local: list[Partition | None] = [self._locate(wanted) for wanted in plan.partitions]

    def _locate(self, wanted: FetchedPartition) -> Partition | None:
        services = self._context.services
        name: str | None = wanted.topic
        if self._context.api_version >= FIRST_VERSION_WITH_TOPIC_IDS:
            name = services.metadata.topic_names.get(wanted.topic_id)
        return None if name is None else services.replicas.get(name, wanted.partition)

    def _look_again(self, wanted: FetchedPartition) -> Partition:
        """Why a partition was not found: UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION, KAFKA_STORAGE_ERROR."""
        services = self._context.services
        name = wanted.topic
        if self._context.api_version >= FIRST_VERSION_WITH_TOPIC_IDS:
            known = services.metadata.topic_names.get(wanted.topic_id)
            if known is None:
                raise KafkaError(ErrorCode.UNKNOWN_TOPIC_ID)
            name = known
        return services.replicas.partition(name, wanted.partition)

    def read(self) -> list[Result]:
        """One result for each partition of the plan, in its order."""
        remaining = self._max_bytes
        has_error = False
        total = 0
        min_one_message = self._context.api_version > LAST_VERSION_WITH_HARD_LIMIT
        results = []
        for wanted, partition in zip(self._plan.partitions, self.local, strict=True):
            result = self._read_one(wanted, partition, remaining, min_one_message)
            results.append(result)
            data, size, counted = result
            total += counted
            if size:
                min_one_message = False
                remaining = max(0, remaining - size)
            has_error = has_error or bool(data.error_code) or data.diverging_epoch.end_offset >= 0
        self.is_complete = has_error or total >= self._min_bytes
        return results

    def _read_one(
        self, wanted: FetchedPartition, partition: Partition | None, remaining: int, min_one_message: bool
    ) -> Result:
        try:
            if partition is None:
                partition = self._look_again(wanted)
            partition.check_leader(wanted.current_leader_epoch)
            if self._context.api_version < FIRST_VERSION_WITH_ZSTD and partition.log.config.compression_type == "zstd":
                raise KafkaError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
            diverging = _diverging_epoch(wanted, partition)
            if diverging is not None:
                data = _data(wanted, partition, [], None)
                data.diverging_epoch = diverging
                return data, 0, 0
            read_committed = self._request.isolation_level == READ_COMMITTED
            limit = max(min(remaining, wanted.partition_max_bytes), 0)
            found = partition.read(
                wanted.fetch_offset, limit, read_committed=read_committed, min_one_message=min_one_message
            )
            records: list[Part] = [found.records] if part_size(found.records) else []
            aborted = None
            if read_committed:
                aborted = [
                    AbortedTransaction(producer_id=entry.producer_id, first_offset=entry.first_offset)
                    for entry in partition.log.aborted_in(wanted.fetch_offset, found)
                ]
        except KafkaError as error:
            code = error.code
            if code is ErrorCode.KAFKA_STORAGE_ERROR and self._context.api_version < FIRST_VERSION_WITH_STORAGE_ERRORS:
                code = ErrorCode.NOT_LEADER_OR_FOLLOWER  # These clients do not know the error, and would give up.
            failed = PartitionData(
                partition_index=wanted.partition,
                error_code=code,
                high_watermark=-1,
                aborted_transactions=[],
                records=b"",
            )
            return failed, 0, 0
        size = counted = sum(part_size(part) for part in records)
        if size < self._min_bytes:
            # What a limit has cut off counts as well, and whoever is behind does not wait (`DelayedFetch.tryComplete`).
            enough = self._min_bytes if found.is_behind else min(found.available, wanted.partition_max_bytes)
            counted = max(size, enough)
        return _data(wanted, partition, records, aborted), size, counted

    def response(self, results: list[Result]) -> FetchResponse:
        """The whole answer; within a session, only what is news to the client."""
        session, is_incremental = self._plan.session, self._plan.is_incremental
        by_id = self._context.api_version >= FIRST_VERSION_WITH_TOPIC_IDS
        topics: dict[str | bytes, FetchableTopicResponse] = {}
        for wanted, (data, size, _) in zip(self._plan.partitions, results, strict=True):
            key = wanted.topic_id if by_id else wanted.topic
            if session is not None:
                is_news = wanted.is_news(data, size)
                if size:
                    session.served((key, wanted.partition))
                if is_incremental and not is_news:
                    continue
            topic = topics.get(key)
            if topic is None:
                topic = topics[key] = FetchableTopicResponse(
                    topic=wanted.topic, topic_id=wanted.topic_id, partitions=[]
                )
            topic.partitions.append(data)
        return FetchResponse(
            error_code=ErrorCode.NONE,
            session_id=0 if session is None else session.session_id,
            responses=list(topics.values()),
            throttle_time_ms=0,
        )


def _diverging_epoch(wanted: FetchedPartition, partition: Partition) -> EpochEndOffset | None:
    """KIP-595: a client whose last epoch ended earlier here must truncate; OFFSET_OUT_OF_RANGE for an unknown epoch."""
    if wanted.last_fetched_epoch < 0:
        return None
    epoch, end_offset = partition.log.end_offset_for_epoch(wanted.last_fetched_epoch)
    if epoch < 0 or end_offset < 0:
        raise KafkaError(ErrorCode.OFFSET_OUT_OF_RANGE)
    if epoch < wanted.last_fetched_epoch or end_offset < wanted.fetch_offset:
        return EpochEndOffset(epoch=epoch, end_offset=end_offset)
    return None


def _data(
    wanted: FetchedPartition, partition: Partition, records: list[Part], aborted: list[AbortedTransaction] | None
) -> PartitionData:
    log = partition.log
    return PartitionData(
        partition_index=wanted.partition,
        error_code=ErrorCode.NONE,
        high_watermark=log.high_watermark,
        last_stable_offset=log.last_stable_offset,
        log_start_offset=log.log_start_offset,
        aborted_transactions=aborted,
        records=records,
    )
