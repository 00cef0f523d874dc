"""Requests that would take a group to the other protocol, by policy: the code, and that nothing is changed (KIP-848).

(apache/kafka `GroupMetadataManager`: `validateOnlineUpgrade`, `validateOnlineDowngrade...`, `classicGroupJoin...`.)
"""

from __future__ import annotations

import pytest

from tests.coord.group.script import Player
from tests.coord.tables import Cell, cells, check

SET_UP = ("config consumer_assignment_interval_ms=0 initial_rebalance_delay_ms=0", "topic t 2")
CLASSIC = ("join a protocols=range v=3", "sync a give=a:#t:0,1")
WAYS: dict[str, tuple[str, ...]] = {
    "simple": ("commit x t-0@1 member=none gen=-1",),
    "left": ("join a protocols=range v=3", "sync a give=a:#t:0,1", "leave a"),
    "connect": ("join a v=3 type=connect", "sync a give=a:A"),
    "userdata": ("join a protocols=range v=3", "sync a give=a:!t:0"),
    "classic": CLASSIC,
    "mixed": (*CLASSIC, "beat n"),
    "consumer": ("beat n",),
}
"""What the group is -> how to get there: `a` is a classic member, `n` one of the new protocol."""

POLICIES = {
    "disabled": "config consumer_may_upgrade=0 consumer_may_downgrade=0",
    "upgrade": "config consumer_may_upgrade=1 consumer_may_downgrade=0",
    "downgrade": "config consumer_may_upgrade=0 consumer_may_downgrade=1",
    "bidirectional": "config consumer_may_upgrade=1 consumer_may_downgrade=1",
}

TABLES = {
    "disabled": """
request                               simple  left    connect   userdata  classic   mixed     consumer
beat@m                                ok      ok      ID        ID        ID        ok        ok
beat@m@epoch=3                        ID      ID      ID        ID        ID        MEMBER    MEMBER
beat@m@epoch=-1                       ID      ID      ID        ID        ID        MEMBER    MEMBER
join@b@protocols=range@v=3            -       -       PROTOCOL  -         -         PROTOCOL  PROTOCOL
join@b@protocols=range@v=3@topics=garbage -   -       PROTOCOL  -         -         PROTOCOL  PROTOCOL
join@b@type=connect@v=3               -       -       -         PROTOCOL  PROTOCOL  PROTOCOL  PROTOCOL
join@b@protocols=@v=3                 -       -       PROTOCOL  PROTOCOL  PROTOCOL  PROTOCOL  PROTOCOL
""",
}
DOWNGRADES = """
request                               simple  left    connect   userdata  classic   mixed     consumer
beat@m@epoch=3                        ID      ID      ID        ID        ID        MEMBER    MEMBER
beat@m@epoch=-1                       ID      ID      ID        ID        ID        MEMBER    MEMBER
join@b@protocols=range@v=3            -       -       PROTOCOL  -         -         ok        ok
join@b@protocols=range@v=3@topics=garbage -   -       PROTOCOL  -         -         SERVER    SERVER
join@b@type=connect@v=3               -       -       -         PROTOCOL  PROTOCOL  PROTOCOL  PROTOCOL
join@b@protocols=@v=3                 -       -       PROTOCOL  PROTOCOL  PROTOCOL  PROTOCOL  PROTOCOL
"""
"""What every policy that lets a classic member join answers: a heartbeat to a classic group is the upgrade's matter."""
UPGRADES = (
    DOWNGRADES
    + """\
beat@m                                ok      ok      ID        ID        ok        ok        ok
"""
)
TABLES["bidirectional"] = TABLES["upgrade"] = UPGRADES
TABLES["downgrade"] = (
    DOWNGRADES
    + """\
beat@m                                ok      ok      ID        ID        ID        ok        ok
"""
)

CODES = {
    "ID": "GROUP_ID_NOT_FOUND",
    "MEMBER": "UNKNOWN_MEMBER_ID",
    "PROTOCOL": "INCONSISTENT_GROUP_PROTOCOL",
    "SERVER": "UNKNOWN_SERVER_ERROR",
}


class MigratingPlayer(Player):
    """A player of one group of either protocol."""

    def state_for_tests(self) -> object:
        classic, consumer = self.shard.groups.get("g"), self.shard.consumer.groups.get("g")
        return (
            classic and (classic.state, classic.generation_id, dict(classic.members)),
            consumer and (consumer.state, consumer.group_epoch, dict(consumer.members), dict(consumer.targets)),
        )


def player_with(group: str, policy: str) -> MigratingPlayer:
    player = MigratingPlayer()
    player.shows_records = False
    for line in (*SET_UP, POLICIES["bidirectional"], *WAYS[group], POLICIES[policy]):
        player.play(line)
    return player


def asked() -> list[tuple[str, Cell]]:
    return [(policy, cell) for policy, table in TABLES.items() for cell in cells(table)]


@pytest.mark.parametrize(("policy", "cell"), asked())
def test_request(policy: str, cell: Cell) -> None:
    request, group, expected = cell
    check(player_with(group, policy), request, expected, CODES)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_last_of_the_new_protocol_leaves(policy: str) -> None:
    player = player_with("mixed", policy)
    player.play("beat n epoch=-1")
    is_classic = policy in ("downgrade", "bidirectional")
    assert ("g" in player.shard.groups, "g" in player.shard.consumer.groups) == (is_classic, not is_classic)


def test_everything_is_asked() -> None:
    assert TABLES.keys() == POLICIES.keys()
    for table in TABLES.values():
        assert {group for _, group, _ in cells(table)} == set(WAYS)
