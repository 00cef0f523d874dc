"""ShareAcknowledge (key 79), versions 1-2: what became of acquired records (KIP-932); v2 renews locks (KIP-1222).

It counts as a request of the member's share session; with its last epoch the session ends, and what is still locked is
free for others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from kwire.api.context import RequestContext
from kwire.api.share_acknowledgements import (
    CurrentLeaders,
    acknowledge,
    acknowledgements_in,
    check_member_id,
    error_fields,
)
from kwire.errors import ErrorCode, KafkaError
from kwire.share.manager import Outcomes
from kwire.share.sessions import FINAL_EPOCH, INITIAL_EPOCH
from kwire.wire.messages.share_acknowledge import (
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionData,
    ShareAcknowledgeRequest,
    ShareAcknowledgeResponse,
    ShareAcknowledgeTopicResponse,
)


def handle(
    request: ShareAcknowledgeRequest, context: RequestContext
) -> ShareAcknowledgeResponse | Coroutine[None, None, ShareAcknowledgeResponse]:
    """An outcome per partition.

    INVALID_REQUEST (member id), INVALID_SHARE_SESSION_EPOCH, SHARE_SESSION_NOT_FOUND for the whole.
    """
    partitions = context.services.share.partitions
    group_id, member_id = request.group_id or "", check_member_id(request.member_id)
    if request.share_session_epoch == INITIAL_EPOCH:
        raise KafkaError(ErrorCode.INVALID_SHARE_SESSION_EPOCH)
    partitions.sessions.expect(group_id, member_id, request.share_session_epoch)
    said = acknowledgements_in(request.topics)
    outcomes = acknowledge(said, group_id, member_id, context, is_renewal=request.is_renew_ack)
    if isinstance(outcomes, dict):
        return _response(request, outcomes, context)
    return _response_later(request, outcomes, context)


def error_response(request: ShareAcknowledgeRequest, code: ErrorCode, message: str | None) -> ShareAcknowledgeResponse:
    """`code` for the whole request."""
    return ShareAcknowledgeResponse(
        throttle_time_ms=0, error_code=code, error_message=message, responses=[], node_endpoints=[]
    )


async def _response_later(
    request: ShareAcknowledgeRequest, outcomes: asyncio.Future[Outcomes], context: RequestContext
) -> ShareAcknowledgeResponse:
    return _response(request, await outcomes, context)


def _response(
    request: ShareAcknowledgeRequest, outcomes: Outcomes, context: RequestContext
) -> ShareAcknowledgeResponse:
    partitions = context.services.share.partitions
    group_id, member_id = request.group_id or "", request.member_id or ""
    if request.share_session_epoch == FINAL_EPOCH:
        partitions.release_session(group_id, member_id)
    leaders = CurrentLeaders(context)
    topics: dict[bytes, ShareAcknowledgeTopicResponse] = {}
    for where, error in outcomes.items():
        topic = topics.get(where.topic_id)
        if topic is None:
            topic = topics[where.topic_id] = ShareAcknowledgeTopicResponse(topic_id=where.topic_id, partitions=[])
        code, message = error_fields(error)
        leader_id, leader_epoch = leaders.of(where, code)
        topic.partitions.append(
            PartitionData(
                partition_index=where.partition,
                error_code=code,
                error_message=message,
                current_leader=LeaderIdAndEpoch(leader_id=leader_id, leader_epoch=leader_epoch),
            )
        )
    return ShareAcknowledgeResponse(
        throttle_time_ms=0,
        error_code=ErrorCode.NONE,
        acquisition_lock_timeout_ms=partitions.config.lock_duration_ms(group_id),
        responses=list(topics.values()),
        node_endpoints=[
            NodeEndpoint(node_id=node_id, host=host, port=port) for node_id, (host, port) in leaders.endpoints.items()
        ],
    )
