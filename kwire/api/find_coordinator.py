"""FindCoordinator (key 10), versions 0-6.

v1 kinds of coordinators (KIP-98); v4 several keys at once (KIP-699); v6 share coordinators (KIP-932), whose keys have
the form `group:topicId:partition`.

The internal topic, `__consumer_offsets`, `__transaction_state` or `__share_group_state`, is created by the first
question for it, and the answer waits for that; Apache Kafka answers COORDINATOR_NOT_AVAILABLE first, and a new client
pauses for its retry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, TypeAlias

from kwire.api.context import RequestContext
from kwire.api.endpoints import endpoint_for
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import uuid_from_text
from kwire.wire.messages.find_coordinator import Coordinator, FindCoordinatorRequest, FindCoordinatorResponse

if TYPE_CHECKING:
    from kwire.coord.group.coordinator import GroupCoordinator
    from kwire.coord.share.coordinator import ShareCoordinator
    from kwire.coord.txn.coordinator import TransactionCoordinator

GROUP = 0
TRANSACTION = 1
SHARE = 2

FIRST_VERSION_WITH_KEYS = 4
FIRST_VERSION_WITH_SHARE = 6
NO_NODE_ID = -1

AnyCoordinator: TypeAlias = "GroupCoordinator | ShareCoordinator | TransactionCoordinator"
Locator: TypeAlias = "Callable[[RequestContext], AnyCoordinator]"

COORDINATORS: dict[int, tuple[str, Locator]] = {
    GROUP: ("__consumer_offsets", lambda context: context.services.groups),
    TRANSACTION: ("__transaction_state", lambda context: context.services.transactions),
    SHARE: ("__share_group_state", lambda context: context.services.share.states),
}
"""By type of key: the topic, and who coordinates its partitions."""


def handle(
    request: FindCoordinatorRequest, context: RequestContext
) -> FindCoordinatorResponse | Coroutine[None, None, FindCoordinatorResponse]:
    """The broker that coordinates each key: at once, or when the internal topic has been created."""
    asks_for_something = bool(request.coordinator_keys) or context.api_version < FIRST_VERSION_WITH_KEYS
    if request.key_type == SHARE:
        asks_for_something = any(_is_share_key(key, context) for key in request.coordinator_keys)
    if request.key_type in COORDINATORS and asks_for_something:
        topic, coordinator_of = COORDINATORS[request.key_type]
        coordinator = coordinator_of(context)
        if not coordinator.topic_exists:
            return _answer_when_created(request, context, topic, coordinator)
    return _answer(request, context)


def error_response(request: FindCoordinatorRequest, code: ErrorCode, message: str | None) -> FindCoordinatorResponse:
    """Every key of the request answered with `code`."""
    refusal = KafkaError(code, message)
    if request.coordinator_keys:
        return FindCoordinatorResponse(coordinators=[_refused(key, refusal) for key in request.coordinator_keys])
    return _single(_refused(request.key, refusal))


async def _answer_when_created(
    request: FindCoordinatorRequest,
    context: RequestContext,
    topic: str,
    coordinator: AnyCoordinator,
) -> FindCoordinatorResponse:
    try:
        await asyncio.shield(asyncio.ensure_future(coordinator.ensure_topic()))
    except KafkaError as error:
        text = f"{topic} could not be created: {error}"
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
        if key_type not in COORDINATORS:
            raise KafkaError(ErrorCode.INVALID_REQUEST, f"Unknown key type {key_type}.")
        if key_type == SHARE and not _is_share_key(key, context):
            raise KafkaError(ErrorCode.INVALID_REQUEST, "A share key is group:topicId:partition, from version 6 on.")
        topic, coordinator_of = COORDINATORS[key_type]
        return _leader(key, topic, coordinator_of(context).partition_for(key), context)
    except KafkaError as error:
        return _refused(key, error)


def _is_share_key(key: str, context: RequestContext) -> bool:
    """Whether the key is that of a share partition, in a version that has such keys; the group may hold colons."""
    group_and_topic, _, partition = key.rpartition(":")
    group_id, _, topic_id = group_and_topic.rpartition(":")
    if context.api_version < FIRST_VERSION_WITH_SHARE or not group_id.strip() or not partition.isdecimal():
        return False
    try:
        uuid_from_text(topic_id)
    except ValueError:
        return False
    return True


def _leader(key: str, name: str, partition: int, context: RequestContext) -> Coordinator:
    """The leader of the key's partition; COORDINATOR_NOT_AVAILABLE while there is none that this client can reach."""
    services = context.services
    topic = services.metadata.topics.get(name)
    if topic is None or not 0 <= partition < len(topic.partitions):
        raise KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    broker = services.metadata.brokers.get(topic.partitions[partition].leader)
    endpoint = None if broker is None else endpoint_for(broker, context)
    if broker is None or endpoint is None:
        raise KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    host, port = endpoint
    return Coordinator(key=key, node_id=broker.id, host=host, port=port, error_code=ErrorCode.NONE, error_message="")


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
