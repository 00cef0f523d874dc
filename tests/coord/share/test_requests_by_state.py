"""Each request to the share coordinator in each state of a share partition: the code, and that nothing is changed.

(apache/kafka `ShareCoordinatorShard`: the `maybeGet...Error` methods, in whose order the reasons come.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kwire.coord.share.shard import Change
from kwire.coord.share.state import ShareKey, StateBatch
from kwire.errors import ErrorCode, KafkaError
from tests.coord.share.test_shard import KEY, NOW_MS, TOPIC, World
from tests.coord.tables import Cell, cells

OUTSIDE = ShareKey("g", TOPIC, -1)
STATES = {
    "unknown": "never initialised",
    "begun": "initialised with state epoch 3, and not read yet",
    "led": "the same, and read by a leader of epoch 5, who has written",
    "gone": "the same, and its topic was deleted since",
    "outside": "no number of a partition",
}

TABLE = """
request           unknown  begun    led      gone     outside
initialize@2      NONE     STATE    STATE    STATE    REQUEST
initialize@3      NONE     NONE     NONE     TOPIC    REQUEST
initialize@4      NONE     NONE     NONE     TOPIC    REQUEST
initialize@-1     NONE     NONE     NONE     TOPIC    REQUEST
read@4            REQUEST  NONE     LEADER   LEADER   REQUEST
read@5            REQUEST  NONE     NONE     TOPIC    REQUEST
read@6            REQUEST  NONE     NONE     TOPIC    REQUEST
read@-1           REQUEST  NONE     LEADER   LEADER   REQUEST
write@3@5         REQUEST  NONE     NONE     TOPIC    REQUEST
write@3@6         REQUEST  NONE     NONE     TOPIC    REQUEST
write@3@4         REQUEST  NONE     LEADER   LEADER   REQUEST
write@3@-1        REQUEST  NONE     NONE     TOPIC    REQUEST
write@2@5         REQUEST  STATE    STATE    STATE    REQUEST
write@2@4         REQUEST  STATE    LEADER   LEADER   REQUEST
write@4@5         REQUEST  NONE     NONE     TOPIC    REQUEST
write@-1@5        REQUEST  NONE     NONE     TOPIC    REQUEST
write@-1@-1       REQUEST  NONE     NONE     TOPIC    REQUEST
delete            NONE     NONE     NONE     TOPIC    REQUEST
summary           NONE     NONE     NONE     TOPIC    REQUEST
"""

CODES = {
    "STATE": ErrorCode.FENCED_STATE_EPOCH,
    "LEADER": ErrorCode.FENCED_LEADER_EPOCH,
    "REQUEST": ErrorCode.INVALID_REQUEST,
    "TOPIC": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
}


def world_in(state: str) -> World:
    world = World()
    if state in ("begun", "led", "gone"):
        world.initialize(3)
    if state in ("led", "gone"):
        world.read(5)
        world.write((0, 4, 2, 1), state_epoch=3, leader=5)
    if state == "gone":
        world.topics.clear()
    return world


def action(world: World, request: str, key: ShareKey) -> Callable[[], Any]:
    name, *epochs = request.split()
    shard = world.shard
    if name == "initialize":
        return lambda: shard.initialize(key, int(epochs[0]), 0, 1, NOW_MS)
    if name == "read":
        return lambda: shard.read(key, int(epochs[0]), 1, NOW_MS)
    if name == "write":
        change = Change(int(epochs[0]), int(epochs[1]), -1, 0, (StateBatch(5, 9, 2, 1),))
        return lambda: shard.write(key, change, 1, NOW_MS)
    return (lambda: shard.delete(key, 1)) if name == "delete" else (lambda: shard.summary(key))


def known(world: World) -> object:
    return {key: [getattr(entry, name) for name in entry.__slots__] for key, entry in world.shard.entries.items()}


@pytest.mark.parametrize(("request_", "state", "expected"), cells(TABLE))
def test_request(request_: str, state: str, expected: str) -> None:
    world = world_in(state)
    before = known(world)
    perform = action(world, request_, OUTSIDE if state == "outside" else KEY)
    if expected == "NONE":
        answer = perform()
        if request_ != "summary":
            world.do(answer)  # What the log has of it makes a fresh core the same.
        return
    with pytest.raises(KafkaError) as caught:
        perform()
    assert caught.value.code == CODES[expected]
    assert known(world) == before


def test_everything_is_asked() -> None:
    asked: set[Cell] = set(cells(TABLE))
    assert {state for _, state, _ in asked} == set(STATES)
    assert {expected for _, _, expected in asked} == {*CODES, "NONE"}
