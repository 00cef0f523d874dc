"""FindCoordinator (key 10), versions 0-6.

v1 kinds of coordinators (KIP-98); v4 several keys at once (KIP-699); v6 share coordinators (KIP-932).

Only groups have a coordinator so far. Their topic, `__consumer_offsets`, is created by the first question for it, and
the answer waits for that; Apache Kafka answers COORDINATOR_NOT_AVAILABLE first, and a new client pauses for its retry.
Transactional ids and share keys are answered with an error that clients take as final, and a text that says why; with
COORDINATOR_NOT_AVAILABLE they would ask again until they time out, and never show the text. For share keys that is
INVALID_REQUEST, as from an Apache Kafka without share groups; for transactional ids it has to be
TRANSACTIONAL_ID_AUTHORIZATION_FAILED, because librdkafka repeats the question after any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from kwire.api.context import RequestContext
from kwire.api.endpoints import endpoint_for
from kwire.coord.group.coordinator import GROUP_METADATA_TOPIC
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.find_coordinator import Coordinator, FindCoordinatorRequest, FindCoordinatorResponse

GROUP = 0
TRANSACTION = 1
SHARE = 2

FIRST_VERSION_WITH_KEYS = 4
NO_NODE_ID = -1

NOT_SERVED = {
    TRANSACTION: (ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "This broker has no transactions yet."),
    SHARE: (ErrorCode.INVALID_REQUEST, "This broker has no share groups yet."),
}


def handle(
    request: FindCoordinatorRequest, context: RequestContext
) -> FindCoordinatorResponse | Coroutine[None, None, FindCoordinatorResponse]:
    """The broker that coordinates each key: at once, or when the internal topic has been created."""
    asks_for_something = bool(request.coordinator_keys) or context.api_version < FIRST_VERSION_WITH_KEYS
    if request.key_type == GROUP and asks_for_something and not context.services.groups.topic_exists:
        return _answer_when_created(request, context)
    return _answer(request, context)


def error_response(request: FindCoordinatorRequest, code: ErrorCode, message: str | None) -> FindCoordinatorResponse:
    """Every key of the request answered with `code`."""
    refusal = KafkaError(code, message)
    if request.coordinator_keys:
        return FindCoordinatorResponse(coordinators=[_refused(key, refusal) for key in request.coordinator_keys])
    return _single(_refused(request.key, refusal))


async def _answer_when_created(request: FindCoordinatorRequest, context: RequestContext) -> FindCoordinatorResponse:
    try:
        await asyncio.shield(asyncio.ensure_future(context.services.groups.ensure_topic()))
    except KafkaError as error:
        text = f"{GROUP_METADATA_TOPIC} could not be created: {error}"
        return error_response(request, ErrorCode.COORDINATOR_NOT_AVAILABLE, text)
    return _answer(request, context)


def _answer(request: FindCoordinatorRequest, context: RequestContext) -> FindCoordinatorResponse:
    if context.api_version >= FIRST_VERSION_WITH_KEYS:
        found = [_find(key, request.key_type, context) for key in request.coordinator_keys]
        return FindCoordinatorResponse(coordinators=found)
    single = _find(request.key, request.key_type, context)
    if single.error_code == ErrorCode.NONE:
        single.error_message = "NONE"  # What Apache Kafka says in these versions when nothing is wrong.
    return _single(single)


def _find(key: str, key_type: int, context: RequestContext) -> Coordinator:
    try:
        if key_type != GROUP:
            code, text = NOT_SERVED.get(key_type, (ErrorCode.INVALID_REQUEST, f"Unknown key type {key_type}."))
            raise KafkaError(code, text)
        return _find_group(key, context)
    except KafkaError as error:
        return _refused(key, error)


def _find_group(group_id: str, context: RequestContext) -> Coordinator:
    """The leader of the group's partition; COORDINATOR_NOT_AVAILABLE while there is none that this client can reach."""
    services = context.services
    topic = services.metadata.topics.get(GROUP_METADATA_TOPIC)
    partition = services.groups.partition_for(group_id)
    if topic is None or not 0 <= partition < len(topic.partitions):
        raise KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    broker = services.metadata.brokers.get(topic.partitions[partition].leader)
    endpoint = None if broker is None else endpoint_for(broker, context)
    if broker is None or endpoint is None:
        raise KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    host, port = endpoint
    return Coordinator(
        key=group_id, node_id=broker.id, host=host, port=port, error_code=ErrorCode.NONE, error_message=""
    )


def _refused(key: str, error: KafkaError) -> Coordinator:
    return Coordinator(
        key=key, node_id=NO_NODE_ID, host="", port=-1, error_code=error.code, error_message=error.message or ""
    )


def _single(found: Coordinator) -> FindCoordinatorResponse:
    """The answer of v0-3, where the response itself is the one coordinator."""
    return FindCoordinatorResponse(
        error_code=found.error_code,
        error_message=found.error_message,
        node_id=found.node_id,
        host=found.host,
        port=found.port,
    )
