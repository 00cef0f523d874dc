"""Metadata (key 3), versions 0-13: who the brokers are, and who leads the partitions of which topics.

v1 controller, racks, "no topics" as an empty list (an empty list in v0 is all); v2 cluster id; v4 the client may forbid
auto-creation (KIP-204); v5 offline replicas; v7 leader epochs (KIP-320); v8 authorized operations (KIP-430); v10 topic
ids in responses and v12 in requests (KIP-516); v11 no cluster operations any more (KIP-700); v13 a top-level error
(KIP-1102).

An unknown topic that may be created is created at once and answered with its leader in this very response; Apache Kafka
answers an error first and creates behind the client's back. There is no authorizer yet: all operations are allowed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable

from kwire.api.context import RequestContext
from kwire.api.endpoints import endpoint_for
from kwire.cluster.controller.validation import check_topic_name
from kwire.cluster.metadata_cache import INTERNAL_TOPICS, BrokerImage, MetadataCache, PartitionImage, TopicImage
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import ZERO_UUID
from kwire.wire.messages.metadata import (
    MetadataRequest,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)

OPERATIONS_NOT_ASKED = -2147483648
ALL_TOPIC_OPERATIONS = 3576
"""READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS, each as the bit of its ACL code."""
ALL_CLUSTER_OPERATIONS = 8096
"""CREATE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE, likewise."""

FIRST_VERSION_WITH_LISTENER_ERRORS = 6
FIRST_VERSION_BY_TOPIC_ID = 12


def handle(request: MetadataRequest, context: RequestContext) -> MetadataResponse | Awaitable[MetadataResponse]:
    """Answers at once, unless a topic is to be created first."""
    topics = request.topics
    cache = context.services.metadata
    if topics is None or (context.api_version == 0 and not topics):
        shown = [_topic(image, request, context) for image in cache.topics.values()]
        return _response(shown, request, context)
    names = _asked_names(request, context)
    lacking = [name for name in names if isinstance(name, str) and name not in cache.topics and _is_legal(name)]
    if lacking and request.allow_auto_topic_creation and context.services.config.get("auto.create.topics.enable"):
        return _create_first(lacking, names, request, context)
    return _response([_asked(name, request, context) for name in names], request, context)


def error_response(request: MetadataRequest, code: ErrorCode, message: str | None) -> MetadataResponse:
    """The error for each topic that was asked for, and nothing else; from v13 at the top too.

    A topic without a name has an empty one here: before v12 the answer has no null.
    """
    topics = [
        MetadataResponseTopic(error_code=code, name=topic.name or "", topic_id=topic.topic_id, partitions=[])
        for topic in request.topics or []
    ]
    return MetadataResponse(brokers=[], topics=topics, error_code=code)


def _asked_names(request: MetadataRequest, context: RequestContext) -> list[str | bytes]:
    """What was asked for, once each: names, or topic ids. Raises for what the version cannot ask."""
    asked: dict[str | bytes, None] = {}
    for topic in request.topics or []:
        if context.api_version < FIRST_VERSION_BY_TOPIC_ID:
            if topic.name is None:
                raise KafkaError(ErrorCode.INVALID_REQUEST, "Before version 12, every topic has a name.")
            if topic.topic_id != ZERO_UUID:
                raise KafkaError(ErrorCode.INVALID_REQUEST, "Before version 12, topics are asked for by name.")
            asked[topic.name] = None
        elif topic.topic_id != ZERO_UUID:
            asked[topic.topic_id] = None
        elif topic.name is not None:
            asked[topic.name] = None
        else:
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, "A topic was asked for without name and id.")
    return list(asked)


async def _create_first(
    lacking: list[str], names: list[str | bytes], request: MetadataRequest, context: RequestContext
) -> MetadataResponse:
    """A creation that fails leaves the topic unknown to the client, as in Apache Kafka 4; the reason is in the log."""
    try:
        await context.services.controller.auto_create(lacking)
    except KafkaError as error:
        if error.code is not ErrorCode.NOT_CONTROLLER:
            raise
    return _response([_asked(name, request, context) for name in names], request, context)


def _response(
    topics: list[MetadataResponseTopic], request: MetadataRequest, context: RequestContext
) -> MetadataResponse:
    cache = context.services.metadata
    asked = request.include_cluster_authorized_operations
    return MetadataResponse(
        brokers=list(_brokers(cache.brokers.values(), context)),
        cluster_id=cache.cluster_id,
        controller_id=cache.controller_id,
        topics=topics,
        cluster_authorized_operations=ALL_CLUSTER_OPERATIONS if asked else OPERATIONS_NOT_ASKED,
    )


def _brokers(brokers: Iterable[BrokerImage], context: RequestContext) -> Iterable[MetadataResponseBroker]:
    for broker in brokers:
        endpoint = endpoint_for(broker, context)
        if endpoint is not None:
            host, port = endpoint
            yield MetadataResponseBroker(node_id=broker.id, host=host, port=port, rack=broker.rack)


def _is_legal(name: str) -> bool:
    try:
        check_topic_name(name)
    except KafkaError:
        return False
    return True


def _asked(name: str | bytes, request: MetadataRequest, context: RequestContext) -> MetadataResponseTopic:
    cache = context.services.metadata
    if isinstance(name, bytes):
        image = cache.topic_by_id(name)
        if image is None:
            return MetadataResponseTopic(error_code=ErrorCode.UNKNOWN_TOPIC_ID, name=None, topic_id=name, partitions=[])
        return _topic(image, request, context)
    image = cache.topics.get(name)
    if image is not None:
        return _topic(image, request, context)
    legal = _is_legal(name)
    return MetadataResponseTopic(
        error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if legal else ErrorCode.INVALID_TOPIC_EXCEPTION,
        name=name,
        is_internal=name in INTERNAL_TOPICS,
        partitions=[],
    )


def _topic(image: TopicImage, request: MetadataRequest, context: RequestContext) -> MetadataResponseTopic:
    """A topic's part of the response. It is built once per image, and must not be changed by whoever gets it."""
    cache = context.services.metadata
    listener_name = context.connection.listener_name
    version = context.api_version
    listener_errors = version >= FIRST_VERSION_WITH_LISTENER_ERRORS
    key = (listener_name, version == 0, listener_errors, request.include_topic_authorized_operations)
    generation, known = image.derived.get("metadata", (-1, {}))
    if generation != cache.generation:
        known = {}
        image.derived["metadata"] = (cache.generation, known)
    topic: MetadataResponseTopic | None = known.get(key)
    if topic is None:
        asked = request.include_topic_authorized_operations
        topic = known[key] = MetadataResponseTopic(
            error_code=ErrorCode.NONE,
            name=image.name,
            topic_id=image.topic_id,
            is_internal=image.is_internal,
            partitions=[
                _partition(partition, cache, listener_name, only_live=version == 0, listener_errors=listener_errors)
                for partition in image.partitions
            ],
            topic_authorized_operations=ALL_TOPIC_OPERATIONS if asked else OPERATIONS_NOT_ASKED,
        )
    return topic


