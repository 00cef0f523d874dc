"""ShareAcknowledge: acknowledgements without a fetch, and each one that is refused."""

from __future__ import annotations

import pytest

from kwire.errors import ErrorCode
from tests.api.served import Served, batch
from tests.api.share_client import ACCEPT, REJECT, RELEASE, RENEW, acquired, advance, joined, outcome


def test_a_life_of_records(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a", b"b", b"c", b"d"))
    client = joined(served, "t")
    client.fetch(topic_id)
    response = client.acknowledge(topic_id, 0, (0, 0, ACCEPT), (1, 2, RELEASE), (3, 3, REJECT))
    assert (outcome(response), response.acquisition_lock_timeout_ms) == (ErrorCode.NONE, 30_000)
    assert acquired(client.fetch()) == [(1, 2, 2)]
    advance(served, 20_000)
    assert outcome(client.acknowledge(topic_id, 0, (1, 2, RENEW), is_renew_ack=True)) == ErrorCode.NONE
    advance(served, 29_000)
    assert outcome(client.acknowledge(topic_id, 0, (1, 2, ACCEPT))) == ErrorCode.NONE


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([(3, 2, ACCEPT)], ErrorCode.INVALID_REQUEST),
        ([(2, 2, ACCEPT), (1, 1, ACCEPT)], ErrorCode.INVALID_REQUEST),
        ([(0, 0, 5)], ErrorCode.INVALID_REQUEST),
        ([(0, 0, -1)], ErrorCode.INVALID_REQUEST),
        ([(0, 0, RENEW)], ErrorCode.INVALID_REQUEST),  # The request does not say that it renews.
        ([(0, 4, ACCEPT)], ErrorCode.INVALID_REQUEST),  # Beyond what was acquired.
        ([(4, 4, ACCEPT)], ErrorCode.INVALID_REQUEST),
    ],
)
def test_what_makes_no_sense(served: Served, said: list[tuple[int, int, int]], code: ErrorCode) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a", b"b", b"c", b"d"))
    client = joined(served, "t")
    client.fetch(topic_id)
    assert outcome(client.acknowledge(topic_id, 0, *said)) == code
    # Nothing of it has held.
    assert outcome(client.acknowledge(topic_id, 0, (0, 3, ACCEPT))) == ErrorCode.NONE


def test_records_that_are_not_the_members(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a"), batch(b"b"))
    first, second = joined(served, "t", member="a"), joined(served, "t", member="b")
    first.fetch(topic_id)
    second.fetch(topic_id)
    assert outcome(second.acknowledge(topic_id, 0, (0, 1, ACCEPT))) == ErrorCode.INVALID_RECORD_STATE
    assert outcome(first.acknowledge(topic_id, 0, (0, 0, ACCEPT))) == ErrorCode.NONE
    # What is done with already is no news: it may have been said before.
    assert outcome(first.acknowledge(topic_id, 0, (0, 0, ACCEPT))) == ErrorCode.NONE
    assert outcome(first.acknowledge(topic_id, 0, (1, 1, RELEASE))) == ErrorCode.NONE
    assert outcome(first.acknowledge(topic_id, 0, (1, 1, ACCEPT))) == ErrorCode.INVALID_RECORD_STATE


def test_sessions(served: Served) -> None:
    topic_id = served.create_topic("t")
    served.fill("t", batch(b"a", b"b"))
    client = joined(served, "t")
    said = (0, 0, ACCEPT)
    assert client.acknowledge(topic_id, 0, said, epoch=0).error_code == ErrorCode.INVALID_SHARE_SESSION_EPOCH
    assert client.acknowledge(topic_id, 0, said, epoch=1).error_code == ErrorCode.SHARE_SESSION_NOT_FOUND
    client.fetch(topic_id)
    assert client.acknowledge(topic_id, 0, said, epoch=7).error_code == ErrorCode.INVALID_SHARE_SESSION_EPOCH
    assert outcome(client.acknowledge(topic_id, 0, said, epoch=-1)) == ErrorCode.NONE
    assert client.acknowledge(topic_id, 0, said, epoch=-1).error_code == ErrorCode.SHARE_SESSION_NOT_FOUND
    assert acquired(joined(served, "t", member="other").fetch(topic_id)) == [(1, 1, 1)]


def test_partitions_that_are_not_read(served: Served) -> None:
    topic_id = served.create_topic("t", 2)
    client = joined(served, "t")
    client.fetch(topic_id)
    assert outcome(client.acknowledge(topic_id, 1, (0, 0, ACCEPT))) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert outcome(client.acknowledge(topic_id, 9, (0, 0, ACCEPT))) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert outcome(client.acknowledge(b"\x09" * 16, 0, (0, 0, ACCEPT))) == ErrorCode.UNKNOWN_TOPIC_ID
    assert outcome(client.acknowledge(topic_id, 0)) == ErrorCode.NONE
