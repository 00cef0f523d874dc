"""The step that moves a partition to the other log directory, slice by slice, while everything else goes on."""

from __future__ import annotations

from random import Random
from typing import cast

from kwire.log.relocation import Relocation
from kwire.wire.parts import FileRange
from tests.sim import inspection
from tests.sim.batches import promise
from tests.sim.world import World


class _Slice:
    """What a read found in the disk in memory, which has no descriptors to read from."""

    def __init__(self, records: FileRange) -> None:
        self._data = inspection.content(records)
        self.size = len(self._data)

    def read(self) -> bytes:
        return self._data


def move(world: World, rng: Random) -> str:
    """Ask for a move, or go on with the one that is under way, as the broker's housekeeping does."""
    topic_partition = world.pick(rng)
    log, manager = world.log(topic_partition), world.manager
    under_way = manager.relocations.get(topic_partition)
    if under_way is not None:
        return f"{topic_partition} {_go_on(world, under_way, rng.choice((1, 1, 3, 10)))}"
    targets = [each for each in manager.directories if each is not manager.home_of(log)]
    if not targets:
        return "there is nowhere to move to"
    manager.relocations.request(topic_partition, targets[0].path, world.now_ms)
    return f"{topic_partition} is to move to {targets[0].path}"


def _go_on(world: World, under_way: Relocation, slices: int) -> str:
    manager, log = world.manager, under_way.log
    for _ in range(slices):
        records, reaches_end = under_way.next_slice(world.now_ms)
        is_last = under_way.is_last(records, reaches_end=reaches_end)
        if records is not None:
            under_way.copy(cast("FileRange", _Slice(records)), world.now_ms)
        if is_last and under_way.needs_flush:
            under_way.flush(world.now_ms)
        elif not is_last and (reaches_end or under_way.was_rolled):
            under_way.flush(world.now_ms)
            under_way.was_flushed = reaches_end
        if is_last:
            # The future log is on the device; where a disk fails from here on, the partition may go on in it, or not.
            model = world.models[log.topic_partition]
            model.may_be_flushed = model.end
            manager.relocations.complete(under_way, world.now_ms)
            world.check_online()
            first = next(iter(log.segments)).base_offset
            promise(first <= model.start, f"moved from {first} on only")
            promise(log.recovery_point == model.end, f"moved with {log.recovery_point} of {model.end} flushed")
            model.flushed_to(model.end)
            batches = (segment.header_at(0).base_offset for segment in log.segments if segment.size)
            model.goes_on_in_copy(first, next(batches, model.end))
            model.uncertain |= {batch.header.producer_id for batch in model.path[: model.first_kept]}
            return f"has moved to {log.directory}, from {first} on"
    return f"moves on: {under_way.lag} behind"
