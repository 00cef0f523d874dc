"""ShareFetch (key 78), versions 1-2: a member of a share group gets records, and acknowledges those it had (KIP-932).

v2 record-limit mode (KIP-1206), and requests that only renew locks (KIP-1222).

Acknowledgements are carried out first. Then a request is answered at once when it has `min_bytes`, an error, or no time
to wait; otherwise it waits for its partitions to move, or for others to give records back. The member's session ends
with its connection, so that what a dead consumer had is soon somebody else's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from kwire.api.context import RequestContext
from kwire.api.share_acknowledgements import (
    FIRST_VERSION_WITH_RENEWAL,
    CurrentLeaders,
    acknowledge,
    acknowledgements_in,
    check_member_id,
    error_fields,
    partitions_named,
)
from kwire.errors import ErrorCode, KafkaError
from kwire.replica.waiters import Waiter
from kwire.share.acquiring import Wish
from kwire.share.fetching import Fetched, Results, ShareFetch
from kwire.share.manager import Outcomes
from kwire.share.sessions import FINAL_EPOCH, INITIAL_EPOCH, ShareSession, TopicIdPartition
from kwire.wire.messages.share_fetch import (
    AcquiredRecords,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionData,
    ShareFetchableTopicResponse,
    ShareFetchRequest,
    ShareFetchResponse,
)

_SESSIONS = "share sessions"
"""The connection's room for the sessions that were opened through it."""

NOTHING_FETCHED = Fetched()


def handle(
    request: ShareFetchRequest, context: RequestContext
) -> ShareFetchResponse | Coroutine[None, None, ShareFetchResponse]:
    """Records now, or as soon as there are enough of them.

    INVALID_REQUEST, SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH, SHARE_SESSION_LIMIT_REACHED for the whole.
    """
    member_id = check_member_id(request.member_id)
    only_renews = context.api_version >= FIRST_VERSION_WITH_RENEWAL and request.is_renew_ack
    if only_renews and (request.max_bytes or request.min_bytes or request.max_records or request.max_wait_ms):
        text = "maxBytes, minBytes, maxRecords and maxWaitMs must be 0 if isRenewAck is true."
        raise KafkaError(ErrorCode.INVALID_REQUEST, text)
    said = {where: batches for where, batches in acknowledgements_in(request.topics).items() if batches}
    try:
        session = _session(request, context, has_acknowledgements=bool(said))
    except KafkaError as error:
        if error.code is not ErrorCode.SHARE_SESSION_LIMIT_REACHED:
            raise
        return _refused_later(request, error)
    outcomes = acknowledge(said, request.group_id or "", member_id, context, is_renewal=request.is_renew_ack)
    results = {} if only_renews or request.share_session_epoch == FINAL_EPOCH else _fetch(request, context, session)
    if isinstance(outcomes, dict) and isinstance(results, dict):
        return _response(request, context, session, outcomes, results)
    return _response_later(request, context, session, outcomes, results)


def error_response(request: ShareFetchRequest, code: ErrorCode, message: str | None) -> ShareFetchResponse:
    """`code` for the whole request."""
    return ShareFetchResponse(
        throttle_time_ms=0, error_code=code, error_message=message, responses=[], node_endpoints=[]
    )


async def _refused_later(request: ShareFetchRequest, error: KafkaError) -> ShareFetchResponse:
    """There are too many sessions: the member shall not ask again and again."""
    await asyncio.sleep(max(request.max_wait_ms, 0) / 1000)
    return error_response(request, error.code, error.message)


def _session(request: ShareFetchRequest, context: RequestContext, *, has_acknowledgements: bool) -> ShareSession:
    """The request's session, with the partitions that it adds and forgets."""
    partitions = context.services.share.partitions
    group_id, member_id = request.group_id or "", request.member_id or ""
    wanted = partitions_named(request.topics)
    if request.share_session_epoch == INITIAL_EPOCH:
        if has_acknowledgements:
            raise KafkaError(ErrorCode.INVALID_REQUEST)
        session = partitions.sessions.open(group_id, member_id, wanted)
        _tie_to_connection(session, context)
        return session
    session = partitions.sessions.expect(group_id, member_id, request.share_session_epoch)
    if request.share_session_epoch != FINAL_EPOCH:
        session.partitions.update(dict.fromkeys(wanted))
        for topic in request.forgotten_topics_data:
            for partition in topic.partitions:
                session.partitions.pop(TopicIdPartition(topic.topic_id, partition), None)
    return session


