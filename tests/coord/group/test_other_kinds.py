"""Requests for a group of another kind, with members and without: the code, and that nothing is changed.

(apache/kafka `GroupMetadataManager`: the casts of `getOrMaybeCreate...Group`, and `classicGroupJoin`.)
"""

from __future__ import annotations

import pytest

from kwire.coord.decision import Decision
from kwire.coord.group.share.coordinator import share_group, share_groups
from kwire.coord.group.share.groups import heartbeat_refused
from kwire.coord.group.streams.coordinator import streams_groups
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.share_group_heartbeat import ShareGroupHeartbeatRequest
from tests.coord.group.streams.player import StreamsPlayer
from tests.coord.tables import cells, check

AT_ONCE = "option group.streams.initial.rebalance.delay.ms=0 group.initial.rebalance.delay.ms=0"
SET_UP = (AT_ONCE, "config initial_rebalance_delay_ms=0", "topic t 2", "topic r 2", "topic c 2")
WAYS: dict[str, tuple[str, ...]] = {
    "classic": ("join a v=3 topics=t", "sync a give=a:A"),
    "connect": ("join a v=3 type=connect", "sync a give=a:A"),
    "consumer": ("beat a",),
    "share": ("share a",),
    "streams": ("tick a",),
    "empty-share": ("share a", "share a epoch=-1"),
    "empty-streams": ("tick a", "tick a epoch=-1"),
}
"""Kind -> how to get there; `a` is a member."""

TABLE = """
request                         classic   connect  consumer  share     streams   empty-share empty-streams
join@b@v=3                      -         PROTOCOL -         PROTOCOL  PROTOCOL  PROTOCOL    -
sync@a@member=a@gen=1           -         -        MEMBER    MEMBER    MEMBER    MEMBER      MEMBER
heartbeat@a@member=a@gen=1      -         -        MEMBER    MEMBER    MEMBER    MEMBER      MEMBER
leave@a@member=a                -         -        -         MEMBER    MEMBER    MEMBER      MEMBER
beat@b@epoch=0                  -         ID       -         ID        ID        ID          ID
beat@a@epoch=1                  ID        ID       -         ID        ID        ID          ID
beat@a@epoch=-1                 ID        ID       -         ID        ID        ID          ID
share@b@epoch=0                 ID        ID       ID        -         ID        -           ID
share@a@epoch=1                 ID        ID       ID        -         ID        -           ID
share@a@epoch=-1                ID        ID       ID        -         ID        -           ID
tick@b@epoch=0                  ID        ID       ID        ID        -         ID          -
tick@a@epoch=1                  ID        ID       ID        ID        -         ID          -
tick@a@epoch=-1                 ID        ID       ID        ID        -         ID          -
commit@b@t-0#5@member=none@gen=-1 MEMBER  MEMBER   MEMBER    ID        MEMBER    ID          NONE
delete-groups@g                 FULL      FULL     FULL      FULL      FULL      -           NONE
delete-offsets@g@u-0            NONE      FULL     NONE      ID        NONE      ID          NONE
"""

CODES = {
    "ID": "GROUP_ID_NOT_FOUND",
    "MEMBER": "UNKNOWN_MEMBER_ID",
    "PROTOCOL": "INCONSISTENT_GROUP_PROTOCOL",
    "FULL": "NON_EMPTY_GROUP",
}


class AnyKind(StreamsPlayer):
    """A player whose members may be those of a share group, too."""

    def _share(self, who: str, group: str = "g", epoch: str = "0") -> None:
        request = ShareGroupHeartbeatRequest(
            group_id=group, member_id=who, member_epoch=int(epoch), subscribed_topic_names=["t"]
        )
        out = Decision()
        try:
            found = share_group(self.shard, group, may_be_new=epoch == "0")
            response = share_groups(self.shard).heartbeat(found, request, (who, "/h"), self.now_ms, out)
        except KafkaError as error:
            out, response = Decision(), heartbeat_refused(error)
        out.orders.clear()
        self._carry_out(out, 0)
        self.trace.append(f"{who} <- {ErrorCode(response.error_code).name}")

    def state_for_tests(self) -> object:
        shard = self.shard
        kinds = (shard.groups, shard.consumer.groups, share_groups(shard).groups, streams_groups(shard).groups)
        return [{name: list(group.members) for name, group in groups.items()} for groups in kinds]


def player_with(kind: str) -> AnyKind:
    player = AnyKind()
    player.shows_records = False
    for line in (*SET_UP, *WAYS[kind]):
        player.play(line)
    return player


@pytest.mark.parametrize(("request_", "kind", "expected"), cells(TABLE))
def test_request(request_: str, kind: str, expected: str) -> None:
    check(player_with(kind), request_, expected, CODES)


@pytest.mark.parametrize("kind", WAYS)
def test_there_is_one_group_of_that_kind(kind: str) -> None:
    found = player_with(kind).state_for_tests()
    count = 0 if kind.startswith("empty") else 1
    at = {"classic": 0, "connect": 0, "consumer": 1, "share": 2, "streams": 3}[kind.removeprefix("empty-")]
    assert isinstance(found, list)
    assert [bool(groups) for groups in found] == [place == at for place in range(4)]
    assert len(found[at]["g"]) == count
