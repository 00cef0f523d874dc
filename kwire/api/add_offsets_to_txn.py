"""AddOffsetsToTxn (key 25), versions 0-4: a transaction will commit offsets of a group (KIP-98).

v2 PRODUCER_FENCED (KIP-588); v4 TRANSACTION_ABORTABLE (KIP-890), which never comes up here. The group's partition of
`__consumer_offsets` joins the transaction, and the topic is created if need be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from kwire.api.context import RequestContext
from kwire.api.transaction_admission import fenced, then
from kwire.coord.answers import Answer
from kwire.coord.group.coordinator import GROUP_METADATA_TOPIC
from kwire.coord.txn.beginning import ProducerIdentity
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import TopicPartition
from kwire.wire.messages.add_offsets_to_txn import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse

FIRST_VERSION_WITH_FENCED = 2


def handle(
    request: AddOffsetsToTxnRequest, context: RequestContext
) -> Answer[AddOffsetsToTxnResponse] | Coroutine[None, None, AddOffsetsToTxnResponse]:
    """NONE, or why the offsets cannot be part of this producer's transaction."""
    if not context.services.groups.topic_exists:
        return _add_when_created(request, context)
    return _add(request, context)


async def _add_when_created(request: AddOffsetsToTxnRequest, context: RequestContext) -> AddOffsetsToTxnResponse:
    try:
        await context.services.groups.ensure_topic()
    except KafkaError:
        return _response(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    answer = _add(request, context)
    return await answer if isinstance(answer, asyncio.Future) else answer


def _add(request: AddOffsetsToTxnRequest, context: RequestContext) -> Answer[AddOffsetsToTxnResponse]:
    services = context.services
    partition = TopicPartition(GROUP_METADATA_TOPIC, services.groups.partition_for(request.group_id))
    producer = ProducerIdentity(request.producer_id, request.producer_epoch)
    added = services.transactions.add_partitions(request.transactional_id, producer, [partition], 0)
    return then(added, lambda code: _response(fenced(code, context.api_version, FIRST_VERSION_WITH_FENCED)))


def _response(code: ErrorCode) -> AddOffsetsToTxnResponse:
    return AddOffsetsToTxnResponse(throttle_time_ms=0, error_code=code)
