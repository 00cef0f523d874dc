"""The step that compacts, group by group, while everything else goes on; and a death amid any of its operations."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from kwire.log.cleaner import clean
from kwire.log.cleaner_manager import LogToClean
from kwire.log.cleaning_job import CleanedGroup, CleanerStats
from kwire.log.files import CLEANED_SUFFIX, LOG_SUFFIX, offset_name
from kwire.log.offset_map import OffsetMap
from kwire.log.swap import replace_segments
from kwire.wire.record_batch import batches, verify
from tests.sim.batches import Batch, promise
from tests.sim.compacted import Rules
from tests.sim.faults import Fault, Kind
from tests.sim.model import PartitionModel
from tests.sim.world import World

_MAP_BYTES = 1 << 12
_SMALL_MAP_BYTES = 64


class Compaction:
    """One log's compaction under way; its generator plays the worker process."""

    def __init__(self, world: World, chosen: LogToClean, rng: Random) -> None:
        self.log = chosen.log
        self.model: PartitionModel = world.models[self.log.topic_partition]
        self.job = chosen.job(world.now_ms)
        self.rules = Rules(self.model, self.job, self.log.last_stable_offset)
        self.rules.check_lag(self.model, world.now_ms, world.config.min_compaction_lag_ms)
        self._map = OffsetMap(rng.choice((_MAP_BYTES, _MAP_BYTES, _SMALL_MAP_BYTES)), 0.9)
        self._work: Iterator[CleanedGroup | CleanerStats] = clean(
            self.job, world.disk, self._map, io_bytes=4096, pause=_pause
        )
        self._finished: list[tuple[CleanedGroup, list[Batch]]] = []

    def work(self, world: World) -> CleanerStats | None:
        """Finish one group more; the stats at the end."""
        try:
            progress = next(self._work)
        except OSError as error:
            # As the broker does when its worker process tells it.
            raise self.log.storage_error(error) from error
        if isinstance(progress, CleanerStats):
            return progress
        begin, end = self._range(progress)
        new = self._cleaned(world, progress)
        self.rules.know_map(self._map.latest_offset + 1)
        self.rules.check_group(self.model, new, begin, end)
        self._finished.append((progress, new))
        return None

    def _range(self, group: CleanedGroup) -> tuple[int, int]:
        behind = [base for base, _ in self.job.segments if base > group.replaced[-1]]
        return group.base_offset, min(behind, default=self.job.first_uncleanable_offset)

    def _cleaned(self, world: World, group: CleanedGroup) -> list[Batch]:
        name = offset_name(group.base_offset, LOG_SUFFIX + CLEANED_SUFFIX)
        data = world.disk.content(f"{self.job.directory}/{name}")
        found = [self.model.batch(data[at : at + header.size]) for at, header in batches(data)]
        for batch in found:
            verify(batch.data)
        promise(sum(len(batch.data) for batch in found) == len(data) == group.size, f"{name} ends amid a batch")
        return found

    def swap_in(self, world: World, rng: Random) -> None:
        """Put what is finished in its place, as the broker does when it hears of it."""
        for group, new in self._finished:
            if not replace_segments(self.log, self.job, group, world.now_ms):
                world.manager.cleaner.abort(self.log.topic_partition)
                continue
            begin, end = self._range(group)
            self.model.rewritten(begin, end, new)
            if rng.random() < 0.5:
                world.disk.sync_directory(self.log.directory)
        self._finished.clear()


def _pause(size: int) -> None:
    """Nothing limits a simulated disk."""


def compact(world: World, rng: Random) -> str:
    """Begin with the filthiest log, or go on with the one under way; now and then the machine dies meanwhile."""
    if world.compaction is None and not world.config.is_compacted:
        return "nothing is compacted"
    death = Fault(Kind.EIO, "any", after=rng.randrange(80), times=-1)
    if world.may_die and rng.random() < 0.25:
        world.disk.faults.arm(death)
    said = _begin(world, rng) if world.compaction is None else _go_on(world, world.compaction, rng)
    if world.disk.faults.failed:
        # Where nobody has to be told, as when something is tidied up.
        world.check_online()
    world.disk.faults.drop(death)
    return said


def _begin(world: World, rng: Random) -> str:
    for topic_partition in world.models:
        world.log(topic_partition)
    chosen = world.manager.cleaner.grab_filthiest(world.now_ms)
    if chosen is None:
        return "nothing is dirty"
    world.compaction = Compaction(world, chosen, rng)
    job = world.compaction.job
    said = f"{chosen.log.topic_partition} from {job.first_dirty_offset} to {job.first_uncleanable_offset}"
    return f"{said}: {_go_on(world, world.compaction, rng)}" if rng.random() < 0.7 else said


def _go_on(world: World, under_way: Compaction, rng: Random) -> str:
    cleaner, log = world.manager.cleaner, under_way.log
    for _ in range(rng.choice((1, 2, 10))):
        stats = under_way.work(world) if cleaner.may_take_effect(log.topic_partition) else None
        if stats is not None or rng.random() < 0.6:
            under_way.swap_in(world, rng)
        if not cleaner.may_take_effect(log.topic_partition):
            cleaner.done_cleaning(log, None)
            world.dead_workers.append(under_way)
            world.compaction = None
            return "given up"
        if stats is not None:
            under_way.rules.check_done(under_way.model, stats.end_offset)
            cleaner.done_cleaning(log, stats.end_offset)
            world.compaction = None
            return f"{log.topic_partition} is compacted up to {stats.end_offset}"
    return "goes on"
