"""Requests that a share group must refuse, in each of its states: the code, and that nothing is changed."""

from __future__ import annotations

import pytest

from kwire.coord.group.share.coordinator import share_groups
from kwire.coord.group.share.group import EMPTY, STABLE
from tests.coord.group.share.script import Player
from tests.coord.tables import cells, check

WAYS: dict[str, tuple[str, ...]] = {
    "none": ("topic t 2",),
    EMPTY: ("topic t 2", "beat a", "beat a epoch=-1"),
    STABLE: ("topic t 2", "beat a", "made", "beat a"),
}
"""State -> how to get there."""

TABLE = """
request                none  Empty   Stable
beat@ghost@epoch=5     ID    MEMBER  MEMBER
beat@ghost@epoch=-1    ID    MEMBER  MEMBER
beat@a@epoch=77        ID    MEMBER  FENCED
beat@a@epoch=1         ID    MEMBER  FENCED
delete@g               ID    NONE    FULL
"""

CODES = {
    "ID": "GROUP_ID_NOT_FOUND",
    "MEMBER": "UNKNOWN_MEMBER_ID",
    "FENCED": "FENCED_MEMBER_EPOCH",
    "FULL": "NON_EMPTY_GROUP",
}


class SharePlayer(Player):
    """A player of one share group."""

    def state_for_tests(self) -> object:
        group = share_groups(self.shard).groups.get("g")
        return group and (group.state, group.group_epoch, dict(group.members), dict(group.targets), group.stages)


def player_in(state: str) -> SharePlayer:
    player = SharePlayer()
    for line in WAYS[state]:
        player.play(line)
    group = share_groups(player.shard).groups.get("g")
    assert (group.state if group else "none") == state
    return player


@pytest.mark.parametrize(("request_", "state", "expected"), cells(TABLE))
def test_request(request_: str, state: str, expected: str) -> None:
    check(player_in(state), request_, expected, CODES)


def test_a_full_group() -> None:
    player = player_in(STABLE)
    player.play("size 1")
    check(player, "beat b", "SIZE", {"SIZE": "GROUP_MAX_SIZE_REACHED"})
