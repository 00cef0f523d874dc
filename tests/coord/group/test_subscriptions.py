"""What the coordinator reads in consumers' metadata, from friends and strangers."""

from __future__ import annotations

import pytest

from kwire.coord.group.subscriptions import subscribed_topics
from kwire.wire.codec import encode_prefixed
from kwire.wire.messages.consumer_protocol import ConsumerProtocolSubscription


def subscription(*topics: str, version: int) -> bytes:
    return encode_prefixed(ConsumerProtocolSubscription(topics=list(topics), user_data=b"x", rack_id=None), version)


@pytest.mark.parametrize("version", range(4))
def test_every_version_starts_like_the_first(version: int) -> None:
    members = [subscription("a", "b", version=version), subscription("b", "c", version=0), subscription(version=0)]
    assert subscribed_topics(members) == {"a", "b", "c"}


def test_a_version_that_nobody_has_heard_of() -> None:
    data = b"\x7f\xff" + subscription("a", version=3)[2:] + b"more"
    assert subscribed_topics([data]) == {"a"}


def test_nobody_subscribes_to_nothing() -> None:
    assert subscribed_topics([]) == frozenset()


def test_cut_anywhere() -> None:
    whole = subscription("topic", version=0)
    for end in range(len(whole) - len(b"\x00\x00\x00\x01x")):
        assert subscribed_topics([subscription("a", version=0), whole[:end]]) is None


@pytest.mark.parametrize(
    "data", [b"\x00\x00\x7f\xff\xff\xff", b"\x00\x00\xff\xff\xff\xff", b"\x00\x00\x00\x00\x00\x01\x00\x01\xff"]
)
def test_lies(data: bytes) -> None:
    assert subscribed_topics([data]) is None
