"""Every request of a member in every state of a classic group: the answer, and that a refused one changes nothing."""

from __future__ import annotations

import pytest

from kwire.coord.group.states import GroupState
from tests.coord.group.script import Player
from tests.coord.tables import cells, codes_in

JOINED = ("config initial_rebalance_delay_ms=0", "join a v=3 instance=i")
WAYS: dict[str, tuple[str, ...]] = {
    "none": (),
    "Empty": ("commit x t-0@1 member=none gen=-1",),
    "PreparingRebalance": (*JOINED, "sync a give=a:A instance=i", "join b v=3"),
    "CompletingRebalance": JOINED,
    "Stable": (*JOINED, "sync a give=a:A instance=i"),
}
"""State -> how to get there; `a` is the leader, and in PreparingRebalance the one that is waited for."""

TABLE = """
request                         none     Empty    PreparingRebalance CompletingRebalance Stable
join@a@instance=i               -        -        joined        current       rebalances
join@b                          id       id       id            id            id
join@b@member=ghost             MEMBER   MEMBER   MEMBER        MEMBER        MEMBER
join@a@member=ghost@instance=i  MEMBER   MEMBER   INSTANCE      INSTANCE      INSTANCE
join@b@instance=j@member=ghost  MEMBER   MEMBER   MEMBER        MEMBER        MEMBER
join@b@type=none                PROTOCOL PROTOCOL PROTOCOL      PROTOCOL      PROTOCOL
join@b@protocols=               PROTOCOL PROTOCOL PROTOCOL      PROTOCOL      PROTOCOL
join@b@type=connect             id       id       PROTOCOL      PROTOCOL      PROTOCOL
join@b@protocols=other          id       id       PROTOCOL      PROTOCOL      PROTOCOL
sync@a@instance=i               MEMBER   MEMBER   REBALANCE     given         given
sync@a@member=ghost             MEMBER   MEMBER   MEMBER        MEMBER        MEMBER
sync@a@member=ghost@instance=i  MEMBER   MEMBER   INSTANCE      INSTANCE      INSTANCE
sync@a@gen=77                   MEMBER   MEMBER   GENERATION    GENERATION    GENERATION
sync@a@type=connect             MEMBER   MEMBER   PROTOCOL      PROTOCOL      PROTOCOL
sync@a@protocol=other           MEMBER   MEMBER   PROTOCOL      PROTOCOL      PROTOCOL
heartbeat@a@instance=i          MEMBER   MEMBER   REBALANCE     NONE          NONE
heartbeat@a@member=ghost        MEMBER   MEMBER   MEMBER        MEMBER        MEMBER
heartbeat@a@member=ghost@instance=i MEMBER MEMBER INSTANCE      INSTANCE      INSTANCE
heartbeat@a@gen=77              MEMBER   MEMBER   GENERATION    GENERATION    GENERATION
leave@a@member=ghost            MEMBER   MEMBER   MEMBER        MEMBER        MEMBER
leave@a@member=ghost@instance=i MEMBER   MEMBER   INSTANCE      INSTANCE      INSTANCE
leave@a@member=none@instance=j  MEMBER   MEMBER   MEMBER        MEMBER        MEMBER
commit@a@t-0#5                  -        -        NONE          REBALANCE     NONE
commit@x@t-0#5@member=none@gen=-1  NONE  NONE     MEMBER        MEMBER        MEMBER
commit@a@t-0#5@member=ghost@gen=1 GENERATION MEMBER MEMBER      MEMBER        MEMBER
commit@a@t-0#5@gen=77           GENERATION MEMBER GENERATION    GENERATION    GENERATION
commit@a@t-0#5@member=ghost@instance=i@gen=1 GENERATION MEMBER INSTANCE INSTANCE INSTANCE
delete-groups@g                 ID       NONE     FULL          FULL          FULL
delete-offsets@g@u-0            ID       NONE     NONE          NONE          NONE
delete-offsets@g@t-0            ID       NONE     SUBSCRIBED    SUBSCRIBED    SUBSCRIBED
"""
"""Words for what happens, and short names of the codes. `id`: MEMBER_ID_REQUIRED, with an id to come back with."""

CODES = {
    "MEMBER": "UNKNOWN_MEMBER_ID",
    "INSTANCE": "FENCED_INSTANCE_ID",
    "GENERATION": "ILLEGAL_GENERATION",
    "PROTOCOL": "INCONSISTENT_GROUP_PROTOCOL",
    "REBALANCE": "REBALANCE_IN_PROGRESS",
    "ID": "GROUP_ID_NOT_FOUND",
    "FULL": "NON_EMPTY_GROUP",
    "SUBSCRIBED": "GROUP_SUBSCRIBED_TO_TOPIC",
}


def player_in(state: str) -> Player:
    player = Player()
    for line in WAYS[state]:
        player.play(line)
    group = player.shard.groups.get("g")
    assert (group.state.value if group else "none") == state
    return player


def known(player: Player) -> object:
    """What a refused request must not touch."""
    group = player.shard.groups.get("g")
    members = {} if group is None else {key: (m.protocols, m.assignment) for key, m in group.members.items()}
    pending = set() if group is None else set(group.pending_join_members)
    return group and (group.state, group.generation_id, group.leader_id), members, pending, len(player.log)


@pytest.mark.parametrize(("request_", "state", "expected"), cells(TABLE))
def test_request(request_: str, state: str, expected: str) -> None:
    player = player_in(state)
    before = known(player)
    trace = player.play(request_)
    codes = codes_in(trace)
    if expected in CODES:
        assert codes == [CODES[expected]]
        assert known(player) == before
    elif expected == "NONE":
        assert codes == ["NONE"]
    elif expected == "id":
        assert codes == ["MEMBER_ID_REQUIRED"]
    elif expected == "given":
        assert codes == ["NONE"]
        assert player.shard.groups["g"].state is GroupState.STABLE
    else:
        generation = {"current": 1, "joined": 2, "rebalances": 2}[expected]
        assert any(f"a <- join generation={generation} " in line for line in trace)


def test_every_state_is_asked() -> None:
    assert set(WAYS) == {"none", *(state.value for state in GroupState if state is not GroupState.DEAD)}
