"""Histories: chosen by a seed, run, and, when one fails, cut down to the steps that it takes."""

from __future__ import annotations

import traceback
from random import Random
from typing import NamedTuple

from tests.sim.steps import STEPS, Step, take
from tests.sim.world import PARTITIONS, HistoryOverError, StorageFailedError, World

STEP_COUNT = 45
MAX_SHRINKING_RUNS = 2000


class Failure(NamedTuple):
    """A broken promise: of which seed, at which step, and what was said."""

    seed: int
    steps: list[Step]
    trace: list[str]
    error: BaseException

    @property
    def kind(self) -> str:
        """What stays the same while the history is cut down: the exception and where it was raised from."""
        frames = traceback.extract_tb(self.error.__traceback__)
        return f"{type(self.error).__name__} in {frames[-1].name}, {frames[-2].name if len(frames) > 1 else ''}"

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {type(self.error).__name__}: {self.error}"]
        lines += [f"  {number:2} {line}" for number, line in enumerate(self.trace)]
        return "\n".join([*lines, *traceback.format_exception(self.error)[-4:]])


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


def run(seed: int, steps: list[Step] | None = None) -> Failure | None:
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
        return Failure(seed, steps, trace, error)
    return None


def shortened(failure: Failure) -> Failure:
    """The same kind of failure with as few steps as can be found by taking some out."""
    best = failure._replace(steps=failure.steps[: len(failure.trace)])
    size, runs = len(best.steps) // 2, 0
    while size and runs < MAX_SHRINKING_RUNS:
        at = 0
        while at < len(best.steps):
            runs += 1
            found = run(best.seed, best.steps[:at] + best.steps[at + size :])
            if found is not None and found.kind == failure.kind:
                best = found._replace(steps=found.steps[: len(found.trace)])
            else:
                at += size
        size //= 2
    return best
