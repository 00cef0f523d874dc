"""Steps that the broker takes from time to time, its ends, and what the disk has in store for it."""

from __future__ import annotations

from random import Random

from tests.sim.faults import Fault, Kind
from tests.sim.world import PRODUCERS, World

EXPIRATION_MS = 100_000


def flush(world: World, rng: Random) -> str:
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    log.flush(world.now_ms)
    model.flushed_to(model.end)
    return f"{topic_partition} flushed to {model.end}"


def flush_closed_segments(world: World, rng: Random) -> str:
    """As the broker does in a thread after a roll."""
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    segments, end = log.unflushed_segments(), log.segments.active.base_offset
    log.flush_segments(segments)
    log.flushed_to(end)
    model.flushed_to(end)
    return f"{topic_partition} {len(segments)} closed segments flushed, to {end}"


def checkpoint(world: World, rng: Random) -> str:
    world.manager.checkpoint(world.now_ms)
    world.check_online()
    for model in world.models.values():
        model.checkpointed_start, model.checkpointed_high_watermark = model.start, model.high_watermark
    return "checkpoints written"


def checkpoint_high_watermarks(world: World, rng: Random) -> str:
    world.manager.checkpoint_high_watermarks()
    world.check_online()
    return "high watermarks written"


def remove_due(world: World, rng: Random) -> str:
    paths = world.manager.removals.take(world.now_ms)
    world.manager.removals.remove(paths)
    return f"{len(paths)} removals"


def expire_producers(world: World, rng: Random) -> str:
    count = world.manager.expire_producers(world.now_ms, EXPIRATION_MS)
    for model in world.models.values():
        for producer_id in PRODUCERS:
            producer = model.producer(producer_id)
            if producer is not None and not producer.has_transaction:
                newest = max(b.header.max_timestamp for b in model.path if b.header.producer_id == producer_id)
                if world.now_ms - newest >= EXPIRATION_MS // 2:
                    model.uncertain.add(producer_id)
    return f"{count} producers forgotten"


def stop(world: World, rng: Random) -> str:
    world.stop()
    if rng.random() < 0.3:
        world.cut_power(rng)
        return "stopped, power cut, started"
    world.start_after_stop()
    return "stopped and started"


def kill(world: World, rng: Random) -> str:
    world.kill()
    return "killed and started"


def cut_power(world: World, rng: Random) -> str:
    world.cut_power(rng)
    return "power cut, started"


_FAULTS = (
    (Kind.EIO, ("write", "fsync", "truncate", "rename", "unlink", "open", "read", "any")),
    (Kind.ENOSPC, ("write", "open", "rename")),
    (Kind.SHORT_WRITE, ("write",)),
    (Kind.SLOW, ("fsync", "write")),
    (Kind.TORN_RENAME, ("rename",)),
    (Kind.LOST_FSYNC, ("fsync",)),
)


def arm_fault(world: World, rng: Random) -> str:
    kind, operations = rng.choice(_FAULTS)
    where = rng.choice(("", "", "", ".log", ".index", ".timeindex", ".txnindex", ".snapshot", "checkpoint"))
    fault = Fault(
        kind, rng.choice(operations), where, after=rng.randrange(4), times=rng.choice((1, -1)), bit=rng.randrange(5000)
    )
    world.disk.faults.arm(fault)
    return f"{fault}"
