"""Produce (key 0), versions 0-13.

v0-2 message sets of magic 0 and 1, stored as v2; v3 record batches and transactional ids (KIP-98); v5 the log's start
offset; v7 zstd (KIP-110); v8 record errors (KIP-467); v10 the new leader on NOT_LEADER_OR_FOLLOWER (KIP-951);
v11/v12 transactions without AddPartitionsToTxn (KIP-890); v13 topic ids (KIP-516).

A transactional write is admitted by the transaction's coordinator first, see `transactional_produce`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

from kwire.api.context import CloseConnection, RequestContext
from kwire.cluster.metadata_cache import INTERNAL_TOPICS
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.log.validate import AppendRefused, PreparationNeeded, RecordsInvalid
from kwire.replica.partition import Partition
from kwire.replica.waiters import Waiter
from kwire.wire.messages.produce import (
    BatchIndexAndErrorMessage,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from kwire.wire.record_batch import ATTRIBUTES_OFFSET, MAGIC_OFFSET, RECORD_BATCH_OVERHEAD, TRANSACTIONAL_MASK

if TYPE_CHECKING:
    from kwire.log.log import LogAppendInfo
    from kwire.log.record_checks import Prepared

FIRST_VERSION_WITH_TOPIC_IDS = 13
FIRST_VERSION_WITH_NEW_LEADER = 10

NO_ERROR: Final = 0
"""`ErrorCode.NONE` as a plain number: reading a member of an enumeration is not free, and this is the hottest path."""

_ACKS = (-1, 0, 1)
ADMIN_CLIENT_ID = "__admin_client"
"""The client id that may write to internal topics, as a tool that restores them does (apache/kafka `KafkaApis`)."""
NOTHING_REFUSED: Final[Mapping[TopicPartition, ErrorCode]] = {}

REFUSALS: Final = {
    ErrorCode.INVALID_TXN_STATE: "the partition was not added to the transaction",
    ErrorCode.NOT_ENOUGH_REPLICAS: "nobody could tell whether the partition was added to the transaction",
    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER: "a producer that this partition does not know begins with sequence 0",
}

Unacknowledged = list[tuple[Partition, int, PartitionProduceResponse]]
Later = list[tuple[list[PartitionProduceResponse], int, TopicProduceData, PartitionProduceData, bool]]
"""What must be prepared in a thread: where its result goes, its topic, and the records."""


def handle(
    request: ProduceRequest, context: RequestContext
) -> ProduceResponse | Awaitable[ProduceResponse | None] | None:
    """Append to each partition; answer at once, or when the in-sync replicas have the records (acks=-1)."""
    if request.transactional_id is None:
        return _append_all(request, context, NOTHING_REFUSED)
    from kwire.api.transactional_produce import admission

    verdicts = admission(request, context)
    if isinstance(verdicts, asyncio.Future):
        return _append_when_admitted(request, context, verdicts)
    return _append_all(request, context, verdicts)


async def _append_when_admitted(
    request: ProduceRequest, context: RequestContext, verdicts: asyncio.Future[dict[TopicPartition, ErrorCode]]
) -> ProduceResponse | None:
    response = _append_all(request, context, await verdicts)
    return await response if isinstance(response, Awaitable) else response


def _append_all(
    request: ProduceRequest, context: RequestContext, refused: Mapping[TopicPartition, ErrorCode]
) -> ProduceResponse | Awaitable[ProduceResponse | None] | None:
    unacknowledged: Unacknowledged = []
    later: Later = []
    responses = []
    failed = False
    services, now_ms, acks = context.services, context.now_ms, request.acks
    by_id = context.api_version >= FIRST_VERSION_WITH_TOPIC_IDS
    find = services.replicas.get
    for topic in request.topic_data:
        name = services.metadata.topic_names.get(topic.topic_id) if by_id else topic.name
        is_plain = name is not None and acks in _ACKS and name not in INTERNAL_TOPICS
        results: list[PartitionProduceResponse] = []
        for data in topic.partition_data:
            records, info = data.records, None
            try:
                if later and _is_among(later, name, data.index, context):
                    # The partition is named twice: its batches keep their order.
                    later.append((results, len(results), topic, data, False))
                    results.append(_refused(data.index, ErrorCode.UNKNOWN_SERVER_ERROR, None))
                    continue
                partition = find(name, data.index) if is_plain else None  # type: ignore[arg-type]  # it has a name
                if partition is not None and records.__class__ is memoryview:
                    info = partition.append_plain(records, acks, now_ms)
                if partition is None or info is None:
                    partition, info = _append(request, name, data, context, refused)
                result = _appended(data.index, info)
                if acks == -1 and partition.log.high_watermark <= info.last_offset:
                    unacknowledged.append((partition, info.last_offset, result))
            except KafkaError as error:
                failed = True
                result = _refused(data.index, error.code, error.message, error)
            except PreparationNeeded:
                later.append((results, len(results), topic, data, True))
                result = _refused(data.index, ErrorCode.UNKNOWN_SERVER_ERROR, None)
            results.append(result)
        responses.append(TopicProduceResponse(name=topic.name, topic_id=topic.topic_id, partition_responses=results))
    if later:
        return _append_later(request, context, later, responses, unacknowledged, refused)
    return _answer(request, context, responses, unacknowledged, failed)


def _name_of(topic: TopicProduceData, context: RequestContext) -> str | None:
    """The name that the topic has now; None for an id that no topic has, or none any more."""
    by_id = context.api_version >= FIRST_VERSION_WITH_TOPIC_IDS
    name: str | None = context.services.metadata.topic_names.get(topic.topic_id) if by_id else topic.name
    return name


def _is_among(later: Later, name: str | None, index: int, context: RequestContext) -> bool:
    return any(data.index == index and _name_of(topic, context) == name for _, _, topic, data, _ in later)


async def _append_later(
    request: ProduceRequest,
    context: RequestContext,
    later: Later,
    responses: list[TopicProduceResponse],
    unacknowledged: Unacknowledged,
    refused: Mapping[TopicPartition, ErrorCode],
) -> ProduceResponse | None:
    """Look in a thread into what would hold the event loop, one of these at a time, and append it then.

    The connection waits meanwhile, so a producer's batches keep their order. A transaction that is aborted meanwhile
    has its marker in the partition by then, and with it a higher epoch: its producer is refused.
    """
    for results, position, topic, data, is_heavy in later:
        try:
            led, info = await _append_prepared(request, topic, data, context, refused, is_heavy=is_heavy)
        except KafkaError as error:
            results[position] = _refused(data.index, error.code, error.message, error)
            continue
        results[position] = _appended(data.index, info)
        if request.acks == -1 and led.log.high_watermark <= info.last_offset:
            unacknowledged.append((led, info.last_offset, results[position]))
    failed = any(result.error_code != NO_ERROR for topic in responses for result in topic.partition_responses)
    answer = _answer(request, context, responses, unacknowledged, failed)
    return await answer if isinstance(answer, asyncio.Future) else answer


async def _append_prepared(
    request: ProduceRequest,
    topic: TopicProduceData,
    data: PartitionProduceData,
    context: RequestContext,
    refused: Mapping[TopicPartition, ErrorCode],
    *,
    is_heavy: bool,
) -> tuple[Partition, LogAppendInfo]:
    """`is_heavy`: the log has asked for the preparation."""
    from kwire.log.record_checks import prepare

    loop = asyncio.get_running_loop()
    while True:
        prepared = None
        with suppress(KafkaError):
            # A partition that has gone meanwhile: the append says so.
            partition = context.services.replicas.partition(_name_of(topic, context) or "", data.index)
            if is_heavy:
                async with context.services.heavy_work:
                    prepared = await loop.run_in_executor(
                        None, prepare, bytes(cast("memoryview", data.records)), partition.log.config, context.now_ms
                    )
        try:
            return _append(request, _name_of(topic, context), data, context, refused, prepared)
        except PreparationNeeded:
            # Not asked before, or the partition was gone then, and was created anew before the append came to it.
            is_heavy = True


def _answer(
    request: ProduceRequest,
    context: RequestContext,
    responses: list[TopicProduceResponse],
    unacknowledged: Unacknowledged,
    failed: bool,
) -> ProduceResponse | asyncio.Future[ProduceResponse] | None:
    if request.acks == 0:
        if failed:
            raise CloseConnection("a produce request with acks=0 failed; closing is the only way to say so")
        return None
    response = ProduceResponse(responses=responses, throttle_time_ms=0)
    if failed and context.api_version >= FIRST_VERSION_WITH_NEW_LEADER:
        _name_leaders(response, context)
    if unacknowledged:
        return _wait_for_replicas(response, unacknowledged, request.timeout_ms)
    return response


def error_response(request: ProduceRequest, code: ErrorCode, message: str | None) -> ProduceResponse:
    """Every partition of the request answered with `code`."""
    return ProduceResponse(
        responses=[
            TopicProduceResponse(
                name=topic.name,
                topic_id=topic.topic_id,
                partition_responses=[_refused(data.index, code, message) for data in topic.partition_data],
            )
            for topic in request.topic_data
        ],
        throttle_time_ms=0,
    )


def _append(
    request: ProduceRequest,
    topic: str | None,
    data: PartitionProduceData,
    context: RequestContext,
    refused: Mapping[TopicPartition, ErrorCode],
    prepared: Prepared | None = None,
) -> tuple[Partition, LogAppendInfo]:
    """Whatever is not a plain batch for a partition that takes it: the rules one by one.

    Raises KafkaError; PreparationNeeded if there is nothing `prepared`.
    """
    acks = request.acks
    if acks not in _ACKS:
        raise KafkaError(ErrorCode.INVALID_REQUIRED_ACKS)
    if topic is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_ID)
    partition = context.services.replicas.partition(topic, data.index)
    if topic in INTERNAL_TOPICS and context.client_id != ADMIN_CLIENT_ID:
        raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"{topic} is internal: its coordinators write it")
    records = data.records
    if records.__class__ is not memoryview:
        raise KafkaError(ErrorCode.INVALID_RECORD, "the records of this partition are null")
    if len(records) >= RECORD_BATCH_OVERHEAD and records[ATTRIBUTES_OFFSET + 1] & TRANSACTIONAL_MASK:
        _check_admitted(request.transactional_id, records, refused.get(TopicPartition(topic, data.index)))
    info = partition.append(
        records,
        required_acks=acks,
        now_ms=context.now_ms,
        produce_version=context.api_version,
        prepared=prepared,
    )
    return partition, info


def _appended(index: int, info: LogAppendInfo) -> PartitionProduceResponse:
    return PartitionProduceResponse(
        index=index,
        error_code=NO_ERROR,
        base_offset=info.first_offset,
        log_append_time_ms=info.log_append_time_ms,
        log_start_offset=info.log_start_offset,
        record_errors=[],
    )


def _refused(
    index: int, code: ErrorCode, message: str | None, error: KafkaError | None = None
) -> PartitionProduceResponse:
    record_errors: list[BatchIndexAndErrorMessage] = []
    log_start_offset = -1
    if isinstance(error, AppendRefused):
        log_start_offset = error.log_start_offset
    if isinstance(error, RecordsInvalid):
        record_errors = [
            BatchIndexAndErrorMessage(batch_index=batch_index, batch_index_error_message=text)
            for batch_index, text in error.record_errors
        ]
    return PartitionProduceResponse(
        index=index,
        error_code=code,
        base_offset=-1,
        log_start_offset=log_start_offset,
        record_errors=record_errors,
        error_message=message,
    )


def _check_admitted(transactional_id: str | None, records: memoryview, verdict: ErrorCode | None) -> None:
    """A transactional batch needs a transactional id, which is what a producer is authorized for, and its coordinator's
    consent.
    """
    if records[MAGIC_OFFSET] != 2:
        return
    if transactional_id is None:
        raise KafkaError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    if verdict:
        raise KafkaError(verdict, REFUSALS.get(verdict))


def _name_leaders(response: ProduceResponse, context: RequestContext) -> None:
    """KIP-951: tell a client that came to the wrong broker who leads, and where."""
    from kwire.api.endpoints import endpoint_for

    metadata = context.services.metadata
    named: dict[int, NodeEndpoint] = {}
    for topic in response.responses:
        name = topic.name or metadata.topic_names.get(topic.topic_id, "")
        image = metadata.topics.get(name)
        for result in topic.partition_responses:
            if result.error_code != ErrorCode.NOT_LEADER_OR_FOLLOWER or image is None:
                continue
            partition = image.partitions[result.index]
            result.current_leader = LeaderIdAndEpoch(leader_id=partition.leader, leader_epoch=partition.leader_epoch)
            broker = metadata.brokers.get(partition.leader)
            address = None if broker is None else endpoint_for(broker, context)
            if broker is not None and address is not None:
                host, port = address
                named[broker.id] = NodeEndpoint(node_id=broker.id, host=host, port=port, rack=broker.rack)
    response.node_endpoints = list(named.values())


def _wait_for_replicas(
    response: ProduceResponse, unacknowledged: Unacknowledged, timeout_ms: int
) -> asyncio.Future[ProduceResponse]:
    def check(expired: bool) -> ProduceResponse | None:
        waiting = False
        for partition, last_offset, result in unacknowledged:
            if not partition.is_leader:
                result.error_code = ErrorCode.NOT_LEADER_OR_FOLLOWER
                result.base_offset = -1
            elif partition.log.high_watermark <= last_offset:
                if expired:
                    result.error_code = ErrorCode.REQUEST_TIMED_OUT
                    result.base_offset = -1
                waiting = True
        return None if waiting and not expired else response

    return Waiter([partition for partition, _, _ in unacknowledged], check, max(timeout_ms, 0)).future
