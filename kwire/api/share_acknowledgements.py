"""Acknowledgements as ShareFetch and ShareAcknowledge bring them: checked, handed on, and what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from kwire.api.context import RequestContext
from kwire.api.endpoints import endpoint_for
from kwire.errors import ErrorCode, KafkaError
from kwire.share.acknowledging import AcknowledgementBatch, check_batches
from kwire.share.manager import Outcomes
from kwire.share.sessions import TopicIdPartition

MAX_MEMBER_ID_LENGTH = 36
FIRST_VERSION_WITH_RENEWAL = 2

Said: TypeAlias = dict[TopicIdPartition, Sequence[AcknowledgementBatch]]


def check_member_id(member_id: str | None) -> str:
    """The id of a member. Raises INVALID_REQUEST."""
    if not member_id or len(member_id) > MAX_MEMBER_ID_LENGTH:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Invalid member id in the request.")
    return member_id


def acknowledge(
    said: Said, group_id: str, member_id: str, context: RequestContext, *, is_renewal: bool
) -> Outcomes | asyncio.Future[Outcomes]:
    """Carry out what can be; per partition INVALID_REQUEST, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION, and what
    `SharePartitionManager.acknowledge` names.
    """
    metadata = context.services.metadata
    outcomes: Outcomes = {}
    sound: Said = {}
    for where, batches in said.items():
        topic = metadata.topic_by_id(where.topic_id)
        try:
            if topic is None:
                raise KafkaError(ErrorCode.UNKNOWN_TOPIC_ID)
            knows_renewal = context.api_version >= FIRST_VERSION_WITH_RENEWAL
            check_batches(batches, is_renewal=is_renewal, knows_renewal=knows_renewal)
            metadata.partition(topic.name, where.partition)
        except KafkaError as error:
            outcomes[where] = error
            continue
        if batches:
            sound[where] = batches
        else:
            outcomes[where] = None
    if not sound:
        return outcomes
    settled: list[Outcomes] = []
    waiting: list[asyncio.Future[Outcomes]] = []

    def done(found: Outcomes) -> None:
        outcomes.update(found)
        settled.append(outcomes)
        if waiting and not waiting[0].done():
            waiting[0].set_result(outcomes)

    context.services.share.partitions.acknowledge(group_id, member_id, sound, done)
    if settled:
        return outcomes
    waiting.append(asyncio.get_running_loop().create_future())
    return waiting[0]


def error_fields(error: KafkaError | None) -> tuple[ErrorCode, str | None]:
    """Code and text of what became of a partition."""
    return (ErrorCode.NONE, None) if error is None else (error.code, error.message)


class CurrentLeaders:
    """Tells members of partitions that are led elsewhere by now who leads them (KIP-951's way)."""

    __slots__ = ("_context", "endpoints")

    def __init__(self, context: RequestContext) -> None:
        self._context = context
        self.endpoints: dict[int, tuple[str, int]] = {}

    def of(self, where: TopicIdPartition, code: ErrorCode) -> tuple[int, int]:
        """The leader's id and epoch if the error is about that, 0 and 0 (which says nothing) otherwise."""
        if code not in (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH):
            return 0, 0
        metadata = self._context.services.metadata
        topic = metadata.topic_by_id(where.topic_id)
        if topic is None or where.partition >= len(topic.partitions):
            return -1, -1
        partition = topic.partitions[where.partition]
        broker = metadata.brokers.get(partition.leader)
        endpoint = None if broker is None else endpoint_for(broker, self._context)
        if endpoint is not None:
            self.endpoints[partition.leader] = endpoint
        return partition.leader, partition.leader_epoch


def partitions_named(topics: Iterable[Any]) -> list[TopicIdPartition]:
    """The partitions of a request, by id, in its order."""
    return [
        TopicIdPartition(topic.topic_id, partition.partition_index)
        for topic in topics
        for partition in topic.partitions
    ]


def acknowledgements_in(topics: Iterable[Any]) -> Said:
    """What a request says of each of its partitions."""
    return {
        TopicIdPartition(topic.topic_id, partition.partition_index): partition.acknowledgement_batches
        for topic in topics
        for partition in topic.partitions
    }
