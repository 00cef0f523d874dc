"""The steps of a history: each does one thing to the log and to the model, compares, and says what it did.

A step draws all that it needs from a generator of its own, so that it does the same after other steps were taken out of
its history (`tests.histories.shortened`).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from kwire.errors import KafkaError
from tests.sim import appends, compaction, life, lookups, moving, upkeep
from tests.sim.world import World


class Step(NamedTuple):
    """A name of `STEPS` and the seed of its generator."""

    name: str
    seed: int


StepFunction = Callable[[World, Random], str]

STEPS: dict[str, tuple[int, StepFunction]] = {
    "append": (20, appends.append),
    "produce": (20, appends.produce),
    "end transaction": (8, appends.end_transaction),
    "produce again": (4, appends.produce_again),
    "produce wrongly": (3, appends.produce_wrongly),
    "follow": (6, appends.follow),
    "read": (10, lookups.read),
    "find time": (4, lookups.find_time),
    "find aborted": (4, lookups.find_aborted),
    "raise high watermark": (10, life.raise_high_watermark),
    "new leader": (3, life.new_leader),
    "pass time": (6, life.pass_time),
    "change options": (2, life.change_options),
    "retain": (5, life.retain),
    "delete records": (3, life.delete_records),
    "truncate": (4, life.truncate),
    "truncate fully": (1, life.truncate_fully),
    "flush": (3, upkeep.flush),
    "flush closed segments": (5, upkeep.flush_closed_segments),
    "checkpoint": (5, upkeep.checkpoint),
    "checkpoint high watermarks": (2, upkeep.checkpoint_high_watermarks),
    "remove due": (4, upkeep.remove_due),
    "expire producers": (1, upkeep.expire_producers),
    "delete topic": (1, life.delete_topic),
    "move": (6, moving.move),
    "compact": (14, compaction.compact),
    "stop": (3, upkeep.stop),
    "kill": (4, upkeep.kill),
    "cut power": (4, upkeep.cut_power),
    "arm fault": (3, upkeep.arm_fault),
}
"""Name -> how often, relative to the others, and what it does."""


def take(world: World, name: str, rng: Random) -> str:
    """What the step did. StorageFailedError where a fault met it."""
    try:
        return STEPS[name][1](world, rng)
    except (KafkaError, OSError) as error:
        world.storage_failed(error)
