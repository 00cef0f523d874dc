"""Requests that a consumer group must refuse, in each of its states: the code, and that nothing is changed."""

from __future__ import annotations

import pytest

from kwire.coord.group.consumer.group import ASSIGNING, EMPTY, RECONCILING, STABLE
from tests.coord.group.script import Player
from tests.coord.tables import Cell, cells, check

JOINED = (
    "config consumer_assignment_interval_ms=0",
    "topic t 2",
    "beat a",
    "beat s instance=i topics=t",
    "beat a owns=-",
    "beat s instance=i owns=-",
)
WAYS: dict[str, tuple[str, ...]] = {
    "none": ("topic t 2",),
    EMPTY: ("topic t 2", "beat a", "beat a epoch=-1", "commit x t-0@1 member=none gen=-1"),
    ASSIGNING: (*JOINED, "config consumer_assignment_interval_ms=1000000", "beat b"),
    RECONCILING: (*JOINED, "topic t 4", "beat b"),
    STABLE: JOINED,
}
"""State -> how to get there: `a` is a member, `s` one with the instance id `i`."""

TABLE = """
request                                none        Empty   Assigning   Reconciling Stable
beat@ghost@epoch=5                     ID          MEMBER  MEMBER      MEMBER      MEMBER
beat@ghost@epoch=-1                    ID          MEMBER  MEMBER      MEMBER      MEMBER
beat@a@epoch=77                        ID          MEMBER  FENCED      FENCED      FENCED
beat@a@epoch=1                         ID          MEMBER  FENCED      FENCED      FENCED
beat@ghost@epoch=5@instance=j          ID          MEMBER  MEMBER      MEMBER      MEMBER
beat@ghost@epoch=-2@instance=j         ID          MEMBER  MEMBER      MEMBER      MEMBER
beat@ghost@epoch=0@instance=i          ok          ok      UNRELEASED  UNRELEASED  UNRELEASED
beat@ghost@epoch=5@instance=i          ID          MEMBER  INSTANCE    INSTANCE    INSTANCE
beat@ghost@epoch=-1@instance=i         ID          MEMBER  INSTANCE    INSTANCE    INSTANCE
beat@ghost@epoch=-2@instance=i         ID          MEMBER  INSTANCE    INSTANCE    INSTANCE
beat@s@epoch=77@instance=i             ID          MEMBER  FENCED      FENCED      FENCED
beat@ghost@epoch=0@regex=(             REGEX       REGEX   REGEX       REGEX       REGEX
sync@a@member=a@gen=3                  MEMBER      MEMBER  MEMBER      MEMBER      MEMBER
sync@a@member=ghost@gen=3              MEMBER      MEMBER  MEMBER      MEMBER      MEMBER
sync@a@member=ghost@instance=i@gen=3   MEMBER      MEMBER  INSTANCE    INSTANCE    INSTANCE
heartbeat@a@member=a@gen=3             MEMBER      MEMBER  MEMBER      MEMBER      MEMBER
heartbeat@a@member=ghost@gen=3         MEMBER      MEMBER  MEMBER      MEMBER      MEMBER
heartbeat@a@member=ghost@instance=i@gen=3 MEMBER   MEMBER  INSTANCE    INSTANCE    INSTANCE
leave@a@member=ghost                   MEMBER      MEMBER  MEMBER      MEMBER      MEMBER
leave@a@member=ghost@instance=i        MEMBER      MEMBER  INSTANCE    INSTANCE    INSTANCE
join@a@type=connect                    -           -       PROTOCOL    PROTOCOL    PROTOCOL
join@a@protocols=                      -           -       PROTOCOL    PROTOCOL    PROTOCOL
commit@a@t-0#5@member=a@gen=77         GENERATION  MEMBER  STALE       STALE       STALE
commit@a@t-0#5@member=a@gen=1          GENERATION  MEMBER  STALE       STALE       STALE
commit@a@t-0#5@member=ghost@gen=3      GENERATION  MEMBER  MEMBER      MEMBER      MEMBER
commit@a@t-0#5@member=none@gen=-1      NONE        NONE    MEMBER      MEMBER      MEMBER
fetch@g@t-0@member=a@epoch=77          ok          MEMBER  STALE       STALE       STALE
fetch@g@t-0@member=ghost@epoch=3       ok          MEMBER  MEMBER      MEMBER      MEMBER
delete-groups@g                        ID          NONE    FULL        FULL        FULL
delete-offsets@g@t-0                   ID          NONE    SUBSCRIBED  SUBSCRIBED  SUBSCRIBED
"""

CODES = {
    "ID": "GROUP_ID_NOT_FOUND",
    "MEMBER": "UNKNOWN_MEMBER_ID",
    "FENCED": "FENCED_MEMBER_EPOCH",
    "INSTANCE": "FENCED_INSTANCE_ID",
    "UNRELEASED": "UNRELEASED_INSTANCE_ID",
    "REGEX": "INVALID_REGULAR_EXPRESSION",
    "GENERATION": "ILLEGAL_GENERATION",
    "PROTOCOL": "INCONSISTENT_GROUP_PROTOCOL",
    "STALE": "STALE_MEMBER_EPOCH",
    "FULL": "NON_EMPTY_GROUP",
    "SUBSCRIBED": "GROUP_SUBSCRIBED_TO_TOPIC",
}


class ConsumerPlayer(Player):
    """A player of one consumer group."""

    def state_for_tests(self) -> object:
        group = self.shard.consumer.groups.get("g")
        return group and (group.state, group.group_epoch, dict(group.members), dict(group.targets))


def player_in(state: str) -> ConsumerPlayer:
    player = ConsumerPlayer()
    for line in WAYS[state]:
        player.play(line)
    group = player.shard.consumer.groups.get("g")
    assert (group.state if group else "none") == state
    return player


@pytest.mark.parametrize(("request_", "state", "expected"), cells(TABLE))
def test_request(request_: str, state: str, expected: str) -> None:
    check(player_in(state), request_, expected, CODES)


def test_every_state_is_asked() -> None:
    asked: set[Cell] = set(cells(TABLE))
    assert {state for _, state, _ in asked} == set(WAYS)
    assert {expected for _, _, expected in asked} == {*CODES, "NONE", "ok"}
