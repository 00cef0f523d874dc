"""Every acknowledgement of a record in every state: the code, and that a refused one changes nothing."""

from __future__ import annotations

import pytest

from kwire.errors import ErrorCode, KafkaError
from kwire.share.acknowledging import check_batches
from kwire.wire.messages.share_fetch import AcknowledgementBatch
from tests.coord.tables import cells, codes_in
from tests.share.world import World

FIRST = ("produce 1 1 1", "fetch z max=1")
MINE = (*FIRST, "fetch a max=1")
WAYS: dict[str, tuple[str, ...]] = {
    "unread": FIRST,
    "free": (*MINE, "ack a 1:release"),
    "mine": MINE,
    "other": (*FIRST, "fetch b max=1"),
    "accepted": (*MINE, "ack a 1:accept"),
    "rejected": (*MINE, "ack a 1:reject"),
    "gap": (*MINE, "ack a 1:gap"),
    "pending": (*MINE, "hold", "ack a 1:release"),
    "released": (*MINE, "advance 30000"),
}
"""Where the record at offset 1 is, and how it came there; `z` has the one before, so that the start stays."""

TABLE = """
request          unread   free   mine  other  accepted  rejected  gap    pending released
ack@a@1:gap      INVALID  STATE  NONE  STATE  STATE     STATE     STATE  STATE   STATE
ack@a@1:accept   INVALID  STATE  NONE  STATE  STATE     STATE     STATE  STATE   STATE
ack@a@1:release  INVALID  STATE  NONE  STATE  STATE     STATE     STATE  STATE   STATE
ack@a@1:reject   INVALID  STATE  NONE  STATE  STATE     STATE     STATE  STATE   STATE
ack@a@1:renew    INVALID  STATE  NONE  STATE  STATE     STATE     STATE  STATE   STATE
ack@a@0:accept   STATE    STATE  STATE STATE  STATE     STATE     STATE  STATE   STATE
"""

CODES = {"INVALID": "INVALID_REQUEST", "STATE": "INVALID_RECORD_STATE"}


def world_with(state: str) -> World:
    world = World()
    for line in WAYS[state]:
        world.play(line)
    return world


@pytest.mark.parametrize(("request_", "state", "expected"), cells(TABLE))
def test_acknowledgement(request_: str, state: str, expected: str) -> None:
    world = world_with(state)
    before, stored = world.show(), len(world.persister.log)
    codes = codes_in(world.play(request_))
    assert codes == [CODES.get(expected, expected)]
    if expected in CODES:
        assert (world.show(), len(world.persister.log)) == (before, stored)


@pytest.mark.parametrize("state", ["mine"])
def test_a_renewal_where_that_is_disabled(state: str) -> None:
    world = world_with(state)
    world.play("config renew_acknowledge_enable=false")
    before = world.show()
    assert codes_in(world.play("ack a 1:renew")) == ["INVALID_RECORD_STATE"]
    assert world.show() == before


@pytest.mark.parametrize(
    ("batches", "is_renewal", "knows_renewal"),
    [
        ([(5, 4, [1])], False, True),
        ([(3, 4, [1]), (2, 2, [1])], False, True),
        ([(0, 1, [])], False, True),
        ([(0, 2, [1, 1])], False, True),
        ([(0, 0, [5])], True, True),
        ([(0, 0, [-1])], True, True),
        ([(0, 0, [4])], False, True),
        ([(0, 0, [4])], True, False),
    ],
)
def test_batches_that_say_nothing_sensible(
    batches: list[tuple[int, int, list[int]]], is_renewal: bool, knows_renewal: bool
) -> None:
    said = [
        AcknowledgementBatch(first_offset=first, last_offset=last, acknowledge_types=types)
        for first, last, types in batches
    ]
    with pytest.raises(KafkaError) as caught:
        check_batches(said, is_renewal=is_renewal, knows_renewal=knows_renewal)
    assert caught.value.code is ErrorCode.INVALID_REQUEST
