"""Share sessions: epochs, turns, limits."""

from __future__ import annotations

import pytest

from kwire.errors import ErrorCode, KafkaError
from kwire.share.sessions import FINAL_EPOCH, MAX_EPOCH, ShareSessions, TopicIdPartition

PLACES = [TopicIdPartition(b"t" * 16, index) for index in range(3)]


def code_of(sessions: ShareSessions, epoch: int) -> ErrorCode:
    with pytest.raises(KafkaError) as caught:
        sessions.expect("g", "m", epoch)
    return caught.value.code


def test_each_request_has_the_next_epoch() -> None:
    sessions = ShareSessions(2)
    assert code_of(sessions, 1) is ErrorCode.SHARE_SESSION_NOT_FOUND
    session = sessions.open("g", "m", PLACES)
    assert sessions.expect("g", "m", 1) is session
    assert code_of(sessions, 1) is ErrorCode.INVALID_SHARE_SESSION_EPOCH
    assert code_of(sessions, 3) is ErrorCode.INVALID_SHARE_SESSION_EPOCH
    assert sessions.expect("g", "m", FINAL_EPOCH).epoch == 2
    session.epoch = MAX_EPOCH
    sessions.expect("g", "m", MAX_EPOCH)
    assert session.epoch == 1


def test_partitions_take_turns() -> None:
    session = ShareSessions(1).open("g", "m", PLACES)
    assert session.rotated(0) == PLACES
    assert session.rotated(1) == [PLACES[1], PLACES[2], PLACES[0]]
    assert session.rotated(3) == PLACES
    session.served(PLACES[0])
    assert session.rotated(0) == [PLACES[1], PLACES[2], PLACES[0]]
    session.served(TopicIdPartition(b"u" * 16, 0))
    assert len(session.partitions) == 3


def test_a_limit_to_sessions() -> None:
    sessions = ShareSessions(1)
    first = sessions.open("g", "m", [])
    assert sessions.open("g", "m", []) is not first  # In its own place there is room.
    with pytest.raises(KafkaError) as caught:
        sessions.open("g", "n", [])
    assert caught.value.code is ErrorCode.SHARE_SESSION_LIMIT_REACHED
    assert (len(sessions), sessions.has_members("g")) == (1, True)
    assert sessions.close("g", "n") is None
    sessions.close("g", "m")
    assert (len(sessions), sessions.has_members("g")) == (0, False)