def _tie_to_connection(session: ShareSession, context: RequestContext) -> None:
    """End the session when its connection closes."""
    connection, partitions = context.connection, context.services.share.partitions
    opened = connection.state.get(_SESSIONS)
    if isinstance(opened, list):
        opened[:] = [known for known in opened if known.group_id != session.group_id]
        opened.append(session)
        return
    sessions = connection.state[_SESSIONS] = [session]

    def on_close() -> None:
        for known in sessions:
            partitions.on_disconnect(known)

    connection.on_close(on_close)


def _fetch(
    request: ShareFetchRequest, context: RequestContext, session: ShareSession
) -> Results | asyncio.Future[Results]:
    wish = Wish(session.member_id, request.max_records, request.batch_size, request.share_acquire_mode)
    fetch = ShareFetch(
        context.services.share.partitions,
        session.group_id,
        session.rotated(request.share_session_epoch),
        wish,
        max_bytes=request.max_bytes,
        min_bytes=request.min_bytes,
    )
    results = fetch.attempt(request.max_wait_ms <= 0)
    if results is not None:
        return results
    sessions = context.services.share.partitions.sessions

    def attempt(expired: bool) -> Results | None:
        """Nothing is acquired for a member whose session has ended; what that gave back has woken this fetch, too."""
        is_over = sessions.get(session.group_id, session.member_id) is not session
        return {} if is_over else fetch.attempt(expired)

    return Waiter(fetch.watched(), attempt, request.max_wait_ms).future


async def _response_later(
    request: ShareFetchRequest,
    context: RequestContext,
    session: ShareSession,
    outcomes: Outcomes | asyncio.Future[Outcomes],
    results: Results | asyncio.Future[Results],
) -> ShareFetchResponse:
    try:
        if isinstance(outcomes, asyncio.Future):
            outcomes = await outcomes
        if isinstance(results, asyncio.Future):
            results = await results
    except asyncio.CancelledError:
        if isinstance(results, asyncio.Future):
            results.cancel()  # The member is gone, and waits for nothing any more.
        raise
    return _response(request, context, session, outcomes, results)


def _response(
    request: ShareFetchRequest,
    context: RequestContext,
    session: ShareSession,
    outcomes: Outcomes,
    results: Results,
) -> ShareFetchResponse:
    """The whole answer: but for the first of a session, only partitions that have something to say."""
    partitions = context.services.share.partitions
    if request.share_session_epoch == FINAL_EPOCH:
        partitions.release_session(session.group_id, session.member_id)
    says_all = request.share_session_epoch == INITIAL_EPOCH
    leaders = CurrentLeaders(context)
    topics: dict[bytes, ShareFetchableTopicResponse] = {}
    for where in {**results, **outcomes}:
        fetched = results.get(where, NOTHING_FETCHED)
        if fetched.acquired:
            session.served(where)
        elif fetched.error is None and where not in outcomes and not says_all:
            continue
        topic = topics.get(where.topic_id)
        if topic is None:
            topic = topics[where.topic_id] = ShareFetchableTopicResponse(topic_id=where.topic_id, partitions=[])
        topic.partitions.append(_partition_data(where, fetched, outcomes.get(where), leaders))
    return ShareFetchResponse(
        throttle_time_ms=0,
        error_code=ErrorCode.NONE,
        acquisition_lock_timeout_ms=partitions.config.lock_duration_ms(session.group_id),
        responses=list(topics.values()),
        node_endpoints=[
            NodeEndpoint(node_id=node_id, host=host, port=port) for node_id, (host, port) in leaders.endpoints.items()
        ],
    )


def _partition_data(
    where: TopicIdPartition, fetched: Fetched, acknowledged: KafkaError | None, leaders: CurrentLeaders
) -> PartitionData:
    code, message = error_fields(fetched.error)
    acknowledge_code, acknowledge_message = error_fields(acknowledged)
    leader_id, leader_epoch = leaders.of(where, code)
    return PartitionData(
        partition_index=where.partition,
        error_code=code,
        error_message=message,
        acknowledge_error_code=acknowledge_code,
        acknowledge_error_message=acknowledge_message,
        current_leader=LeaderIdAndEpoch(leader_id=leader_id, leader_epoch=leader_epoch),
        records=fetched.data,
        acquired_records=[
            AcquiredRecords(first_offset=first, last_offset=last, delivery_count=deliveries)
            for first, last, deliveries in fetched.acquired
        ],
    )