def _partition(
    partition: PartitionImage, cache: MetadataCache, listener_name: str, *, only_live: bool, listener_errors: bool
) -> MetadataResponsePartition:
    """apache/kafka `MetadataCache.getPartitionMetadata`: v0 (`only_live`) hides replicas that cannot be reached."""
    replicas, isr = partition.replicas, partition.isr
    if only_live:
        replicas = [replica for replica in replicas if _serves(cache, replica, listener_name)]
        isr = [replica for replica in isr if _serves(cache, replica, listener_name)]
    code, leader = ErrorCode.NONE, partition.leader
    if leader not in cache.brokers:
        code, leader = ErrorCode.LEADER_NOT_AVAILABLE, -1
    elif not _serves(cache, leader, listener_name):
        code, leader = (ErrorCode.LISTENER_NOT_FOUND if listener_errors else ErrorCode.LEADER_NOT_AVAILABLE), -1
    elif len(replicas) < len(partition.replicas) or len(isr) < len(partition.isr):
        code = ErrorCode.REPLICA_NOT_AVAILABLE
    return MetadataResponsePartition(
        error_code=code,
        partition_index=partition.index,
        leader_id=leader,
        leader_epoch=partition.leader_epoch,
        replica_nodes=replicas,
        isr_nodes=isr,
        offline_replicas=cache.offline_replicas(partition),
    )


def _serves(cache: MetadataCache, broker_id: int, listener_name: str) -> bool:
    broker = cache.brokers.get(broker_id)
    return broker is not None and listener_name in broker.endpoints
