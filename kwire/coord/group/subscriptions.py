"""What consumers say in a group's protocol metadata, as far as the coordinator looks into it."""

from __future__ import annotations

from collections.abc import Iterable

from kwire.wire.codec import decode
from kwire.wire.messages.consumer_protocol import ConsumerProtocolSubscription
from kwire.wire.primitives import WireError

CONSUMER_PROTOCOL_TYPE = "consumer"

VERSION_BYTES = 2


def subscribed_topics(subscriptions: Iterable[bytes]) -> frozenset[str] | None:
    """The topics of all subscriptions together, None if one of them is no consumer's.

    A subscription starts with its version; version 0 is the beginning of every later one, so that a coordinator reads
    the topics of consumers that are newer than itself (apache/kafka `ConsumerProtocol`).
    """
    topics: set[str] = set()
    try:
        for subscription in subscriptions:
            topics.update(_read_topics(subscription))
    except WireError:
        return None
    return frozenset(topics)


def _read_topics(subscription: bytes) -> list[str]:
    if len(subscription) < VERSION_BYTES:
        raise WireError("a subscription without its version")
    return decode(ConsumerProtocolSubscription, 0, subscription, VERSION_BYTES).topics
