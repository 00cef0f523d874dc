"""What consumers say in a group's protocol metadata, as far as the coordinator looks into it.

A subscription, and an assignment, starts with its version; an older version is the beginning of every later one, so
that a coordinator reads those of consumers that are newer than itself (apache/kafka `ConsumerProtocol`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from kwire.coord.group.modern.assignment import Partitions
from kwire.coord.group.modern.topics import TopicDirectory
from kwire.wire.codec import decode, encode_prefixed
from kwire.wire.messages.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    TopicPartition,
)
from kwire.wire.primitives import WireError

CONSUMER_PROTOCOL_TYPE = "consumer"

VERSION_BYTES = 2
HIGHEST_VERSION = 3

M = TypeVar("M", ConsumerProtocolAssignment, ConsumerProtocolSubscription)


def subscribed_topics(subscriptions: Iterable[bytes]) -> frozenset[str] | None:
    """The topics of all subscriptions together, None if one of them is no consumer's."""
    topics: set[str] = set()
    try:
        for subscription in subscriptions:
            topics.update(_read(ConsumerProtocolSubscription, subscription, highest_version=0).topics)
    except WireError:
        return None
    return frozenset(topics)


def read_subscription(metadata: bytes) -> ConsumerProtocolSubscription:
    """All of a subscription. Raises WireError if it is none."""
    return _read(ConsumerProtocolSubscription, metadata)


def read_assignment(assignment: bytes) -> ConsumerProtocolAssignment:
    """What a leader gave a member. Raises WireError if it is no consumer's assignment."""
    return _read(ConsumerProtocolAssignment, assignment)


def encode_assignment(target: Partitions, subscription: bytes, topics: TopicDirectory) -> bytes:
    """Partitions of topics that exist, in the version of the member's own subscription. Raises WireError."""
    named = [
        TopicPartition(topic=topic.name, partitions=sorted(partitions))
        for topic_id, partitions in target.items()
        if (topic := topics.topic_by_id(topic_id)) is not None
    ]
    named.sort(key=lambda part: part.topic)
    return encode_prefixed(ConsumerProtocolAssignment(assigned_partitions=named), _version(subscription))


def _version(data: bytes, highest_version: int = HIGHEST_VERSION) -> int:
    if len(data) < VERSION_BYTES:
        raise WireError("a consumer's protocol data without its version")
    version = int.from_bytes(data[:VERSION_BYTES], signed=True)
    if version < 0:
        raise WireError(f"version {version} of a consumer's protocol data")
    return min(version, highest_version)


def _read(message: type[M], data: bytes, highest_version: int = HIGHEST_VERSION) -> M:
    return decode(message, _version(data, highest_version), data, VERSION_BYTES)
