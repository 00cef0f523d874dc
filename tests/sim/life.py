"""Steps in the life of a log: who leads it, its ends, its options, its deletion."""

from __future__ import annotations

from random import Random

from kwire.errors import ErrorCode, KafkaError
from kwire.log.config import DELETE
from kwire.log.log import Log
from tests.sim.batches import promise
from tests.sim.model import PartitionModel
from tests.sim.world import World


def raise_high_watermark(world: World, rng: Random) -> str:
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    ends = [batch.header.next_offset for batch in model.kept] + [model.end]
    offset = rng.choice([end for end in ends if end >= model.high_watermark][-3:])
    log.update_high_watermark(offset)
    model.high_watermark = max(model.high_watermark, offset)
    return f"{topic_partition} high watermark {offset}"


def new_leader(world: World, rng: Random) -> str:
    world.leader_epoch += 1
    for topic_partition, model in world.models.items():
        world.log(topic_partition).assign_epoch_start(world.leader_epoch, model.end)
    return f"leader epoch {world.leader_epoch}"


def pass_time(world: World, rng: Random) -> str:
    world.pass_time(rng.choice((1000, 20_000, 70_000)))
    return f"it is {world.now_ms}"


def change_options(world: World, rng: Random) -> str:
    choices: tuple[tuple[str, tuple[object, ...]], ...] = (
        ("segment_bytes", (400, 900, 100_000)),
        ("retention_ms", (20_000, -1)),
        ("retention_bytes", (500, -1)),
        ("cleanup_policy", (["delete"], ["delete"], ["compact"], ["compact", "delete"])),
    )
    name, values = rng.choice(choices)
    world.set_option(name, rng.choice(values))
    for model in world.models.values():
        # What compaction left stays when it is switched off.
        model.is_compacted |= world.config.is_compacted
    return f"{name} = {world.settings[name]}"


def retain(world: World, rng: Random) -> str:
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    wanted = _expected_begin(world, model, log)
    cleaner, is_compacted = world.manager.cleaner, world.config.is_compacted
    if not (cleaner.begin_deletion(log) if is_compacted else cleaner.is_free(topic_partition)):
        return f"{topic_partition} is being compacted or moved"
    try:
        log.delete_old_segments(world.now_ms)
    except KafkaError:
        model.may_begin_at = max(model.may_begin_at, wanted)
        model.may_be_deleted_to = wanted
        model.moved_start(max(model.start, wanted))
        raise
    finally:
        if is_compacted:
            cleaner.done_deleting(log)
    first = next(iter(log.segments)).base_offset
    promise(first == wanted, f"the first segment is {first} instead of {wanted}")
    model.begins_at_segment(first)
    return f"{topic_partition} retention: from {first}"


def _expected_begin(world: World, model: PartitionModel, log: Log) -> int:
    """Base offset of the first segment that retention must keep."""
    bases = [segment.base_offset for segment in log.segments]
    ends = [*bases[1:], model.end]
    batches = [
        [batch for batch in model.kept if base <= batch.header.base_offset < end]
        for base, end in zip(bases, ends, strict=True)
    ]
    sizes = [sum(len(batch.data) for batch in inner) for inner in batches]
    # A segment that compaction or a power cut emptied is as old as its file.
    newest = [
        max([b.header.max_timestamp for b in inner]) if inner else world.disk.modified_ms(segment.log_path)
        for inner, segment in zip(batches[:-1], log.segments, strict=False)
    ]
    newest.append(max([b.header.max_timestamp for b in batches[-1]], default=0))
    oldest_allowed = world.now_ms - world.config.retention_ms
    begin = bases[0]
    too_much = sum(sizes) - world.config.retention_bytes
    deletes = DELETE in world.config.cleanup_policy
    by_age = deletes and world.config.retention_ms >= 0
    by_size = deletes and world.config.retention_bytes >= 0
    for slot, end in enumerate(ends):
        is_last = slot == len(bases) - 1
        too_much -= sizes[slot]
        if end > model.high_watermark or (is_last and not sizes[slot]):
            break
        by_age = by_age and newest[slot] < oldest_allowed
        by_size = by_size and too_much >= 0
        if not (by_age or by_size or (end <= model.start and not is_last)):
            break
        begin = end
    return begin


def delete_records(world: World, rng: Random) -> str:
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    offset = rng.randint(model.start, model.high_watermark)
    if DELETE not in world.config.cleanup_policy:
        try:
            log.delete_records(offset)
        except KafkaError as error:
            if error.code is ErrorCode.POLICY_VIOLATION:
                return "records are not deleted from a compacted log"
            raise
    promise(log.delete_records(offset) == offset, f"DeleteRecords to {offset}")
    model.moved_start(offset)
    return f"{topic_partition} records before {offset} deleted"


def truncate(world: World, rng: Random) -> str:
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    # Epochs tell a move what to drop again, and the appends that follow here may be of the same one.
    world.manager.relocations.cancel(topic_partition, world.now_ms)
    offset = rng.randint(max(model.start, model.end - 12), model.end)
    try:
        log.truncate_to(offset, world.now_ms)
    except KafkaError:
        model.truncation_failed(offset)
        raise
    # Behind a hole a segment's name alone says where the log goes on.
    model.truncated_to(offset, goes_on_at=log.segments.active.base_offset if model.is_compacted else 0)
    return f"{topic_partition} truncated to {offset}"


def truncate_fully(world: World, rng: Random) -> str:
    topic_partition = world.pick(rng)
    log, model = world.log(topic_partition), world.models[topic_partition]
    world.manager.relocations.cancel(topic_partition, world.now_ms)
    offset = max(0, model.end + rng.choice((-20, 5, 50)))
    try:
        log.truncate_fully_and_start_at(offset, world.now_ms)
    except KafkaError:
        model.emptying_failed(offset)
        raise
    model.emptied(offset)
    return f"{topic_partition} empty, from {offset}"


def delete_topic(world: World, rng: Random) -> str:
    """Deleted and created anew: nothing of the old one may come back."""
    topic_partition = world.pick(rng)
    world.log(topic_partition)
    world.manager.delete([topic_partition], world.now_ms)
    world.new_model(topic_partition)
    # Of the device as well: when that lies, the old directory may come back around what the new one was given.
    is_failed = not all(directory.is_online for directory in world.manager.directories) or world.disk.faults.lied
    world.deletion_failed |= is_failed
    world.check_online()
    return f"{topic_partition} deleted and created anew"
