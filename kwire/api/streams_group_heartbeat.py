"""StreamsGroupHeartbeat (key 88), version 0: members of Streams groups join, live on and leave (KIP-1071).

The internal topics of an application are created here, as the group coordinator describes them. Apache Kafka answers
MISSING_INTERNAL_TOPICS at once, and the member comes back after its heartbeat interval; here the topics exist a moment
later, so that the member's next heartbeat is played within this one, and the application starts without that wait.
What cannot be created is said in the status.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable

from kwire.api.context import RequestContext
from kwire.api.join_group import java_address
from kwire.cluster.controller.core import NewTopic
from kwire.cluster.controller.validation import check_topic_name
from kwire.cluster.metadata_cache import INTERNAL_TOPICS
from kwire.coord.group.streams.coordinator import streams_group_heartbeat
from kwire.coord.group.streams.groups import HeartbeatResult, heartbeat_refused
from kwire.coord.group.streams.internal_topics import InternalTopic, Status
from kwire.coord.group.streams.member import Requester
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.streams_group_heartbeat import (
    StreamsGroupHeartbeatRequest,
    StreamsGroupHeartbeatResponse,
    Topology,
)

PROTOCOLS_OPTION = "group.coordinator.rebalance.protocols"


def handle(
    request: StreamsGroupHeartbeatRequest, context: RequestContext
) -> StreamsGroupHeartbeatResponse | Coroutine[None, None, StreamsGroupHeartbeatResponse]:
    """The member's epoch, its tasks if they have changed, and what keeps the application from running."""
    if "streams" not in context.services.config.list(PROTOCOLS_OPTION):
        return heartbeat_refused(KafkaError(ErrorCode.UNSUPPORTED_VERSION))
    try:
        if request.topology is not None:
            _check_names(request.topology)
    except KafkaError as error:
        return heartbeat_refused(error)
    requester = Requester(context.client_id or "", java_address(context.connection.peer_host))
    answer = streams_group_heartbeat(context.services.groups, request, requester)
    if isinstance(answer, HeartbeatResult) and not answer.missing_topics:
        return answer.response
    return _with_topics(answer, request, requester, context)


def error_response(
    request: StreamsGroupHeartbeatRequest, code: ErrorCode, message: str | None
) -> StreamsGroupHeartbeatResponse:
    """Refused with `code`."""
    return heartbeat_refused(KafkaError(code, message))


def _check_names(topology: Topology) -> None:
    """Raises STREAMS_INVALID_TOPOLOGY for names that no topic may have, and for the broker's own topics."""
    names = {
        name
        for part in topology.subtopologies
        for name in (
            *part.source_topics,
            *part.repartition_sink_topics,
            *(info.name for info in part.repartition_source_topics),
            *(info.name for info in part.state_changelog_topics),
        )
    }
    own = sorted(names & INTERNAL_TOPICS)
    if own:
        text = f"Use of Kafka internal topics {','.join(own)} in a Kafka Streams topology is prohibited."
        raise KafkaError(ErrorCode.STREAMS_INVALID_TOPOLOGY, text)
    invalid = sorted(name for name in names if not _is_valid(name))
    if invalid:
        text = f"Topic names {','.join(invalid)} are not valid topic names."
        raise KafkaError(ErrorCode.STREAMS_INVALID_TOPOLOGY, text)


def _is_valid(name: str) -> bool:
    try:
        check_topic_name(name)
    except KafkaError:
        return False
    return True


async def _with_topics(
    answer: HeartbeatResult | asyncio.Future[HeartbeatResult],
    request: StreamsGroupHeartbeatRequest,
    requester: Requester,
    context: RequestContext,
) -> StreamsGroupHeartbeatResponse:
    """The answer; if topics were missing, that of the heartbeat after their creation."""
    response, missing = answer if isinstance(answer, HeartbeatResult) else await answer
    if not missing:
        return response
    failures = await _create(missing, context)
    if failures:
        for status in response.status or ():
            if status.status_code == Status.MISSING_INTERNAL_TOPICS:
                status.status_detail += f"; Creation failed: {', '.join(failures)}."
        return response
    again = streams_group_heartbeat(context.services.groups, _next_heartbeat(request, response), requester)
    later = again if isinstance(again, HeartbeatResult) else await again
    return response if later.response.error_code else _as_answer_to(response, later.response)


async def _create(missing: Iterable[InternalTopic], context: RequestContext) -> list[str]:
    """Create the topics; what failed, with its reason. A topic that somebody else was faster with has not."""
    topics = [
        NewTopic(topic.name, topic.partitions, topic.replication_factor, (), dict(topic.configs)) for topic in missing
    ]
    results = await context.services.controller.create_topics(topics)
    return [
        f"{result.name} ({result.error.message})"
        for result in results
        if result.error is not None and result.error.code is not ErrorCode.TOPIC_ALREADY_EXISTS
    ]


def _next_heartbeat(
    request: StreamsGroupHeartbeatRequest, response: StreamsGroupHeartbeatResponse
) -> StreamsGroupHeartbeatRequest:
    """What the member would send next; of what it has it says no more than in this one."""
    return StreamsGroupHeartbeatRequest(
        group_id=request.group_id,
        member_id=request.member_id,
        member_epoch=response.member_epoch,
        endpoint_information_epoch=request.endpoint_information_epoch,
        active_tasks=request.active_tasks,
        standby_tasks=request.standby_tasks,
        warmup_tasks=request.warmup_tasks,
    )


def _as_answer_to(
    first: StreamsGroupHeartbeatResponse, later: StreamsGroupHeartbeatResponse
) -> StreamsGroupHeartbeatResponse:
    """The later answer, with the tasks of the first if there is nothing newer to say of them."""
    if later.active_tasks is None:
        later.active_tasks, later.standby_tasks = first.active_tasks, first.standby_tasks
        later.warmup_tasks = first.warmup_tasks
    return later
