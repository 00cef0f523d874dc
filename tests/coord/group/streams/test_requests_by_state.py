"""Requests that a Streams group must refuse, in each of its states: the code, and that nothing is changed."""

from __future__ import annotations

import pytest

from kwire.coord.group.streams.coordinator import streams_groups
from kwire.coord.group.streams.group import ASSIGNING, EMPTY, NOT_READY, RECONCILING, STABLE
from tests.coord.group.streams.player import StreamsPlayer
from tests.coord.tables import cells, check

AT_ONCE = "option group.streams.initial.rebalance.delay.ms=0 group.streams.assignment.interval.ms=0"
TOPICS = (AT_ONCE, "topic t 2", "topic r 2", "topic c 2")
JOINED = (*TOPICS, "tick a", "tick a has=0:0,1;1:0,1")
WAYS: dict[str, tuple[str, ...]] = {
    "none": TOPICS,
    EMPTY: (*TOPICS, "tick a", "tick a epoch=-1"),
    NOT_READY: (AT_ONCE, "topic t 2", "tick a"),
    ASSIGNING: (*JOINED, "option group.streams.assignment.interval.ms=1000000", "tick b"),
    RECONCILING: (*JOINED, "tick b"),
    STABLE: JOINED,
}
"""State -> how to get there."""

TABLE = """
request                        none        Empty   NotReady    Assigning   Reconciling  Stable
tick@ghost@epoch=5             ID          MEMBER  MEMBER      MEMBER      MEMBER       MEMBER
tick@ghost@epoch=-1            ID          MEMBER  MEMBER      MEMBER      MEMBER       MEMBER
tick@a@epoch=77                ID          MEMBER  FENCED      FENCED      FENCED       FENCED
tick@a@epoch=1                 ID          MEMBER  FENCED      FENCED      FENCED       FENCED
tick@a@has=9:0                 INVALID     INVALID ok          INVALID     INVALID      INVALID
tick@a@has=0:9                 INVALID     INVALID ok          INVALID     INVALID      INVALID
commit@a@t-0#5@member=a@gen=77 GENERATION  MEMBER  STALE       STALE       STALE        STALE
commit@a@t-0#5@member=ghost@gen=3 GENERATION MEMBER MEMBER     MEMBER      MEMBER       MEMBER
commit@a@t-0#5@member=none@gen=-1 NONE     NONE    MEMBER      MEMBER      MEMBER       MEMBER
txn-commit@a@t-0#5@epoch=77    GENERATION  MEMBER  GENERATION  GENERATION  GENERATION   GENERATION
txn-commit@ghost@t-0#5@epoch=3 GENERATION  MEMBER  MEMBER      MEMBER      MEMBER       MEMBER
fetch@g@t-0@member=a@epoch=77  ok          MEMBER  STALE       STALE       STALE        STALE
delete-groups@g                ID          NONE    FULL        FULL        FULL         FULL
delete-offsets@g@t-0           ID          NONE    SUBSCRIBED  SUBSCRIBED  SUBSCRIBED   SUBSCRIBED
"""

CODES = {
    "ID": "GROUP_ID_NOT_FOUND",
    "MEMBER": "UNKNOWN_MEMBER_ID",
    "FENCED": "FENCED_MEMBER_EPOCH",
    "INVALID": "INVALID_REQUEST",
    "GENERATION": "ILLEGAL_GENERATION",
    "STALE": "STALE_MEMBER_EPOCH",
    "FULL": "NON_EMPTY_GROUP",
    "SUBSCRIBED": "GROUP_SUBSCRIBED_TO_TOPIC",
}


class TablePlayer(StreamsPlayer):
    """A player of one Streams group."""

    def state_for_tests(self) -> object:
        group = streams_groups(self.shard).groups.get("g")
        return group and (group.state, group.group_epoch, dict(group.members), dict(group.targets))


def player_in(state: str) -> TablePlayer:
    player = TablePlayer()
    for line in WAYS[state]:
        player.play(line)
    group = streams_groups(player.shard).groups.get("g")
    assert (group.state if group else "none") == state
    return player


@pytest.mark.parametrize(("request_", "state", "expected"), cells(TABLE))
def test_request(request_: str, state: str, expected: str) -> None:
    check(player_in(state), request_, expected, CODES)
