"""Histories of a disk with logs: chosen by a seed, and run."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from tests.histories import Failure
from tests.sim.steps import STEPS, Step, take
from tests.sim.world import PARTITIONS, HistoryOverError, StorageFailedError, World

STEP_COUNT = 45


def steps_of(seed: int) -> list[Step]:
    """The history of a seed: with faults in every third."""
    rng = Random(seed)
    names = list(STEPS)
    weights = [STEPS[name][0] for name in names]
    if seed % 3:
        weights[names.index("arm fault")] = 0
    chosen = rng.choices(names, weights, k=STEP_COUNT)
    # Every history ends as most do.
    return [Step(name, rng.getrandbits(48)) for name in [*chosen, rng.choice(("kill", "cut power", "stop"))]]


def run(seed: int, steps: Sequence[Step] | None = None) -> Failure | None:
    """Run a history, the seed's own unless `steps` are given; None when every promise was kept."""
    steps = steps_of(seed) if steps is None else steps
    world = World(seed)
    trace: list[str] = []
    try:
        for step in steps:
            rng = Random(step.seed)
            trace.append(step.name)
            try:
                trace[-1] = f"{step.name}: {take(world, step.name, rng)}"
                world.pass_time(rng.choice((0, 1, 10, 500)))
                for topic_partition in PARTITIONS:
                    world.check(topic_partition)
            except StorageFailedError:
                trace[-1] += f": {world.disk.faults.hits[-1:]}"
                world.give_up(rng)
    except HistoryOverError:
        return None
    except Exception as error:
        return Failure(seed, steps[: len(trace)], trace, error)
    return None
