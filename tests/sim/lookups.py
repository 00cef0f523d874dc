"""Steps that ask the log something, and compare its answer."""

from __future__ import annotations

from random import Random

from tests.sim import inspection
from tests.sim.world import World


def read(world: World, rng: Random) -> str:
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    offset = rng.randint(model.start, model.end)
    bounds = {"high watermark": model.high_watermark, "stable": log.last_stable_offset, "end": model.end}
    name = rng.choice(list(bounds))
    size = inspection.check_read(log, model, offset, rng.choice((1, 90, 500, 5000)), bounds[name], rng.random() < 0.7)
    return f"{topic_partition} read from {offset} to the {name}: {size} bytes"


def find_time(world: World, rng: Random) -> str:
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    timestamp = rng.choice([record.timestamp for record in model.records] or [0]) + rng.choice((-1, 0, 0, 1))
    inspection.check_time(log, model, timestamp)
    return f"{topic_partition} finds {timestamp}"


def find_aborted(world: World, rng: Random) -> str:
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    first = rng.randint(model.start, model.end)
    last = rng.randint(first, max(first, log.last_stable_offset))
    if last <= log.last_stable_offset:
        inspection.check_aborted(log, model, first, last)
    return f"{topic_partition} aborted from {first} to {last}"
